package supervisor

import "fmt"

// WorkerState is where a worker is in its life. States only move down this list, but that one that is
// suspended or disabled may become ready again.
type WorkerState uint8

// Worker states: what a worker gets, and how it leaves.
const (
	WorkerStarting   WorkerState = iota // no requests yet; leaves by ready, exit, deadline
	WorkerReady                         // in rotation; leaves by drain, hang, exit
	WorkerSuspending                    // idle: out of rotation, and suspended once drained
	WorkerSuspended                     // stopped and paged out; leaves by wake, drain, exit
	WorkerDisabling                     // kept out of rotation by a verb; disabled once drained
	WorkerDisabled                      // kept, with nothing to do; leaves by enable, drain, exit
	WorkerDraining                      // finishes what it has; leaves by drained, deadline, exit
	WorkerOrphaned                      // hung, replaced, left alone; leaves by hang.keep, stop, exit
	WorkerStopping                      // has been signalled; leaves by exit alone
	WorkerGone                          // its process has been reaped
	workerStateCount
)

var workerStateNames = [workerStateCount]string{
	"starting", "ready", "suspending", "suspended", "disabling", "disabled", "draining", "orphaned",
	"stopping", "gone",
}

// String is the state's name in logs and status.
func (s WorkerState) String() string { return workerStateNames[s] }

// parked: out of rotation, but alive and wanted.
func (s WorkerState) parked() bool { return s == WorkerSuspending || s == WorkerSuspended }

// disabled: out of rotation, and kept there until a verb says otherwise.
func (s WorkerState) disabled() bool { return s == WorkerDisabling || s == WorkerDisabled }

// serving: it takes requests, or is there to be woken for them.
func (s WorkerState) serving() bool { return s == WorkerReady || s.parked() }

