//go:build linux

package main

import (
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/admin"
)

// any1 is one of a set.
func any1(set map[int]bool) int {
	for pid := range set {
		return pid
	}
	return 0
}

// kill -9 of workers under a load of GETs: none fails.
func TestKillWorkerUnderLoad(t *testing.T) {
	in := start(t, "--listen", "127.0.0.1:0")
	workers := in.settled("demo", 2)
	l := startLoad(in.url + "/worker/hello")
	for range rounds(3, 1) {
		l.passes(in, 20)
		victim := any1(workers)
		if err := unix.Kill(victim, unix.SIGKILL); err != nil {
			t.Fatalf("kill %d: %v", victim, err)
		}
		in.until("the victim replaced", func(s *admin.Status) bool {
			now := pids(s, "demo")
			return len(now) == 2 && !now[victim]
		})
		workers = in.settled("demo", 2)
	}
	l.passes(in, 20)
	l.finish(t)
}

// rounds is long, or short in the short form.
func rounds(long, short int) int {
	if testing.Short() {
		return short
	}
	return long
}

// kill -9 of the front: every connection attempt meanwhile is accepted and, once its successor is
// there, answered; the workers never notice.
func TestKillFront(t *testing.T) {
	in := start(t, "--listen", "127.0.0.1:0")
	workers := in.settled("demo", 2)
	for range rounds(3, 1) {
		old := in.status().Fronts[0].PID
		if err := unix.Kill(old, unix.SIGKILL); err != nil {
			t.Fatalf("kill %d: %v", old, err)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { askAcross(t, in.address()) })
		}
		wg.Wait()
		s := in.until("a new front", func(s *admin.Status) bool {
			return s.Fronts[0].State == "up" && s.Fronts[0].PID != old
		})
		if now := pids(s, "demo"); !maps.Equal(now, workers) {
			t.Errorf("workers %v; want %v: they survive a front", now, workers)
		}
	}
	if got := in.get("/worker/hello"); got.status != 200 {
		t.Errorf("GET /worker/hello after all = %d %q; want 200", got.status, got.body)
	}
}

// askAcross connects and asks. A connection that the dead front had taken, or that waited in a socket
// of its own, may be reset; one that is refused is a failure.
func askAcross(t *testing.T, address string) {
	until := time.Now().Add(patience)
	for time.Now().Before(until) {
		c, err := net.DialTimeout("tcp", address, patience)
		if err != nil {
			t.Errorf("connect: %v; want none refused", err)
			return
		}
		_ = c.SetDeadline(until) // a fresh socket takes one
		_, err = io.WriteString(c, "GET /worker/hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		var b []byte
		if err == nil {
			b, err = io.ReadAll(c)
		}
		_ = c.Close() // read to its end
		if strings.HasPrefix(string(b), "HTTP/1.1 200 ") {
			return
		}
		if len(b) > 0 {
			t.Errorf("answer %q, %v; want 200, or nothing from the front that was killed", b, err)
			return
		}
	}
	t.Errorf("no answer across the front's death")
}

// kill -9 of the supervisor takes front and workers along.
func TestKillSupervisor(t *testing.T) {
	in := start(t, "--listen", "127.0.0.1:0")
	family := slices.Collect(maps.Keys(in.settled("demo", 2)))
	family = append(family, in.status().Fronts[0].PID)
	var fds []unix.PollFd
	for _, pid := range family {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatalf("pidfd of %d: %v", pid, err)
		}
		defer unix.Close(fd) //nolint:errcheck // a pidfd has nothing to lose
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	in.kill()
	for i := range fds {
		one := fds[i : i+1]
		n, err := unix.Poll(one, int(patience.Milliseconds()))
		for err == unix.EINTR {
			n, err = unix.Poll(one, int(patience.Milliseconds()))
		}
		if n != 1 || err != nil {
			t.Errorf("pid %d of %v lives on: %v", family[i], family, err)
		}
	}
}

// Recycling under constant keep-alive load loses nothing and replaces every worker.
func TestRecycleUnderLoad(t *testing.T) {
	in := start(t, "--listen", "127.0.0.1:0")
	workers := in.settled("demo", 2)
	l := startLoad(in.url + "/worker/hello")
	for range rounds(4, 1) {
		l.passes(in, 10)
		if code, _, stderr := in.weir("recycle", "demo"); code != 0 {
			t.Fatalf("weir recycle demo: %d, %s", code, stderr)
		}
		now := in.settled("demo", 2)
		for pid := range now {
			if workers[pid] {
				t.Errorf("worker %d is still there after a recycle", pid)
			}
		}
		workers = now
	}
	l.passes(in, 10)
	l.finish(t)
}

// A newcomer's Ctrl-C goes to the whole process group; only the supervisor acts on it.
func TestInterruptOfGroup(t *testing.T) {
	in := start(t, "--listen", "127.0.0.1:0")
	in.settled("demo", 2)
	c := in.dial()
	defer c.Close() //nolint:errcheck // read to its end
	if _, err := io.WriteString(c, "GET /worker/sleep?ms=200 HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in.until("the request in flight", inFlight)
	if err := syscall.Kill(-in.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); !strings.Contains(string(b), "slept") {
		t.Errorf("answer %q, %v; want it finished", b, err)
	}
	if code := in.wait(); code != 0 {
		t.Errorf("exit code %d; want 0", code)
	}
}
