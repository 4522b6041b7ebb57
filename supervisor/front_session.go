package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"weir/supervisor/admin"
	"weir/supervisor/config"
)

// ControlFD is the descriptor of the control channel in a front process.
const ControlFD = 3

// ErrSupervisorGone is returned by [FrontSession.Serve] when the supervisor ended without a word. The
// front must end too: its successor's supervisor owns nothing of it.
var ErrSupervisorGone = errors.New("supervisor: front: supervisor is gone")

// FrontHandler is what a front does for its supervisor. [FrontSession.Serve] calls it from one
// goroutine, in the order in which the supervisor spoke.
type FrontHandler interface {
	// Configure makes the front be as s says, wholly or not at all; the error goes to whoever asked
	// for the change. Listeners that s has and the front has not are to be served, those it has and s
	// has not are accepted from until EAGAIN and closed before Configure returns.
	//
	// Once Configure returned nil the descriptors in s are the front's; a listener that stays has the
	// same descriptors in every Snapshot. After an error only those it had before are.
	Configure(s Snapshot) error

	// As of Link. Pools that the configuration does not name (any more) are to be ignored; a worker that
	// the front does not know is drained at once. The endpoint's concurrency is this front's share.
	PoolAvailable(pool string, a Availability)
	WorkerReady(w WorkerRef, e Endpoint)
	WorkerDrain(w WorkerRef)
	WorkerFail(w WorkerRef, reason string)
	WorkerGone(w WorkerRef)

	// Lend: a pool whose workers accept for themselves takes no requests; until Reclaim they are the
	// front's to refuse: it accepts from fd, one more socket of an address of its configuration, and
	// closes each connection behind its answer. The front takes fd.
	Lend(id uint64, address string, fd int)
	// Reclaim: accept what waits at the socket, and close it.
	Reclaim(id uint64)

	// StatusWanted asks for one ReportStatus, from any goroutine, soon.
	StatusWanted()
	// RequestsWanted asks what requests are under way; answer may be called from any goroutine, once, soon.
	RequestsWanted(q admin.RequestsQuery, answer func(admin.Requests))
	LogLevel(level config.LogLevel)
	ReopenLogs()

	// Drain: accept until EAGAIN, close the listeners, ReportUnlistened, finish what is there, and end
	// the process with status 0; at deadline the rest is cut. It returns at once.
	Drain(deadline time.Time)
	// Shutdown: end the process now. It returns at once.
	Shutdown()
}

// Snapshot is all that a front is configured by.
type Snapshot struct {
	Config     *config.Config // as of [config.Config.ForFront]
	Listeners  []FrontListener
	Counters   *Counters // one row per loop; the same in every Snapshot
	Slot       int       // [0, Fronts)
	Fronts     int       // queue lengths are to be divided by it; slots of workers already are
	Loops      int
	Generation uint64
	Secret     []byte // of the instance: what one front signs another one, or the next, believes
}

// FrontListener is one address and its listening sockets, non-blocking and close-on-exec.
type FrontListener struct {
	Address string // as in the configuration; the listener's name
	Network string // "tcp" or "unix"
	Actual  string // with the real port
	FDs     []int  // one per loop, or a single one that all loops share
}

// FrontSession is a front's end of the control channel.
type FrontSession struct {
	conn      *ControlConn
	queue     *controlQueue
	hello     helloBody
	counters  *Counters
	listeners map[string]*FrontListener
	fresh     []string // received since the last configure
	ending    bool     // Drain or Shutdown was asked for
}