// MarshalText is String.
func (s WorkerState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// workerEvent is what can happen to a worker.
type workerEvent uint8

const (
	evSpawned     workerEvent = iota // exec succeeded
	evSpawnFailed                    // no process, or one that never became the worker's program
	evReady                          // an endpoint answered its probe
	evReadyLate                      // clock: the ready deadline
	evExamined                       // what a worker that missed the deadline does listen on is known
	evStopNotice                     // STOPPING=1
	evServed                         // first request completed
	evRefused                        // the front's connection attempt was refused
	evUnserving                      // and a probe of ours as well
	evSilent                         // no sign of life
	evHung                           // hang rule or evSilent, action kill
	evOrphan                         // the same, action orphan
	evAutopsied                      // dump signal and hook of a hung worker are over
	evKeepLate                       // clock: the end of an orphan
	evSuspend                        // idle for long enough
	evWake                           // a request waits
	evDisable                        // asked to take no requests, and stay
	evEnable                         // asked to take requests again
	evDrain                          // asked to leave: stop, recycle, fewer workers, new configuration
	evDrained                        // the front holds nothing of it any more
	evDrainLate                      // clock: the drain deadline
	evStopLate                       // clock: the stop deadline
	evKillLate                       // clock: SIGKILLed and still there
	evKill                           // asked to leave at once
	evExited                         // reaped
	workerEventCount
)

var workerEventNames = [workerEventCount]string{
	"spawned", "spawn failed", "ready", "ready deadline", "examined", "STOPPING=1", "served", "refused",
	"unserving", "silent", "hung", "orphaned", "autopsied", "hang.keep", "idle", "wake", "disable",
	"enable", "drain", "drained", "drain deadline", "stop deadline", "kill deadline", "kill", "exited",
}

func (e workerEvent) String() string { return workerEventNames[e] }

// workerAction is what the supervisor does about an event; worker.act carries it out.
type workerAction uint8

const (
	actIgnore     workerAction = iota
	actBug                     // cannot happen: panic
	actBegin                   // note the pid
	actFail                    // no process: a failure
	actRotate                  // tell the front; a replacement retires its predecessor
	actExamine                 // find out what it listens on
	actKill                    // SIGKILL to the group
	actDrain                   // tell the front to finish
	actDrainTerm               // tell the front, and SIGTERM without waiting
	actTerm                    // SIGTERM
	actLateSpawn               // it was asked to leave before it was there: signal it now
	actPark                    // tell the front to finish, to suspend it then
	actSuspend                 // SIGSTOP to the group, page it out
	actUnpark                  // SIGCONT, tell the front
	actRest                    // tell the front to finish, and keep it
	actResume                  // SIGCONT
	actResumeTerm              // SIGCONT and SIGTERM
	actGiveUp                  // tell the front to take it out of rotation and what it held: evHung
	actCondemn                 // tell the front; dump signal and hook if there are any, else SIGTERM
	actAbandon                 // tell the front; dump signal and hook if there are any
	actServed                  // deaths are not failures to start any more
	actRecheck                 // probe the endpoint
	actComplain                // log that SIGKILL did not help
	actReap                    // account for the death
	actHasten                  // a drain that had no deadline gets one, if it is to have one
)

// workerStep is one entry of the table: do the action, be in next.
type workerStep struct {
	do   workerAction
	next WorkerState
}

// workerTable is the worker's state machine: state × event. It has no conditions; what depends on
// configuration (hang.action) is decided before an event is made.
var workerTable = [workerStateCount][workerEventCount]workerStep{
	WorkerStarting: {
		evSpawned:     {actBegin, WorkerStarting},
		evSpawnFailed: {actFail, WorkerGone},
		evReady:       {actRotate, WorkerReady},
		evReadyLate:   {actExamine, WorkerStarting},
		evExamined:    {actKill, WorkerStopping},
		evStopNotice:  {actTerm, WorkerStopping},
		evServed:      {actIgnore, WorkerStarting},
		evRefused:     {actIgnore, WorkerStarting},
		evUnserving:   {actIgnore, WorkerStarting},
		evSilent:      {actBug, WorkerStarting},
		evHung:        {actIgnore, WorkerStarting},
		evSuspend:     {actIgnore, WorkerStarting},
		evWake:        {actIgnore, WorkerStarting},
		evOrphan:      {actIgnore, WorkerStarting},
		evAutopsied:   {actBug, WorkerStarting},
		evKeepLate:    {actBug, WorkerStarting},
		evDisable:     {actIgnore, WorkerStarting},
		evEnable:      {actIgnore, WorkerStarting},
		evDrain:       {actTerm, WorkerStopping},
		evDrained:     {actIgnore, WorkerStarting},
		evDrainLate:   {actBug, WorkerStarting},
		evStopLate:    {actBug, WorkerStarting},
		evKillLate:    {actBug, WorkerStarting},
		evKill:        {actKill, WorkerStopping},
		evExited:      {actReap, WorkerGone},
	},
	WorkerReady: {
		evSpawned:     {actBug, WorkerReady},
		evSpawnFailed: {actBug, WorkerReady},
		evReady:       {actIgnore, WorkerReady},
		evReadyLate:   {actBug, WorkerReady},
		evExamined:    {actIgnore, WorkerReady},
		evStopNotice:  {actDrain, WorkerDraining},
		evServed:      {actServed, WorkerReady},
		evRefused:     {actRecheck, WorkerReady},
		evUnserving:   {actDrainTerm, WorkerStopping},
		evSuspend:     {actPark, WorkerSuspending},
		evWake:        {actIgnore, WorkerReady},
		evSilent:      {actGiveUp, WorkerReady},
		evHung:        {actCondemn, WorkerStopping},
		evOrphan:      {actAbandon, WorkerOrphaned},
		evAutopsied:   {actBug, WorkerReady},
		evKeepLate:    {actBug, WorkerReady},
		evDisable:     {actRest, WorkerDisabling},
		evEnable:      {actIgnore, WorkerReady},
		evDrain:       {actDrain, WorkerDraining},
		evDrained:     {actIgnore, WorkerReady},
		evDrainLate:   {actBug, WorkerReady},
		evStopLate:    {actBug, WorkerReady},
		evKillLate:    {actBug, WorkerReady},
		evKill:        {actKill, WorkerStopping},
		evExited:      {actReap, WorkerGone},
	},
	WorkerSuspending: {
		evSpawned:     {actBug, WorkerSuspending},
		evSpawnFailed: {actBug, WorkerSuspending},
		evReady:       {actIgnore, WorkerSuspending},
		evReadyLate:   {actBug, WorkerSuspending},
		evExamined:    {actIgnore, WorkerSuspending},
		evStopNotice:  {actDrain, WorkerDraining},
		evServed:      {actServed, WorkerSuspending},
		evRefused:     {actIgnore, WorkerSuspending},
		evUnserving:   {actTerm, WorkerStopping},
		evSilent:      {actBug, WorkerSuspending},
		evHung:        {actTerm, WorkerStopping},
		evOrphan:      {actIgnore, WorkerSuspending},
		evAutopsied:   {actBug, WorkerSuspending},
		evKeepLate:    {actBug, WorkerSuspending},
		evSuspend:     {actIgnore, WorkerSuspending},
		evWake:        {actUnpark, WorkerReady},
		evDisable:     {actIgnore, WorkerDisabling},
		evEnable:      {actUnpark, WorkerReady},
		evDrain:       {actDrain, WorkerDraining},
		evDrained:     {actSuspend, WorkerSuspended},
		evDrainLate:   {actBug, WorkerSuspending},
		evStopLate:    {actBug, WorkerSuspending},
		evKillLate:    {actBug, WorkerSuspending},
		evKill:        {actKill, WorkerStopping},
		evExited:      {actReap, WorkerGone},
	},
	WorkerSuspended: {
		evSpawned:     {actBug, WorkerSuspended},
		evSpawnFailed: {actBug, WorkerSuspended},
		evReady:       {actIgnore, WorkerSuspended},
		evReadyLate:   {actBug, WorkerSuspended},
		evExamined:    {actIgnore, WorkerSuspended},
		evStopNotice:  {actResumeTerm, WorkerStopping},
		evServed:      {actServed, WorkerSuspended},
		evRefused:     {actIgnore, WorkerSuspended},
		evUnserving:   {actIgnore, WorkerSuspended},
		evSilent:      {actBug, WorkerSuspended},
		evHung:        {actIgnore, WorkerSuspended},
		evOrphan:      {actIgnore, WorkerSuspended},
		evAutopsied:   {actBug, WorkerSuspended},
		evKeepLate:    {actBug, WorkerSuspended},
		evSuspend:     {actIgnore, WorkerSuspended},
		evWake:        {actUnpark, WorkerReady},
		evDisable:     {actResume, WorkerDisabled},
		evEnable:      {actUnpark, WorkerReady},
		evDrain:       {actResumeTerm, WorkerStopping},
		evDrained:     {actIgnore, WorkerSuspended},
		evDrainLate:   {actBug, WorkerSuspended},
		evStopLate:    {actBug, WorkerSuspended},
		evKillLate:    {actBug, WorkerSuspended},
		evKill:        {actKill, WorkerStopping},
		evExited:      {actReap, WorkerGone},
	},
	WorkerDisabling: {
		evSpawned:     {actBug, WorkerDisabling},
		evSpawnFailed: {actBug, WorkerDisabling},
		evReady:       {actIgnore, WorkerDisabling},
		evReadyLate:   {actBug, WorkerDisabling},
		evExamined:    {actIgnore, WorkerDisabling},
		evStopNotice:  {actDrain, WorkerDraining},
		evServed:      {actServed, WorkerDisabling},
		evRefused:     {actIgnore, WorkerDisabling},
		evUnserving:   {actIgnore, WorkerDisabling},
		evSilent:      {actBug, WorkerDisabling},
		evHung:        {actCondemn, WorkerStopping},
		evOrphan:      {actAbandon, WorkerOrphaned},
		evAutopsied:   {actBug, WorkerDisabling},
		evKeepLate:    {actBug, WorkerDisabling},
		evSuspend:     {actIgnore, WorkerDisabling},
		evWake:        {actIgnore, WorkerDisabling},
		evDisable:     {actIgnore, WorkerDisabling},
		evEnable:      {actUnpark, WorkerReady},
		evDrain:       {actDrain, WorkerDraining},
		evDrained:     {actIgnore, WorkerDisabled},
		evDrainLate:   {actBug, WorkerDisabling},
		evStopLate:    {actBug, WorkerDisabling},
		evKillLate:    {actBug, WorkerDisabling},
		evKill:        {actKill, WorkerStopping},
		evExited:      {actReap, WorkerGone},
	},
	WorkerDisabled: {
		evSpawned:     {actBug, WorkerDisabled},
		evSpawnFailed: {actBug, WorkerDisabled},
		evReady:       {actIgnore, WorkerDisabled},
		evReadyLate:   {actBug, WorkerDisabled},
		evExamined:    {actIgnore, WorkerDisabled},
		evStopNotice:  {actTerm, WorkerStopping},
		evServed:      {actServed, WorkerDisabled},
		evRefused:     {actIgnore, WorkerDisabled},
		evUnserving:   {actIgnore, WorkerDisabled},
		evSilent:      {actBug, WorkerDisabled},
		evHung:        {actIgnore, WorkerDisabled},
		evOrphan:      {actIgnore, WorkerDisabled},
		evAutopsied:   {actBug, WorkerDisabled},
		evKeepLate:    {actBug, WorkerDisabled},
		evSuspend:     {actIgnore, WorkerDisabled},
		evWake:        {actIgnore, WorkerDisabled},
		evDisable:     {actIgnore, WorkerDisabled},
		evEnable:      {actUnpark, WorkerReady},
		evDrain:       {actTerm, WorkerStopping},
		evDrained:     {actIgnore, WorkerDisabled},
		evDrainLate:   {actBug, WorkerDisabled},
		evStopLate:    {actBug, WorkerDisabled},
		evKillLate:    {actBug, WorkerDisabled},
		evKill:        {actKill, WorkerStopping},
		evExited:      {actReap, WorkerGone},
	},
	WorkerDraining: {
		evSpawned:     {actBug, WorkerDraining},
		evSpawnFailed: {actBug, WorkerDraining},
		evReady:       {actIgnore, WorkerDraining},
		evReadyLate:   {actBug, WorkerDraining},
		evExamined:    {actIgnore, WorkerDraining},
		evStopNotice:  {actIgnore, WorkerDraining},
		evServed:      {actServed, WorkerDraining},
		evRefused:     {actIgnore, WorkerDraining},
		evUnserving:   {actIgnore, WorkerDraining},
		evSuspend:     {actIgnore, WorkerDraining},
		evWake:        {actIgnore, WorkerDraining},
		evSilent:      {actBug, WorkerDraining},
		evHung:        {actCondemn, WorkerStopping},
		evOrphan:      {actAbandon, WorkerOrphaned},
		evAutopsied:   {actBug, WorkerDraining},
		evKeepLate:    {actBug, WorkerDraining},
		evDisable:     {actIgnore, WorkerDraining},
		evEnable:      {actIgnore, WorkerDraining},
		evDrain:       {actHasten, WorkerDraining},
		evDrained:     {actTerm, WorkerStopping},
		evDrainLate:   {actTerm, WorkerStopping},
		evStopLate:    {actBug, WorkerDraining},
		evKillLate:    {actBug, WorkerDraining},
		evKill:        {actKill, WorkerStopping},
		evExited:      {actReap, WorkerGone},
	},
	WorkerOrphaned: {
		evSpawned:     {actBug, WorkerOrphaned},
		evSpawnFailed: {actBug, WorkerOrphaned},
		evReady:       {actIgnore, WorkerOrphaned},
		evReadyLate:   {actBug, WorkerOrphaned},
		evExamined:    {actIgnore, WorkerOrphaned},
		evStopNotice:  {actIgnore, WorkerOrphaned},
		evServed:      {actServed, WorkerOrphaned},
		evRefused:     {actIgnore, WorkerOrphaned},
		evUnserving:   {actIgnore, WorkerOrphaned},
		evSilent:      {actBug, WorkerOrphaned},
		evHung:        {actIgnore, WorkerOrphaned},
		evOrphan:      {actIgnore, WorkerOrphaned},
		evAutopsied:   {actIgnore, WorkerOrphaned},
		evKeepLate:    {actKill, WorkerStopping},
		evSuspend:     {actIgnore, WorkerOrphaned},
		evWake:        {actIgnore, WorkerOrphaned},
		evDisable:     {actIgnore, WorkerOrphaned},
		evEnable:      {actIgnore, WorkerOrphaned},
		evDrain:       {actKill, WorkerStopping},
		evDrained:     {actIgnore, WorkerOrphaned},
		evDrainLate:   {actBug, WorkerOrphaned},
		evStopLate:    {actBug, WorkerOrphaned},
		evKillLate:    {actBug, WorkerOrphaned},
		evKill:        {actKill, WorkerStopping},
		evExited:      {actReap, WorkerGone},
	},
	WorkerStopping: {
		evSpawned:     {actLateSpawn, WorkerStopping},
		evSpawnFailed: {actFail, WorkerGone},
		evReady:       {actIgnore, WorkerStopping},
		evReadyLate:   {actBug, WorkerStopping},
		evExamined:    {actIgnore, WorkerStopping},
		evStopNotice:  {actIgnore, WorkerStopping},
		evServed:      {actServed, WorkerStopping},
		evRefused:     {actIgnore, WorkerStopping},
		evUnserving:   {actIgnore, WorkerStopping},
		evSilent:      {actBug, WorkerStopping},
		evHung:        {actIgnore, WorkerStopping},
		evSuspend:     {actIgnore, WorkerStopping},
		evWake:        {actIgnore, WorkerStopping},
		evOrphan:      {actIgnore, WorkerStopping},
		evAutopsied:   {actTerm, WorkerStopping},
		evKeepLate:    {actBug, WorkerStopping},
		evDisable:     {actIgnore, WorkerStopping},
		evEnable:      {actIgnore, WorkerStopping},
		evDrain:       {actIgnore, WorkerStopping},
		evDrained:     {actIgnore, WorkerStopping},
		evDrainLate:   {actBug, WorkerStopping},
		evStopLate:    {actKill, WorkerStopping},
		evKillLate:    {actComplain, WorkerStopping},
		evKill:        {actKill, WorkerStopping},
		evExited:      {actReap, WorkerGone},
	},
	WorkerGone: {
		evSpawned:     {actBug, WorkerGone},
		evSpawnFailed: {actBug, WorkerGone},
		evReady:       {actIgnore, WorkerGone},
		evReadyLate:   {actBug, WorkerGone},
		evExamined:    {actIgnore, WorkerGone},
		evStopNotice:  {actIgnore, WorkerGone},
		evServed:      {actIgnore, WorkerGone},
		evRefused:     {actIgnore, WorkerGone},
		evUnserving:   {actIgnore, WorkerGone},
		evSilent:      {actBug, WorkerGone},
		evHung:        {actIgnore, WorkerGone},
		evSuspend:     {actIgnore, WorkerGone},
		evWake:        {actIgnore, WorkerGone},
		evOrphan:      {actIgnore, WorkerGone},
		evAutopsied:   {actIgnore, WorkerGone},
		evKeepLate:    {actBug, WorkerGone},
		evDisable:     {actIgnore, WorkerGone},
		evEnable:      {actIgnore, WorkerGone},
		evDrain:       {actIgnore, WorkerGone},
		evDrained:     {actIgnore, WorkerGone},
		evDrainLate:   {actBug, WorkerGone},
		evStopLate:    {actBug, WorkerGone},
		evKillLate:    {actBug, WorkerGone},
		evKill:        {actIgnore, WorkerGone},
		evExited:      {actBug, WorkerGone},
	},
}

// step looks the entry up; an event that cannot happen in the state is a bug of ours.
func (s WorkerState) step(e workerEvent) workerStep {
	t := workerTable[s][e]
	if t.do == actBug {
		panic(fmt.Sprintf("supervisor: worker is %s: %s cannot happen", s, e))
	}
	return t
}
