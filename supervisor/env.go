package supervisor

import (
	"time"

	"weir/supervisor/config"
)

// env is what the state machines ask of the operating system. Calls come from the main loop and do
// not block; what follows from them arrives as events. Tests put a recorder in its place.
type env interface {
	now() time.Time
	// jitter is d changed by up to a tenth either way.
	jitter(d time.Duration) time.Duration
	// spawn starts w: evSpawned or evSpawnFailed, then evReady, evStopNotice and at last evExited.
	spawn(w WorkerRef, c *PoolConfig)
	// signal sends SIGTERM to w's process, or SIGKILL to its whole group.
	signal(w WorkerRef, kill bool)
	// examine finds out what w listens on instead: evExamined.
	examine(w WorkerRef)
	// recheck probes a ready worker's endpoint: evUnserving if it refuses.
	recheck(w WorkerRef, e Endpoint)
	// suspend stops w's group and gives its memory back as far as the kernel allows.
	suspend(w WorkerRef)
	// resume lets it go on.
	resume(w WorkerRef)
	// memory is how scarce memory is.
	memory() memoryView
	// cpuTime is the processor time that w has used.
	cpuTime(w WorkerRef) (time.Duration, error)
	// ping sends ping n to w's control loop: signPong.
	ping(w WorkerRef, n uint64)
	// fetch asks a ready worker as ping.http says: signProbed.
	fetch(w WorkerRef, e Endpoint, c config.Ping)
	// autopsy sends w the dump signal, then runs the hook: evAutopsied.
	autopsy(w WorkerRef, a autopsy)
	// hook runs a hook.
	hook(h hook)
	// rss is what w's process has in memory, if that is known.
	rss(w WorkerRef) (bytes int64, ok bool)
	// verify asks the kernel whether w's process is there and ours; "" if so.
	verify(w WorkerRef) (found string)
	// disown makes w's pid be nobody we know: it is never signalled again.
	disown(w WorkerRef)
	// lines are the last lines of w's output, oldest first.
	lines(w WorkerRef) []string
	// printed adds to w's output what it has said to a front.
	printed(w WorkerRef, text string)
	// measure reads the memory of what ws run, pss with proportional shares: done, on the main loop.
	measure(ws []WorkerRef, pss bool, done func(memory))
	// scan looks for files that match: done, on the main loop.
	scan(patterns []string, done func(fileSet))
	// spread is a random number in [-1, 1).
	spread() float64
	// forget gives back what belongs to w: its directory, its port. Its process is gone.
	forget(w WorkerRef)
}

// evNotice is an event that carries a status line and moves nothing.
const evNotice workerEvent = 255

// event is one thing that happened to one worker.
type event struct {
	worker   WorkerRef
	kind     workerEvent
	pid      int        // evSpawned
	place    place      // evSpawned
	endpoint Endpoint   // evReady
	err      error      // evSpawnFailed
	text     string     // why: evExamined, evHung, evRefused, evDrain, evKill, evSuspend, evWake; signProbed
	exit     ExitStatus // evExited
	status   *string    // STATUS=, with any kind
	recycle  *string    // RECYCLE=, with any kind
	sign     sign       // of life, with evNotice
	count    int        // signPong
	call     func()     // an API call to run on the loop instead
}