// AttachFront takes the control channel at descriptor fd and shakes hands. On Linux the process dies
// with its supervisor from here on.
func AttachFront(fd int) (*FrontSession, error) {
	conn, err := NewControlConn(fd)
	if err != nil {
		return nil, err
	}
	s := &FrontSession{conn: conn, listeners: map[string]*FrontListener{}}
	if err := s.attach(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s.queue = newControlQueue(conn)
	s.queue.put(kindHello, helloBody{Version: controlVersion, PID: os.Getpid()})
	return s, nil
}

func (s *FrontSession) attach() error {
	m, fds, err := s.conn.Recv()
	if err != nil {
		return fmt.Errorf("supervisor: front: no hello: %w", err)
	}
	if m.Kind != kindHello || len(fds) != 1 {
		closeFDs(fds)
		return fmt.Errorf("supervisor: front: %w: %s for hello", ErrControlProtocol, m.Kind)
	}
	file := os.NewFile(uintptr(fds[0]), "weir-counters")
	err = m.Decode(&s.hello)
	if err == nil && s.hello.Version != controlVersion {
		err = fmt.Errorf("supervisor: front: supervisor speaks version %d of the control channel, "+
			"this binary %d", s.hello.Version, controlVersion)
	}
	if err == nil {
		err = bindToParent(s.hello.PID)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	s.counters, err = OpenCounters(file, s.hello.Counters)
	return err
}

// Serve calls h until the channel ends: with nil if the front was told to end or called Close,
// [ErrSupervisorGone] if the supervisor vanished, or what went wrong.
func (s *FrontSession) Serve(h FrontHandler) error {
	for {
		m, fds, err := s.conn.Recv()
		if err != nil {
			return s.ended(err)
		}
		if err := s.handle(h, &m, fds); err != nil {
			s.queue.close(false)
			return errors.Join(err, s.conn.Close())
		}
	}
}

func (s *FrontSession) ended(err error) error {
	cause := s.queue.cause()
	s.queue.close(false)
	switch {
	case s.ending || errors.Is(err, os.ErrClosed) && cause == nil:
		return nil
	case cause != nil:
		return cause
	case err == io.EOF:
		return ErrSupervisorGone
	}
	return fmt.Errorf("supervisor: front: %w", err)
}

func (s *FrontSession) handle(h FrontHandler, m *Message, fds []int) error {
	if m.Kind == kindListener {
		return s.addListener(m, fds)
	}
	if m.Kind == kindLend {
		return s.lend(h, m, fds)
	}
	closeFDs(fds) // no other message carries any
	switch m.Kind {
	case kindConfigure:
		return s.configure(h, m)
	case kindPool:
		return decoded(m, func(b *poolBody) { h.PoolAvailable(b.Pool, b.Availability) })
	case kindReady:
		return decoded(m, func(b *workerBody) { h.WorkerReady(b.Worker, b.Endpoint) })
	case kindDrainW:
		return decoded(m, func(b *workerBody) { h.WorkerDrain(b.Worker) })
	case kindFail:
		return decoded(m, func(b *eventBody) { h.WorkerFail(b.Worker, b.Text) })
	case kindGone:
		return decoded(m, func(b *workerBody) { h.WorkerGone(b.Worker) })
	case kindReclaim:
		return decoded(m, func(b *SiteSocket) { h.Reclaim(b.ID) })
	case kindSync:
		return decoded(m, func(b *syncBody) { s.queue.put(kindSynced, b) })
	case kindStatusAsk:
		h.StatusWanted()
	case kindAsk:
		return decoded(m, func(b *requestsAsk) {
			h.RequestsWanted(b.Query, func(r admin.Requests) {
				s.queue.put(kindRequests, requestsReport{b.N, r})
			})
		})
	case kindLogLevel:
		return decoded(m, func(b *textBody) { h.LogLevel(config.LogLevel(b.Text)) })
	case kindReopen:
		h.ReopenLogs()
	case kindDrain:
		s.ending = true
		return decoded(m, func(b *drainBody) { h.Drain(time.Now().Add(b.Within)) })
	case kindShutdown:
		s.ending = true
		h.Shutdown()
	default:
		return fmt.Errorf("supervisor: front: %w: unknown message %q", ErrControlProtocol, m.Kind)
	}
	return nil
}

// decoded calls f with m's body.
func decoded[T any](m *Message, f func(*T)) error {
	b := new(T)
	if err := m.Decode(b); err != nil {
		return err
	}
	f(b)
	return nil
}

func (s *FrontSession) lend(h FrontHandler, m *Message, fds []int) error {
	var b SiteSocket
	err := m.Decode(&b)
	if err == nil && len(fds) != 1 {
		err = fmt.Errorf("supervisor: front: %w: %d sockets lent", ErrControlProtocol, len(fds))
	}
	if err != nil {
		closeFDs(fds)
		return err
	}
	h.Lend(b.ID, b.Address, fds[0])
	return nil
}

func (s *FrontSession) addListener(m *Message, fds []int) error {
	var b listenerBody
	if err := m.Decode(&b); err != nil {
		closeFDs(fds)
		return err
	}
	if len(fds) != 1 && len(fds) != s.hello.Loops || s.listeners[b.Address] != nil {
		closeFDs(fds)
		return fmt.Errorf("supervisor: front: %w: listener %s with %d sockets", ErrControlProtocol,
			b.Address, len(fds))
	}
	s.listeners[b.Address] = &FrontListener{b.Address, b.Network, b.Actual, fds}
	s.fresh = append(s.fresh, b.Address)
	return nil
}

func (s *FrontSession) configure(h FrontHandler, m *Message) error {
	var b configureBody
	if err := m.Decode(&b); err != nil {
		return err
	}
	snap := Snapshot{
		Config: b.Config, Counters: s.counters, Slot: s.hello.Slot, Fronts: s.hello.Fronts,
		Loops: s.hello.Loops, Generation: b.Generation, Secret: s.hello.Secret,
	}
	keep := make(map[string]*FrontListener, len(b.Listeners))
	for _, a := range b.Listeners {
		l := s.listeners[a]
		if l == nil {
			return fmt.Errorf("supervisor: front: %w: configure names %s", ErrControlProtocol, a)
		}
		snap.Listeners = append(snap.Listeners, *l)
		keep[a] = l
	}
	answer := configuredBody{Generation: b.Generation}
	err := setEnv(b.Env)
	if err == nil {
		err = h.Configure(snap)
	}
	if err != nil {
		answer.Error = err.Error()
		for _, a := range s.fresh {
			closeFDs(s.listeners[a].FDs)
			delete(s.listeners, a)
		}
	} else {
		s.listeners = keep
	}
	s.fresh = nil
	s.queue.put(kindConfigured, answer)
	return nil
}

// Events is where the front reports on workers. Its methods do not block.
func (s *FrontSession) Events() LinkEvents { return (*sessionEvents)(s) }

type sessionEvents FrontSession

func (s *sessionEvents) WorkerDrained(w WorkerRef) { s.queue.put(kindDrained, eventBody{Worker: w}) }

func (s *sessionEvents) WorkerHung(w WorkerRef, detail string) {
	s.queue.put(kindHung, eventBody{w, detail})
}

func (s *sessionEvents) WorkerRefused(w WorkerRef, err string) {
	s.queue.put(kindRefused, eventBody{w, err})
}

func (s *sessionEvents) WorkerCircuit(w WorkerRef, why string) {
	s.queue.put(kindCircuit, eventBody{w, why})
}

func (s *sessionEvents) WorkerReported(w WorkerRef, text string) {
	s.queue.put(kindReported, eventBody{w, text})
}

func (s *sessionEvents) WorkerServed(w WorkerRef) { s.queue.put(kindServed, eventBody{Worker: w}) }

func (s *sessionEvents) PoolWaits(pool string) { s.queue.put(kindWaits, textBody{pool}) }

func (s *sessionEvents) PoolLoad(l PoolLoad) { s.queue.put(kindLoad, l) }

// ReportReady says that the front takes connections; once, after the first Configure.
func (s *FrontSession) ReportReady() { s.queue.put(kindAccepting, nil) }

// ReportUnlistened says that a draining front has closed its listeners, so that the supervisor may
// close its copies.
func (s *FrontSession) ReportUnlistened() { s.queue.put(kindUnlisten, nil) }

// ReportStatus answers StatusWanted. status is the front's own view, shown as it is by the admin API.
func (s *FrontSession) ReportStatus(status json.RawMessage) { s.queue.put(kindStatus, status) }

// Close sends what is queued and ends Serve.
func (s *FrontSession) Close() error {
	s.queue.close(true)
	<-s.queue.done
	return s.conn.Close()
}
