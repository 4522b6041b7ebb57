package worker

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"weir/netpoll"
	"weir/pipeline"
	"weir/pipeline/server"
	"weir/protocol/handoff"
)

// handoffServer answers the requests of connections that fronts give to this process, on an event loop
// of its own, as a front does with handlers that it hosts itself. All but shutdown runs on the loop.
type handoffServer struct {
	handler pipeline.Handler
	slots   int
	loop    *netpoll.Loop
	srv     *server.Server
	ln      *netpoll.Listener
	links   map[*frontLink]struct{}
	guests  int
	drains  bool
	empty   chan struct{} // capacity 1: a draining server holds nothing any more
	running sync.WaitGroup
}

// frontLink is the link of one loop of a front.
type frontLink struct {
	hs     *handoffServer
	to     *netpoll.Link
	guests map[uint64]*server.Guest
	told   bool // DRAIN was sent
	final  bool // DRAIN has come: nothing more will
	leaves bool // the front ends
	buf    []byte
}

var (
	_ netpoll.LinkHandler = (*frontLink)(nil)
	_ server.Home         = (*frontLink)(nil)
)

func serveHandoff(ctx context.Context, h pipeline.Handler) error {
	l, err := netpoll.New(netpoll.Config{PlainWait: runtime.GOMAXPROCS(0) <= 1})
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	hs := &handoffServer{
		handler: counting(h), slots: concurrency(), loop: l, links: map[*frontLink]struct{}{},
		empty: make(chan struct{}, 1),
	}
	o := server.Options{ServerHeader: serverName}
	hs.srv = server.New([]*netpoll.Loop{l}, o)
	hs.running.Go(l.Run)
	if err := hs.srv.Apply(o, nil, nil); err != nil {
		hs.end()
		return fmt.Errorf("worker: %w", err)
	}
	return runOn(ctx, listenLinks, hs.serve, hs.shutdown)
}

// counting is h with the requests that it holds counted for pongs.
func counting(h pipeline.Handler) pipeline.Handler {
	over := func(*pipeline.Context, pipeline.Outcome) { inFlight.Add(-1) }
	return func(c *pipeline.Context) {
		inFlight.Add(1)
		c.OnCompleted(over)
		h(c)
	}
}

// linkListener is a listening socket for links; net has none that a loop could take.
type linkListener struct {
	net.Listener
	fd int
}

// Close implements net.Listener, before the loop has the socket.
func (l *linkListener) Close() error { return unix.Close(l.fd) }

func listenLinks() (net.Listener, error) {
	if _, _, ok := Self(); !ok {
		return nil, ErrNotWorker
	}
	fd, err := netpoll.ListenLink(os.Getenv("WEIR_SOCKET"), linkBacklog)
	return &linkListener{fd: fd}, err
}

// serve accepts links on l until shutdown.
func (hs *handoffServer) serve(l net.Listener) error {
	failed := make(chan error, 1)
	if !hs.loop.Post(func() {
		var err error
		hs.ln, err = hs.loop.Listen(l.(*linkListener).fd, nil, hs)
		failed <- err
	}) {
		return netpoll.ErrStopped
	}
	if err := <-failed; err != nil {
		return err
	}
	hs.running.Wait()
	return nil
}

// shutdown tells fronts to give no more, gives back what waits, and ends when nothing is left.
func (hs *handoffServer) shutdown(ctx context.Context) error {
	hs.loop.Post(hs.drain)
	var err error
	select {
	case <-hs.empty:
	case <-ctx.Done():
		err = ctx.Err()
	}
	hs.end()
	return err
}

func (hs *handoffServer) end() {
	hs.loop.Stop()
	hs.running.Wait()
}

func (hs *handoffServer) drain() {
	hs.drains = true
	if hs.ln != nil {
		hs.ln.Drain()
	}
	for fl := range hs.links {
		fl.drain()
	}
	hs.maybeEmpty()
}

func (hs *handoffServer) maybeEmpty() {
	if !hs.drains || hs.guests > 0 {
		return
	}
	for fl := range hs.links {
		if !fl.final {
			return
		}
	}
	select {
	case hs.empty <- struct{}{}:
	default:
	}
}

