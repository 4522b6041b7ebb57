package netpoll

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2/pkg/queue"
)

// ErrStopped is returned by operations on a loop that has stopped.
var ErrStopped = errors.New("netpoll: loop stopped")

// Config sets a loop up. The zero value works.
type Config struct {
	Index       int                 // place among the process's loops; names the loop in messages
	BufferBytes int                 // bound of this loop's buffers; 0 = BuffersDefault
	Conns       *Cap                // accepted connections, shared by the loops of a process; nil = no bound
	FinishRate  int                 // B/s that a closing connection's peer must take; 0 = 240, < 0 = no bound
	PlainWait   bool                // wait in Syscall only: needed when GOMAXPROCS <= loops or asyncpreemptoff=1
	ReadFile    func(f func()) bool // runs f on a pool for blocking work, false: full; nil = a goroutine each
}

// Loop is one event loop. Its methods belong to its own goroutine, except Post, Stop and Counters.
type Loop struct {
	Config
	poller *poller
	wheel  wheel
	now    int64 // ns, monotonic; read once a turn
	start  time.Time

	conns     connTable
	count     int // of conns
	gen       uint32
	listeners []*Listener
	ready     []*Conn // to be read again next turn
	dirty     []*Conn // with unsent bytes that no event will flush
	spare     []*Conn // the other half of ready, swapped each turn
	starved   []*Conn // reads waiting for buffer memory
	links     map[int]*Link
	packet    []byte // what links receive into

	free    freeLists
	scratch []byte
	vec     vector
	trim    trimmer
	cold    coldReads
	events  [eventsMax]event
	turnEnd []func()
	atEnd   []func()
	hurried bool // the next wait is 0

	reserveFD int // given up to accept and refuse when descriptors run out
	posts     queue.AsyncTaskQueue
	posted    atomic.Int64 // queued or about to be; below 0: see postsClosed
	awake     atomic.Int64 // asleep: a Post must wake the poller; else 1 + the time this turn began
	stopping  atomic.Bool
	running   atomic.Bool
	wakeLock  sync.Mutex // orders wake-ups from outside and the end of the poller
	closed    bool       // guarded by wakeLock: the poller is closed
	thread    int
	fdShort   bool // some listener waits for a free descriptor
	counters  Counters
}

// asleep in Loop.awake: the loop waits, or is about to.
const asleep = 0

// Counters are a loop's totals, written by the loop alone; read them by Post.
type Counters struct {
	Accepted, AcceptErrors, FdLimit, ConnLimit, Turns, BufferWaits uint64
}

// New makes a loop; Run runs it. A loop holds descriptors until Run returns: one that is not wanted
// after all is disposed of by Stop and then Run.
func New(c Config) (*Loop, error) {
	p, err := openPoller()
	if err != nil {
		return nil, fmt.Errorf("netpoll: loop %d: %w", c.Index, err)
	}
	if c.BufferBytes == 0 {
		c.BufferBytes = BuffersDefault
	}
	if c.FinishRate == 0 {
		c.FinishRate = 240
	}
	l := &Loop{
		Config: c, poller: p, start: time.Now(), scratch: make([]byte, scratchBytes),
		posts: queue.NewLockFreeQueue(), reserveFD: openReserve(),
	}
	p.raw = !c.PlainWait && !strings.Contains(os.Getenv("GODEBUG"), "asyncpreemptoff=1")
	l.wheel.init(0)
	l.trim.loop = l
	l.trim.timer.Owner = &l.trim
	l.cold.loop = l
	l.cold.timer.Owner = &l.cold
	return l, nil
}

// Run locks the calling goroutine to its thread and turns until Stop. It closes what is still open.
func (l *Loop) Run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l.thread = threadID()
	l.running.Store(true)
	l.now = l.clock()
	for !l.stopping.Load() {
		l.turn()
	}
	l.shut()
}

// Stop makes Run return after the present turn. Any goroutine; also before Run, and more than once.
func (l *Loop) Stop() {
	l.stopping.Store(true)
	l.wake()
}

// wake ends the loop's wait, if it has not ended for good.
func (l *Loop) wake() {
	l.wakeLock.Lock()
	if !l.closed { // else the descriptor may be another's by now
		l.poller.wake()
	}
	l.wakeLock.Unlock()
}

// Lag is how long the present turn has lasted, and which one it is; 0 while the loop waits. Any
// goroutine: a watchdog that samples it sees the handler that holds a loop up, and the turn pays
// nothing for it.
func (l *Loop) Lag() (turn int64, lasted time.Duration) {
	since := l.awake.Load()
	if since <= 1 {
		return 0, 0
	}
	return since, max(time.Duration(l.clock()-since), 0)
}

// Now is the time at which this turn began, in ns on a monotonic clock that started with the loop.
func (l *Loop) Now() int64 { return l.now }

// Wall is the wall-clock time of Now; it reads the clock, so ask at most once a second.
func (l *Loop) Wall() time.Time { return time.Now() }

func (l *Loop) clock() int64 { return int64(time.Since(l.start)) }

// Schedule arranges that t fires at when (ns, as Now), or after; resolution 1 ms. An already
// scheduled timer is moved.
func (l *Loop) Schedule(t *Timer, when int64) {
	l.checkOn()
	l.wheel.schedule(t, when)
}

// Cancel takes t off the wheel; no effect when it is not on it.
func (l *Loop) Cancel(t *Timer) {
	if t.Scheduled() {
		t.unlink()
	}
}

// AtTurnEnd registers f to be run at the end of every turn, before dirty connections are flushed.
// Call it before Run.
func (l *Loop) AtTurnEnd(f func()) { l.turnEnd = append(l.turnEnd, f) }

// AtEnd registers f to be run when the loop ends and has closed everything. Call it before Run.
func (l *Loop) AtEnd(f func()) { l.atEnd = append(l.atEnd, f) }

// Hurry makes the next turn follow without a wait: for work left for AtTurnEnd by a callback that may
// come after it, OnDrain for example.
func (l *Loop) Hurry() { l.hurried = true }

// Each calls f for every open connection, dialled ones included; f may close any of them.
func (l *Loop) Each(f func(*Conn)) { l.conns.each(f) }

// Conns is the number of open connections, dialled ones included.
func (l *Loop) Conns() int { return l.count }

// BuffersUsed is the memory in buffers that are in use.
func (l *Loop) BuffersUsed() int { return l.free.used }

// Totals returns the loop's counters; on the loop only.
func (l *Loop) Totals() Counters { return l.counters }

// shut ends what is open. Callbacks can open nothing more, and what was posted before Stop still runs.
func (l *Loop) shut() {
	l.conns.each(func(c *Conn) { c.fail(ErrStopped) })
	for _, k := range l.links {
		k.end(ErrStopped)
	}
	for len(l.listeners) > 0 {
		l.listeners[0].Close()
	}
	l.endPosts()
	for _, f := range l.atEnd {
		f()
	}
	l.running.Store(false)
	l.wakeLock.Lock()
	l.closed = true
	l.poller.close()
	l.wakeLock.Unlock()
	if l.reserveFD >= 0 {
		sysClose(l.reserveFD)
	}
}

// trimmer gives surplus free buffers back once a second while there are any.
type trimmer struct {
	loop  *Loop
	timer Timer
}

// OnExpire drops half of the surplus and comes again while some is left.
func (t *trimmer) OnExpire(_ *Timer, now int64) {
	t.loop.free.trim()
	if t.loop.free.surplus() {
		t.loop.wheel.schedule(&t.timer, now+int64(trimEvery))
	}
}
