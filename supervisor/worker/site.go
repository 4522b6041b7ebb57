package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"weir/supervisor"
	"weir/supervisor/config"
)

// Site is what a worker that accepts for itself does for its supervisor: a server of one site. Its
// methods but Drain are called from one goroutine, in the order in which the supervisor spoke.
type Site interface {
	// Configure makes the site be as c says, wholly or not at all. The first call is before all
	// others.
	Configure(c SiteConfig) error
	// Join accepts from fd, a listening socket for address, until Part. It takes fd.
	Join(id uint64, address string, fd int) error
	// Part accepts what waits at the socket and closes it.
	Part(id uint64)
	// Alive calls pong once the loops have come round, with the number of requests in flight.
	Alive(pong func(inFlight int))
	ReopenLogs()
	// Rest closes connections behind the answers that they are at, and calls rested, from another
	// goroutine, when none is left; not if a socket joins before. All sockets have parted.
	Rest(rested func())
	// Drain accepts what waits at the sockets, closes them, and returns when all that has begun is
	// done.
	Drain(ctx context.Context)
}

// SiteConfig is what a Site is configured by.
type SiteConfig struct {
	Config   *config.Config
	Counters *supervisor.Counters // one row; the same every time
	Stdout   *os.File             // of the instance, for access logs; the same every time
}

// Accepts reports whether this worker is one that accepts for itself: for [ServeSite].
func Accepts() bool { return os.Getenv("WEIR_DISPATCH") == string(config.DispatchReuseport) }

// ServeSite serves s on the sockets that the supervisor gives it, until it is told to leave, ctx
// ends, or SIGTERM or SIGINT comes; then it finishes what has begun and returns nil. The supervisor
// bounds that (stop_timeout).
func ServeSite(ctx context.Context, s Site) error {
	stop, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer cancel()
	c, err := attachSite(s)
	if err != nil {
		return err
	}
	defer c.conn.Close() //nolint:errcheck // it has done its part
	over := make(chan error, 1)
	go func() { over <- c.obey() }()
	select {
	case err := <-over:
		if err == nil {
			err = errors.New("told to leave before it was configured")
		}
		return fmt.Errorf("worker: site: %w", err)
	case <-stop.Done():
		return nil // nothing has begun
	case <-c.configured:
	}
	if err := notify("READY=1"); err != nil {
		return fmt.Errorf("worker: notify: %w", err)
	}
	select {
	case err = <-over:
	case <-stop.Done():
	}
	_ = notify("STOPPING=1") // the supervisor may be gone
	s.Drain(context.WithoutCancel(ctx))
	if err != nil {
		return fmt.Errorf("worker: site: %w", err)
	}
	return nil
}

// siteControl is a site's end of the control socket.
type siteControl struct {
	conn       *supervisor.ControlConn
	site       Site
	counters   *supervisor.Counters
	stdout     *os.File
	configured chan struct{}
	once       sync.Once // of configured
}

// attachSite says hello.
func attachSite(s Site) (*siteControl, error) {
	fd, err := strconv.Atoi(os.Getenv(supervisor.WorkerControlVar))
	if err != nil {
		return nil, ErrNotWorker
	}
	_ = os.Unsetenv(supervisor.WorkerControlVar) // it is not for children; nor is the descriptor
	conn, err := supervisor.NewControlConn(fd)
	if err != nil {
		return nil, fmt.Errorf("worker: control: %w", err)
	}
	c := &siteControl{conn: conn, site: s, configured: make(chan struct{})}
	if err := sendControl(conn, supervisor.KindWorkerHello, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("worker: control: %w", err), conn.Close())
	}
	return c, nil
}

// obey does what the supervisor says until it is told to leave: nil. With another end of the
// channel nobody would bring sockets any more, or take them back.
func (c *siteControl) obey() error {
	for {
		m, fds, err := c.conn.Recv()
		if err == nil && m.Kind == supervisor.KindSiteLeave {
			return nil
		}
		if err == nil {
			err = c.handle(&m, fds)
		}
		switch {
		case err == io.EOF:
			return errors.New("the supervisor has closed the control socket")
		case err != nil:
			return err
		}
	}
}

// handle does one thing. It takes fds.
func (c *siteControl) handle(m *supervisor.Message, fds []int) error {
	if m.Kind != supervisor.KindSiteConfigure && m.Kind != supervisor.KindSiteJoin {
		closeAll(fds)
	}
	switch m.Kind {
	case supervisor.KindSiteConfigure:
		return c.configure(m, fds)
	case supervisor.KindSiteJoin, supervisor.KindSitePart:
		return c.socket(m, fds)
	case supervisor.KindSiteRest:
		var rest supervisor.SiteRest
		if err := m.Decode(&rest); err != nil {
			return err
		}
		c.site.Rest(func() {
			// The supervisor, if it is there, waits for it.
			_ = sendControl(c.conn, supervisor.KindSiteRested, rest)
		})
	case supervisor.KindSiteReopen:
		c.site.ReopenLogs()
	case supervisor.KindWorkerPing:
		var ping supervisor.WorkerPing
		if err := m.Decode(&ping); err != nil {
			return err
		}
		c.site.Alive(func(inFlight int) {
			// What cannot be said now will be found out by the next ping, or by obey.
			_ = sendControl(c.conn, supervisor.KindWorkerPong,
				supervisor.WorkerPong{N: ping.N, InFlight: inFlight})
		})
	}
	return nil // others are of a later version
}

// configure takes a configuration, the first with descriptors: counters and the instance's stdout.
func (c *siteControl) configure(m *supervisor.Message, fds []int) error {
	var b supervisor.SiteConfigure
	err := m.Decode(&b)
	switch {
	case err != nil:
	case c.counters == nil && len(fds) == 2:
		c.stdout = os.NewFile(uintptr(fds[1]), "stdout")
		c.counters, err = supervisor.OpenCounters(os.NewFile(uintptr(fds[0]), "counters"), b.Counters)
		fds = nil
	case c.counters == nil || len(fds) != 0:
		err = fmt.Errorf("configuration with %d descriptors", len(fds))
	}
	if err != nil {
		closeAll(fds)
		return err
	}
	answer := supervisor.SiteConfigured{Generation: b.Generation}
	err = c.site.Configure(SiteConfig{Config: b.Config, Counters: c.counters, Stdout: c.stdout})
	if err != nil {
		answer.Error = err.Error()
	}
	if sent := sendControl(c.conn, supervisor.KindSiteConfigured, answer); sent != nil {
		return sent
	}
	select {
	case <-c.configured: // it goes on with what it had
		return nil
	default:
	}
	if err == nil {
		c.once.Do(func() { close(c.configured) })
	}
	return err
}

func (c *siteControl) socket(m *supervisor.Message, fds []int) error {
	var b supervisor.SiteSocket
	err := m.Decode(&b)
	switch {
	case err != nil:
	case m.Kind == supervisor.KindSitePart:
		c.site.Part(b.ID)
		return nil
	case len(fds) == 1:
		if err := c.site.Join(b.ID, b.Address, fds[0]); err != nil {
			// The supervisor has the socket open. It finds another for it when this worker ends,
			// which one that cannot accept is to do.
			return fmt.Errorf("join: %w", err)
		}
		return nil
	default:
		err = fmt.Errorf("join with %d descriptors", len(fds))
	}
	closeAll(fds)
	return err
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd) // not wanted
	}
}
