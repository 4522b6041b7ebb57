package supervisor

import "fmt"

// PoolState is what a pool is; what it should be is its want.
type PoolState uint8

// Pool states: what happens to requests, and how a pool leaves the state.
const (
	PoolStopped  PoolState = iota // no worker; 503 AppShutdown
	PoolStarting                  // no worker ready yet, or none any more; requests queue
	PoolRunning                   // at least one worker ready, or none wanted until a request waits
	PoolFailed                    // rapid-fail protection: 503 AppOffline; left by a ready worker
	PoolDisabled                  // on purpose: 503 Disabled; no worker, or none that is not disabled
	poolStateCount
)

var poolStateNames = [poolStateCount]string{"stopped", "starting", "running", "failed",
	"disabled"}

// String is the state's name in logs and status.
func (s PoolState) String() string { return poolStateNames[s] }

// MarshalText is String.
func (s PoolState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// poolEvent is what can happen to a pool.
type poolEvent uint8

const (
	evPoolStart   poolEvent = iota // asked to run
	evPoolStop                     // asked to stop
	evPoolUp                       // a worker became ready
	evPoolDown                     // the last ready worker left rotation
	evPoolRest                     // no worker is in rotation, and none is wanted there
	evPoolRapid                    // rapid_fail's count is reached and no worker is ready
	evPoolProbe                    // clock: time for a half-open probe
	evPoolEmpty                    // the last worker's process is gone while the pool should stop
	evPoolDrain                    // asked to finish what has begun, without a deadline, and stop
	evPoolDisable                  // asked to be disabled
	evPoolVacant                   // as evPoolEmpty, while the pool should be disabled
	evPoolAllOff                   // every worker that there may be is disabled
	poolEventCount
)

var poolEventNames = [poolEventCount]string{
	"start", "stop", "worker ready", "no worker ready", "no worker wanted", "rapid fail",
	"half-open probe", "empty", "drain", "disable", "empty", "every worker is disabled",
}

func (e poolEvent) String() string { return poolEventNames[e] }

// poolAction is what the supervisor does about an event; Pool.act carries it out.
type poolAction uint8

const (
	poolIgnore  poolAction = iota
	poolOpen               // requests queue from now on; forget old failures, start workers
	poolRetire             // refuse requests, drain every worker
	poolHeal               // requests are served again; start the other workers
	poolOffline            // refuse requests; plan a half-open probe, stay down, or exit
	poolProbe              // start one worker
	poolClosed             // tell those who wait for the stop
	poolDrain              // refuse requests, drain every worker for as long as it takes
	poolDisable            // refuse requests as disabled, drain every worker
	poolTell               // requests are refused as disabled, or no longer
)

// poolStep is one entry of the table: do the action, be in next.
type poolStep struct {
	do   poolAction
	next PoolState
}

// poolTable is the pool's state machine: state × event. While a pool stops it keeps its state until
// its last worker is gone: want says where it goes, and evPoolUp and evPoolDown do not come. A pool
// that is disabled though it should run has workers, each of them disabled by itself.
var poolTable = [poolStateCount][poolEventCount]poolStep{
	PoolStopped: {
		evPoolStart:   {poolOpen, PoolStarting},
		evPoolStop:    {poolIgnore, PoolStopped},
		evPoolUp:      {poolIgnore, PoolStopped},
		evPoolDown:    {poolIgnore, PoolStopped},
		evPoolRest:    {poolIgnore, PoolStopped},
		evPoolRapid:   {poolIgnore, PoolStopped},
		evPoolProbe:   {poolIgnore, PoolStopped},
		evPoolEmpty:   {poolClosed, PoolStopped},
		evPoolDrain:   {poolIgnore, PoolStopped},
		evPoolDisable: {poolDisable, PoolDisabled},
		evPoolVacant:  {poolIgnore, PoolStopped},
		evPoolAllOff:  {poolIgnore, PoolStopped},
	},
	PoolStarting: {
		evPoolStart:   {poolOpen, PoolStarting},
		evPoolStop:    {poolRetire, PoolStarting},
		evPoolUp:      {poolIgnore, PoolRunning},
		evPoolDown:    {poolIgnore, PoolStarting},
		evPoolRest:    {poolIgnore, PoolRunning},
		evPoolRapid:   {poolOffline, PoolFailed},
		evPoolProbe:   {poolIgnore, PoolStarting},
		evPoolEmpty:   {poolClosed, PoolStopped},
		evPoolDrain:   {poolDrain, PoolStarting},
		evPoolDisable: {poolDisable, PoolStarting},
		evPoolVacant:  {poolClosed, PoolDisabled},
		evPoolAllOff:  {poolTell, PoolDisabled},
	},
	PoolRunning: {
		evPoolStart:   {poolOpen, PoolRunning},
		evPoolStop:    {poolRetire, PoolRunning},
		evPoolUp:      {poolIgnore, PoolRunning},
		evPoolDown:    {poolIgnore, PoolStarting},
		evPoolRest:    {poolIgnore, PoolRunning},
		evPoolRapid:   {poolOffline, PoolFailed},
		evPoolProbe:   {poolIgnore, PoolRunning},
		evPoolEmpty:   {poolClosed, PoolStopped},
		evPoolDrain:   {poolDrain, PoolRunning},
		evPoolDisable: {poolDisable, PoolRunning},
		evPoolVacant:  {poolClosed, PoolDisabled},
		evPoolAllOff:  {poolTell, PoolDisabled},
	},
	PoolFailed: {
		evPoolStart:   {poolOpen, PoolStarting},
		evPoolStop:    {poolRetire, PoolFailed},
		evPoolUp:      {poolHeal, PoolRunning},
		evPoolDown:    {poolIgnore, PoolFailed},
		evPoolRest:    {poolIgnore, PoolFailed},
		evPoolRapid:   {poolIgnore, PoolFailed},
		evPoolProbe:   {poolProbe, PoolFailed},
		evPoolEmpty:   {poolClosed, PoolStopped},
		evPoolDrain:   {poolDrain, PoolFailed},
		evPoolDisable: {poolDisable, PoolFailed},
		evPoolVacant:  {poolClosed, PoolDisabled},
		evPoolAllOff:  {poolIgnore, PoolFailed},
	},
	PoolDisabled: {
		evPoolStart:   {poolOpen, PoolStarting},
		evPoolStop:    {poolRetire, PoolDisabled},
		evPoolUp:      {poolTell, PoolRunning},
		evPoolDown:    {poolTell, PoolStarting},
		evPoolRest:    {poolIgnore, PoolDisabled},
		evPoolRapid:   {poolOffline, PoolFailed},
		evPoolProbe:   {poolIgnore, PoolDisabled},
		evPoolEmpty:   {poolClosed, PoolStopped},
		evPoolDrain:   {poolDrain, PoolDisabled},
		evPoolDisable: {poolDisable, PoolDisabled},
		evPoolVacant:  {poolIgnore, PoolDisabled},
		evPoolAllOff:  {poolIgnore, PoolDisabled},
	},
}

// step looks the entry up; an unknown state or event is a bug of ours.
func (s PoolState) step(e poolEvent) poolStep {
	if s >= poolStateCount || e >= poolEventCount {
		panic(fmt.Sprintf("supervisor: pool state %d: event %d", s, e))
	}
	return poolTable[s][e]
}
