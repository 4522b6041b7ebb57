package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"weir/netpoll"
	"weir/pipeline"
)

// muxServer serves one handler to fronts that speak the frames of protocol/frame, on event loops of its
// own. Handlers run on the loop, those that are Blocking on goroutines.
type muxServer struct {
	handler pipeline.Handler
	local   string // address, as handlers see it
	slots   int    // requests at once over all connections; 0: no bound
	open    atomic.Int64
	loops   []*muxLoop
	running sync.WaitGroup
	empty   chan struct{} // capacity 1: the last stream of a draining server is over
	drains  atomic.Bool
}

// muxLoop is the server on one loop, which owns it.
type muxLoop struct {
	srv   *muxServer
	loop  *netpoll.Loop
	conns map[*muxSession]struct{}
	pumps []*muxStream // with body to deliver at the end of the turn
	free  *muxStream   // linked by next
	frees int
}

// newMuxServer makes the loops. slots is what the supervisor says the fronts may ask at once.
func newMuxServer(h pipeline.Handler, loops, slots int) (*muxServer, error) {
	s := &muxServer{handler: h, slots: slots, local: "unix:" + os.Getenv("WEIR_SOCKET"),
		empty: make(chan struct{}, 1)}
	for i := range loops {
		l, err := netpoll.New(netpoll.Config{Index: i, PlainWait: runtime.GOMAXPROCS(0) <= loops})
		if err != nil {
			s.end()
			return nil, fmt.Errorf("worker: %w", err)
		}
		ml := &muxLoop{srv: s, loop: l, conns: map[*muxSession]struct{}{}}
		l.AtTurnEnd(ml.endTurn)
		s.loops = append(s.loops, ml)
	}
	return s, nil
}

// serve accepts on l until shutdown.
func (s *muxServer) serve(l net.Listener) error {
	defer l.Close() //nolint:errcheck // its descriptors were duplicated
	for _, ml := range s.loops {
		fd, err := descriptorOf(l)
		if err != nil {
			return err
		}
		s.running.Go(ml.loop.Run)
		failed := make(chan error, 1)
		if !ml.loop.Post(func() {
			_, err := ml.loop.Listen(fd, nil, ml)
			failed <- err
		}) {
			return errors.Join(netpoll.ErrStopped, unix.Close(fd))
		}
		if err := <-failed; err != nil {
			return errors.Join(err, unix.Close(fd))
		}
	}
	s.running.Wait()
	return nil
}

// descriptorOf is a duplicate of l's socket. Not by File: that would make it blocking for everybody.
func descriptorOf(l net.Listener) (fd int, err error) {
	sc, ok := l.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("worker: listener of type %T", l)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1, err
	}
	e := raw.Control(func(p uintptr) { fd, err = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(e, os.NewSyscallError("fcntl", err))
}

// shutdown tells fronts to send no more, waits until what they have sent is done, and ends the loops.
func (s *muxServer) shutdown(ctx context.Context) error {
	s.drains.Store(true)
	for _, ml := range s.loops {
		ml.loop.Post(ml.drain)
	}
	s.maybeEmpty()
	var err error
	select {
	case <-s.empty:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.end()
	return err
}

// maybeEmpty tells a shutdown that nothing is open any more.
func (s *muxServer) maybeEmpty() {
	if s.drains.Load() && s.open.Load() == 0 {
		select {
		case s.empty <- struct{}{}:
		default:
		}
	}
}

func (s *muxServer) end() {
	for _, ml := range s.loops {
		ml.loop.Stop()
	}
}

// drain has every connection say which request is the last.
func (ml *muxLoop) drain() {
	for ss := range ml.conns {
		ss.drain()
	}
}

// OnAccept implements netpoll.Acceptor: a loop of a front.
func (ml *muxLoop) OnAccept(_ *netpoll.Listener, c *netpoll.Conn) {
	ss := newMuxSession(ml, c)
	ml.conns[ss] = struct{}{}
	c.Bulk(true)
	c.SetHandler(ss)
}

// endTurn delivers bodies that were asked for in this turn.
func (ml *muxLoop) endTurn() {
	for i := 0; i < len(ml.pumps); i++ { // a delivery may ask for more
		x := ml.pumps[i]
		ml.pumps[i] = nil
		if x.pumping {
			x.pumping = false
			x.pump()
		}
	}
	ml.pumps = ml.pumps[:0]
}

func (ml *muxLoop) acquire() *muxStream {
	x := ml.free
	if x == nil {
		return &muxStream{ml: ml}
	}
	ml.free, x.next = x.next, nil
	ml.frees--
	return x
}

func (ml *muxLoop) release(x *muxStream) {
	if ml.frees < streamsFree {
		ml.frees++
		x.next, ml.free = ml.free, x
	}
}

// concurrency is how many requests the supervisor lets fronts send at once; 0 if it does not say.
func concurrency() int {
	n, err := strconv.Atoi(os.Getenv("WEIR_CONCURRENCY"))
	if err != nil || n < 0 {
		return 0
	}
	return n
}
