package worker

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"weir/supervisor"
)

// inFlight is how many requests are in handlers, for pongs.
var inFlight atomic.Int64

// alive is what tells the supervisor that this process lives: a goroutine that answers its pings, and
// one that says WATCHDOG=1 where that is wanted.
type alive struct {
	conn *supervisor.ControlConn // nil: there is no control socket
	quit chan struct{}
	runs sync.WaitGroup
}

// startAlive says hello on the control socket and begins to answer.
func startAlive() (*alive, error) {
	a := &alive{quit: make(chan struct{})}
	if name := os.Getenv(supervisor.WorkerControlVar); name != "" {
		fd, err := strconv.Atoi(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", supervisor.WorkerControlVar, err)
		}
		_ = os.Unsetenv(supervisor.WorkerControlVar) // it is not for children; nor is the descriptor
		if a.conn, err = supervisor.NewControlConn(fd); err != nil {
			return nil, err
		}
		if err := a.send(supervisor.KindWorkerHello, nil); err != nil {
			a.close()
			return nil, err
		}
		a.runs.Go(a.answer)
	}
	if usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 {
		a.runs.Go(func() { a.watchdog(time.Duration(usec) * time.Microsecond / 2) })
	}
	return a, nil
}

// answer answers pings until the channel ends. What it proves is said in the package's comment.
func (a *alive) answer() {
	for {
		m, _, err := a.conn.Recv()
		if err != nil {
			return // closed; or broken, and then pings stay without an answer
		}
		if m.Kind != supervisor.KindWorkerPing {
			continue // of a later version
		}
		var ping supervisor.WorkerPing
		if m.Decode(&ping) != nil {
			return
		}
		if a.send(supervisor.KindWorkerPong,
			supervisor.WorkerPong{N: ping.N, InFlight: int(inFlight.Load())}) != nil {
			return
		}
	}
}

func (a *alive) send(kind string, body any) error { return sendControl(a.conn, kind, body) }

func sendControl(c *supervisor.ControlConn, kind string, body any) error {
	m, err := supervisor.NewMessage(kind, body)
	if err != nil {
		return err
	}
	if err := c.SetWriteDeadline(time.Now().Add(controlSendMax)); err != nil {
		return err
	}
	return c.Send(&m, nil)
}

// watchdog says that this process lives, twice as often as it must.
func (a *alive) watchdog(every time.Duration) {
	t := time.NewTicker(max(every, watchdogMin))
	defer t.Stop()
	for {
		_ = notify("WATCHDOG=1") // a supervisor that is gone takes us with it
		select {
		case <-t.C:
		case <-a.quit:
			return
		}
	}
}

func (a *alive) close() {
	close(a.quit)
	if a.conn != nil {
		_ = a.conn.Close() // wakes answer
	}
	a.runs.Wait()
}
