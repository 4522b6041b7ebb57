package config

// Ping is how a ready worker is asked whether it lives. Requests that it finishes say the same: no
// ping is needed then.
type Ping struct {
	Every    Duration `json:"every"`    // may be off
	Timeout  Duration `json:"timeout"`  // without a sign of life: it is hung
	Watchdog bool     `json:"watchdog"` // the worker says WATCHDOG=1 by itself, and is not asked
	HTTP     string   `json:"http"`     // path and query of a GET; "" asks workers of the Go SDK only
	Status   int      `json:"status"`   // what the GET must be answered with
}

// Hang is the rule for a worker that holds a request without a byte and finishes nothing else, and
// what happens to one that hangs, by this rule or by Ping.
type Hang struct {
	After  Duration   `json:"after"` // may be off
	Action HangAction `json:"action"`
	Dump   HangDump   `json:"dump"` // sent before anything else
	Hook   []string   `json:"hook"` // argv, no shell; run before the worker is ended
	Keep   Duration   `json:"keep"` // how long an orphan is left alone; may be off
}

// HangAction is what happens to a hung worker.
type HangAction string

// Hang actions.
const (
	HangKill   HangAction = "kill"
	HangOrphan HangAction = "orphan" // out of rotation and replaced, but left alone for Keep
	HangLog    HangAction = "log"
)

// HangDump is a signal by which a hung worker says where it hangs.
type HangDump string

// HangDumpOff sends none; the others are names of signals.
const HangDumpOff HangDump = "off"

// hangDumps are the values of HangDump.
var hangDumps = []string{string(HangDumpOff), "SIGQUIT", "SIGABRT", "SIGUSR1", "SIGUSR2"}
