package supervisor

import (
	"time"

	"weir/supervisor/admin"
	"weir/supervisor/config"
)

// Kinds of messages from the supervisor to a front, in the order in which a new front sees them.
const (
	kindHello     = "hello"     // helloBody; descriptor: the front's counters
	kindListener  = "listener"  // listenerBody; descriptors: its sockets
	kindConfigure = "configure" // configureBody; answered by kindConfigured
	kindPool      = "pool"      // poolBody
	kindReady     = "worker"    // workerBody with an endpoint
	kindDrainW    = "drain-wkr" // workerBody; answered by kindDrained
	kindFail      = "fail-wkr"  // eventBody; answered by kindHung
	kindGone      = "gone"      // workerBody
	kindLend      = "lend"      // SiteSocket; descriptor: a listening socket of a pool that has no worker
	kindReclaim   = "reclaim"   // SiteSocket: accept what waits there, and close it
	kindSync      = "sync"      // syncBody; answered by kindSynced when all before it is in force
	kindStatusAsk = "status?"   // answered by kindStatus
	kindAsk       = "requests?" // requestsAsk; answered by kindRequests
	kindLogLevel  = "log-level" // textBody
	kindReopen    = "reopen"    // log files
	kindDrain     = "drain"     // drainBody: serve what is there, then exit
	kindShutdown  = "shutdown"  // exit now
)

// Kinds of messages from a front to the supervisor. The first is kindHello.
const (
	kindConfigured = "configured" // configuredBody
	kindAccepting  = "accepting"  // the front takes connections
	kindUnlisten   = "unlistened" // it takes no more: it drains
	kindDrained    = "drained"    // eventBody, as the next five
	kindHung       = "hung"
	kindRefused    = "refused"
	kindCircuit    = "circuit"
	kindReported   = "reported"
	kindServed     = "served"
	kindSynced     = "synced"   // syncBody
	kindWaits      = "waits"    // textBody: the pool
	kindLoad       = "load"     // PoolLoad
	kindStatus     = "status"   // whatever JSON the front reports
	kindRequests   = "requests" // requestsReport
)

type helloBody struct {
	Version  int      `json:"version"`
	PID      int      `json:"pid"` // the sender's
	Slot     int      `json:"slot"`
	Fronts   int      `json:"fronts"`
	Loops    int      `json:"loops"`
	Counters []string `json:"counters"`
	Secret   []byte   `json:"secret"`
}

type listenerBody struct {
	Address string `json:"address"`
	Network string `json:"network"`
	Actual  string `json:"actual"`
}

type configureBody struct {
	Generation uint64         `json:"generation"`
	Listeners  []string       `json:"listeners"` // addresses in force; others end
	Config     *config.Config `json:"config"`
	Env        []string       `json:"env,omitempty"` // NAME=VALUE, of the program that a front hosts
}

type configuredBody struct {
	Generation uint64 `json:"generation"`
	Error      string `json:"error,omitempty"`
}

type poolBody struct {
	Pool         string       `json:"pool"`
	Availability Availability `json:"availability"`
}

type workerBody struct {
	Worker   WorkerRef `json:"worker"`
	Endpoint Endpoint  `json:"endpoint"`
}

type eventBody struct {
	Worker WorkerRef `json:"worker"`
	Text   string    `json:"text,omitempty"`
}

type requestsAsk struct {
	N     uint64              `json:"n"`
	Query admin.RequestsQuery `json:"query"`
}

type requestsReport struct {
	N      uint64         `json:"n"` // of the question
	Report admin.Requests `json:"report"`
}

type syncBody struct {
	N uint64 `json:"n"`
}

type textBody struct {
	Text string `json:"text"`
}

type drainBody struct {
	Within time.Duration `json:"within"` // of receipt; the clocks of two processes need not agree
}