// OnAccept implements netpoll.Acceptor: a loop of a front.
func (hs *handoffServer) OnAccept(_ *netpoll.Listener, c *netpoll.Conn) {
	fd, _ := c.Detach()
	fl := &frontLink{hs: hs, guests: map[uint64]*server.Guest{}}
	var err error
	if fl.to, err = hs.loop.AdoptLink(fd, fl); err != nil {
		_ = unix.Close(fd) // the front tries again
		return
	}
	hs.links[fl] = struct{}{}
	fl.say(&handoff.Message{Kind: handoff.Hello, Min: handoff.VersionMin, Max: handoff.VersionMax,
		Slots: uint32(hs.slots)})
	if hs.drains {
		fl.drain()
	}
}

func (fl *frontLink) say(m *handoff.Message) {
	b, _ := handoff.Append(nil, m) // nothing in it is long
	fl.to.Say(b)
}

// drain says that no more is wanted, and gives back what is here.
func (fl *frontLink) drain() {
	if !fl.told {
		fl.told = true
		fl.say(&handoff.Message{Kind: handoff.Drain})
	}
	fl.leave()
}

// leave parts from all guests: this process, or the front, is to end.
func (fl *frontLink) leave() {
	for _, g := range fl.guests {
		if fl.leaves {
			g.Abandon()
		} else {
			g.Leave()
		}
	}
}

// OnPacket implements netpoll.LinkHandler: a message of the front.
func (fl *frontLink) OnPacket(_ *netpoll.Link, b []byte, fd int) {
	var m handoff.Message
	err := handoff.Parse(b, &m)
	if err == nil && (m.Kind == handoff.Connection) != (fd >= 0) {
		err = handoff.ErrOrder
	}
	if err == nil {
		err = fl.message(&m, fd)
	}
	if err != nil {
		if fd >= 0 {
			_ = unix.Close(fd) // the client sees it closed
		}
		fl.to.Close()
		fl.OnEnd(fl.to, err)
	}
}

// message takes one message. After an error fd is not taken.
func (fl *frontLink) message(m *handoff.Message, fd int) error {
	switch m.Kind {
	case handoff.Connection:
		if fl.final || fl.guests[m.ID] != nil {
			return handoff.ErrOrder
		}
		return fl.welcome(m, fd)
	case handoff.Recall:
		for _, g := range fl.guests {
			g.Recall()
		}
	case handoff.Drain:
		fl.final, fl.leaves = true, m.Flags&handoff.FlagEnding != 0
		fl.leave()
		fl.hs.maybeEmpty()
	default:
		return handoff.ErrOrder
	}
	return nil
}

// welcome takes a connection on.
func (fl *frontLink) welcome(m *handoff.Message, fd int) error {
	g := &server.Guest{
		Handler: fl.hs.handler, Home: fl, ID: m.ID, Limits: m.Limits, Local: string(m.Local),
		Scheme: "http", Trusted: m.Flags&handoff.FlagTrusted != 0, Scope: handoff.ScopeOf(m),
	}
	if m.Flags&handoff.FlagHTTPS != 0 {
		g.Scheme = "https"
	}
	if err := fl.hs.srv.Welcome(0, fd, m, g); err != nil {
		return err
	}
	fl.guests[m.ID] = g
	fl.hs.guests++
	if fl.told {
		g.Leave() // it was on its way: one answer
	}
	return nil
}

// Return implements server.Home.
func (fl *frontLink) Return(g *server.Guest, c *netpoll.Conn) (err error) {
	fl.buf, err = handoff.Append(fl.buf[:0], &handoff.Message{
		Kind: handoff.Connection, ID: g.ID, Requests: g.Requests, Errors: g.Errors, Bytes: c.Input(),
	})
	if err != nil {
		return err
	}
	return c.Give(fl.to, fl.buf)
}

// Left implements server.Home.
func (fl *frontLink) Left(g *server.Guest, returned bool) {
	delete(fl.guests, g.ID)
	fl.hs.guests--
	if !returned {
		fl.say(&handoff.Message{Kind: handoff.Closed, ID: g.ID, Requests: g.Requests, Errors: g.Errors})
	}
	fl.hs.maybeEmpty()
}

// OnRoom implements netpoll.LinkHandler: guests that wait try again by their timers.
func (fl *frontLink) OnRoom(*netpoll.Link) {}

// OnEnd implements netpoll.LinkHandler: nobody takes the connections back.
func (fl *frontLink) OnEnd(*netpoll.Link, error) {
	delete(fl.hs.links, fl)
	fl.final, fl.leaves = true, true
	fl.leave()
	fl.hs.maybeEmpty()
}
