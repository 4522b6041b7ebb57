package supervisor

// recycleCause is why a worker is replaced.
type recycleCause uint8

// Causes of recycling. The first is none.
const (
	causeNone recycleCause = iota
	causeAge
	causeRequests
	causeMemory
	causeMemoryMax
	causeErrors
	causeCPU // cpu_limit
	causeAt
	causeFiles
	causeWorker   // the worker asked for it
	causeConfig   // the configuration changed
	causeCommand  // asked for from outside
	causeRollback // of a rolling recycle that went wrong
	causeCount
)

var causeNames = [causeCount]string{
	"", "age", "requests", "memory", "memory_max", "errors", "cpu", "at", "files", "worker", "config",
	"command", "rollback",
}

// String is the cause's name in logs, status and metrics.
func (c recycleCause) String() string { return causeNames[c] }

// automatic reports the causes that nobody asked for just now: these wait for their turn.
func (c recycleCause) automatic() bool { return c >= causeAge && c <= causeWorker }

// byFresh reports the causes that a fresh worker proves useless when it has them at once.
func (c recycleCause) byFresh() bool {
	return c == causeMemory || c == causeMemoryMax || c == causeErrors || c == causeWorker
}

// causeCounts is how many workers left for each cause. Owned by the main loop.
type causeCounts [causeCount]uint64

// byName is the form of status and metrics: every cause is there.
func (n *causeCounts) byName() map[string]uint64 {
	out := make(map[string]uint64, causeCount-1)
	for c := causeAge; c < causeCount; c++ {
		out[c.String()] = n[c]
	}
	return out
}
