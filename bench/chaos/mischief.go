package chaos

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"weir/bench/instance"
	"weir/supervisor/admin"
)

// deed is one mischief that was done.
type deed struct {
	kind string
	at   time.Time
}

// mischief does something to a worker or the front now and then.
type mischief struct {
	o   *Options
	in  *instance.Instance
	rnd *rand.Rand

	mu       sync.Mutex
	done     []deed // guarded by mu
	skipped  int    // guarded by mu: times at which too few workers were ready
	failures []string
	failed   int // looks at which the pool had failed
	orders   int // files that keep workers from starting, so far
}

func (m *mischief) run(ctx context.Context) {
	tick := time.NewTicker(m.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s, err := m.in.Status(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			m.complain("status: %v", err)
			continue
		}
		m.one(s)
	}
}

func (m *mischief) complain(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failures = append(m.failures, fmt.Sprintf(format, args...))
}

// one does one thing. A worker is left alone while it is the only one.
func (m *mischief) one(s *admin.Status) {
	var ready []admin.Worker
	for _, p := range s.Pools {
		if p.State == "failed" {
			m.mu.Lock()
			m.failed++
			m.mu.Unlock()
		}
		for _, w := range p.Workers {
			if w.State == "ready" {
				ready = append(ready, w)
			}
		}
	}
	kind := m.o.Kinds[m.rnd.IntN(len(m.o.Kinds))]
	if kind == "front" && len(m.o.Kinds) > 1 && m.rnd.IntN(4) > 0 {
		kind = m.o.Kinds[0] // a front less often than a worker
	}
	if len(ready) < 2 && kind != "front" {
		m.mu.Lock()
		m.skipped++
		m.mu.Unlock()
		return
	}
	at := time.Now() // before: what is in flight from here on may be struck
	var err error
	if kind == "front" {
		for _, f := range s.Fronts {
			err = send(f.PID, syscall.SIGKILL)
		}
	} else {
		err = m.strike(kind, ready[m.rnd.IntN(len(ready))])
	}
	if err != nil && err != syscall.ESRCH { // it may have gone since we looked
		m.complain("%s: %v", kind, err)
	}
	m.mu.Lock()
	m.done = append(m.done, deed{kind, at})
	m.mu.Unlock()
}

// strike does kind to worker w.
func (m *mischief) strike(kind string, w admin.Worker) error {
	switch kind {
	case "stop":
		return send(w.PID, syscall.SIGSTOP)
	case "hang", "leak":
		return ask(w.Address, "/"+kind)
	case "exit":
		m.orders++
		order := filepath.Join(m.o.Dir, fmt.Sprintf("fail-%d", m.orders))
		if err := os.WriteFile(order, nil, 0o600); err != nil {
			return err
		}
	}
	return send(w.PID, syscall.SIGKILL)
}

// send is kill, but of one process that is there: 0 would be our own group.
func send(pid int, sig syscall.Signal) error {
	if pid <= 1 {
		return syscall.ESRCH
	}
	return syscall.Kill(pid, sig)
}

// ask sends a request to a worker past the front, as an application's own fault comes past it.
func ask(socket, path string) error {
	c, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return nil // it has gone since we looked
	}
	defer c.Close() //nolint:errcheck // what it answers does not matter
	if err := c.SetDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		return err
	}
	_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: chaos\r\n\r\n")
	_, _ = c.Read(make([]byte, 1)) // of /hang nothing comes
	return nil
}
