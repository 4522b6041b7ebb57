package supervisor

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

// WorkerControlVar names the descriptor of a worker's end of its control socket, which speaks
// [ControlConn] messages. The worker begins with KindWorkerHello; from then on it may be pinged.
const WorkerControlVar = "WEIR_CONTROL_FD"

// Messages between the supervisor and a worker.
const (
	KindWorkerHello = "hello" // worker: it answers pings from now on; no body
	KindWorkerPing  = "ping"  // supervisor: WorkerPing
	KindWorkerPong  = "pong"  // worker: WorkerPong, as soon as its scheduler lets it
)

// WorkerPing is the body of KindWorkerPing.
type WorkerPing struct {
	N uint64 `json:"n"`
}

// WorkerPong is the body of KindWorkerPong.
type WorkerPong struct {
	N        uint64 `json:"n"`         // that of the ping
	InFlight int    `json:"in_flight"` // requests that the worker holds
}

// control is a worker's control socket.
type control struct {
	conn   *ControlConn
	queue  *controlQueue // of a worker that accepts; else nil
	theirs int           // until fork; else -1
	done   chan struct{}
}

// openControl makes the control socket and reads from it until close.
func (p *process) openControl() (control, error) {
	ours, theirs, err := socketPair(controlSocketType)
	if err != nil {
		return control{theirs: -1}, fmt.Errorf("control socket: %w", os.NewSyscallError("socketpair", err))
	}
	conn, err := newControlConn(ours, signalBytesMax)
	if err != nil {
		_ = unix.Close(theirs) // unused
		return control{theirs: -1}, err
	}
	c := control{conn: conn, theirs: theirs, done: make(chan struct{})}
	if p.accepts() {
		c.queue = newControlQueue(conn)
	}
	go func() {
		defer close(c.done)
		p.readControl(c)
	}()
	return c, nil
}

func (c *control) closeTheirs() {
	if c.conn != nil && c.theirs >= 0 {
		_ = unix.Close(c.theirs) // the worker has its own
		c.theirs = -1
	}
}

// close ends the reader.
func (c *control) close() {
	if c.conn == nil {
		return
	}
	c.closeTheirs()
	if c.queue != nil {
		c.queue.close(false)
	}
	_ = c.conn.Close() // nothing is under way that matters
	<-c.done
}

// readControl takes what the worker says. A worker that breaks the protocol is not listened to any
// more, and then its pings remain without an answer.
func (p *process) readControl(c control) {
	for {
		m, fds, err := c.conn.Recv()
		if err != nil {
			return
		}
		closeFDs(fds) // none is expected
		e := event{worker: p.ref, kind: evNotice}
		switch m.Kind {
		case KindWorkerHello:
			e.sign = signHello
			if c.queue != nil {
				p.env.opts.groups.greeted(p.ref, c.queue)
			}
		case KindWorkerPong:
			var b WorkerPong
			if m.Decode(&b) != nil {
				return
			}
			e.sign, e.count = signPong, b.InFlight
		case KindSiteConfigured:
			var b SiteConfigured
			if c.queue == nil || m.Decode(&b) != nil {
				return
			}
			p.env.opts.groups.answered(p.ref, &b)
			continue
		case KindSiteRested:
			var b SiteRest
			if c.queue == nil || m.Decode(&b) != nil {
				return
			}
			p.env.opts.groups.rested(p.ref, b.N)
			continue
		default:
			continue // of a later version
		}
		p.env.post(e)
	}
}

// ping implements env.
func (e *osEnv) ping(w WorkerRef, n uint64) {
	p := e.proc(w)
	if p == nil || p.control.conn == nil {
		return
	}
	if q := p.control.queue; q != nil {
		q.put(KindWorkerPing, WorkerPing{N: n}) // behind what is to be done before
		return
	}
	m, err := NewMessage(KindWorkerPing, WorkerPing{N: n})
	if err != nil {
		panic("supervisor: a ping does not marshal: " + err.Error())
	}
	e.running.Go(func() {
		_ = p.control.conn.SetWriteDeadline(time.Now().Add(pingSendMax)) // a socket pair takes one
		_ = p.control.conn.Send(&m, nil)                                 // no answer comes then
	})
}

// fetch implements env.
func (e *osEnv) fetch(w WorkerRef, at Endpoint, c config.Ping) {
	p := e.proc(w)
	e.running.Go(func() {
		found := ""
		if p != nil {
			found = p.fetch(at, c)
		}
		e.post(event{worker: w, kind: evNotice, sign: signProbed, text: found})
	})
}

// fetch is one HTTP ping: "" if it was answered well, else what was wrong.
func (p *process) fetch(at Endpoint, c config.Ping) (found string) {
	ctx, cancel := context.WithTimeout(context.Background(), c.Timeout.Std()+pingFetchBeyond)
	defer cancel()
	var watch sync.WaitGroup
	defer watch.Wait()
	over := make(chan struct{})
	defer close(over)
	watch.Go(func() {
		select {
		case <-p.exited:
			cancel()
		case <-over:
		}
	})
	return askHTTP(ctx, at, "localhost", c.HTTP, "weir-ping", c.Status)
}

// rss implements env.
func (e *osEnv) rss(w WorkerRef) (int64, bool) {
	p := e.proc(w)
	if p == nil {
		return 0, false
	}
	if pid := p.livePID(); pid > 0 {
		return residentBytes(pid)
	}
	return 0, false
}
