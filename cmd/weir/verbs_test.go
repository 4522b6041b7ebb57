//go:build linux

package main

import (
	"io"
	"maps"
	"net"
	"strconv"
	"strings"
	"testing"

	"weir/supervisor/admin"
)

// trickling is a connection that gets a byte every 10 ms from a worker of p.
func (b *bed) trickling() net.Conn {
	c := b.dial()
	b.t.Cleanup(func() { _ = c.Close() }) // ends the request, if it is still there
	if _, err := io.WriteString(c, "GET /trickle HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		b.t.Fatalf("write: %v", err)
	}
	return c
}

// wantTrickle wants bytes on c for twice the 100 ms of stop_timeout.
func wantTrickle(t *testing.T, c net.Conn, why string) {
	t.Helper()
	if _, err := io.ReadFull(c, make([]byte, 20*len("1\r\n.\r\n"))); err != nil {
		t.Fatalf("%s: the held request ended: %v", why, err)
	}
}

// A drain waits for what has begun, past stop_timeout, and refuses what is new; a stop cuts it.
func TestDrainWaitsAndStopCuts(t *testing.T) {
	b := startBed(t, edit{pool: "stop_timeout: 100ms"})
	before := b.settled("p", 1)
	c := b.trickling()
	wantTrickle(t, c, "before")
	if code, out, _ := b.weir("drain", "p", "--no-wait"); code != 0 || out != "drain p: begun\n" {
		t.Fatalf("weir drain p --no-wait: %d, %q", code, out)
	}
	b.until("a pool that drains", func(s *admin.Status) bool { return poolOf(s, "p").Want == "stopped" })
	if got := status("/")(b); got != "503 AppShutdown" {
		t.Errorf("a new request: %s; want 503 AppShutdown", got)
	}
	wantTrickle(t, c, "while the pool drains")
	p := poolOf(b.status(), "p")
	if len(p.Workers) != 1 || !before[p.Workers[0].PID] || p.Workers[0].State != "draining" {
		t.Errorf("pool %+v; want the one worker, draining", p)
	}
	if _, out, _ := b.weir("status"); !strings.Contains(out, "running, to be stopped") &&
		!strings.Contains(out, "starting, to be stopped") {
		t.Errorf("weir status does not say where the pool goes:\n%s", out)
	}
	if code, _, stderr := b.weir("stop", "p"); code != 0 {
		t.Fatalf("weir stop p: %d, %s", code, stderr)
	}
	if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the held request: %v; want it cut", err)
	}
	if p := poolOf(b.status(), "p"); p.State != "stopped" || len(p.Workers) != 0 {
		t.Errorf("pool %+v; want it stopped, with no worker", p)
	}
}

// A worker that is drained leaves rotation at once, is replaced at once, and ends when it has finished.
func TestDrainWorker(t *testing.T) {
	b := startBed(t, edit{pool: "stop_timeout: 100ms"})
	pid := any1(b.settled("p", 1))
	c := b.trickling()
	wantTrickle(t, c, "before")
	name := poolOf(b.status(), "p").Workers[0].Name
	done := make(chan int, 1)
	go func() {
		code, _, _ := b.weir("drain", name)
		done <- code
	}()
	s := b.until("a replacement", func(s *admin.Status) bool {
		now := pids(s, "p")
		return len(now) == 1 && !now[pid]
	})
	if p := poolOf(s, "p"); len(p.Workers) != 2 || p.Workers[0].State != "draining" {
		t.Errorf("pool %+v; want the drained worker beside a ready one", p)
	}
	if got := strings.TrimSpace(b.get("/pid").body); got != strconv.Itoa(any1(pids(s, "p"))) {
		t.Errorf("a new request is answered by %s; want the replacement", got)
	}
	wantTrickle(t, c, "while the worker drains")
	select {
	case code := <-done:
		t.Errorf("weir drain %s ended with %d before the worker did", name, code)
	default:
	}
	_ = c.Close() // its request ends
	if code := <-done; code != 0 {
		t.Errorf("weir drain %s: %d; want 0", name, code)
	}
	if now := b.settled("p", 1); now[pid] {
		t.Errorf("workers %v; want %d to be gone", now, pid)
	}
}

// stop POOL/N drains one worker with the deadline; recycle POOL/N replaces one by one that is ready
// first. The other worker is left alone.
func TestStopAndRecycleWorker(t *testing.T) {
	b := startBed(t, edit{pool: "stop_timeout: 100ms, workers: 2"})
	for _, verb := range []string{"stop", "recycle"} {
		before := b.settled("p", 2)
		w := poolOf(b.status(), "p").Workers[0]
		if code, _, stderr := b.weir(verb, w.Name); code != 0 {
			t.Fatalf("weir %s %s: %d, %s", verb, w.Name, code, stderr)
		}
		now := b.settled("p", 2)
		kept := maps.Clone(now)
		maps.DeleteFunc(kept, func(pid int, _ bool) bool { return !before[pid] })
		if len(kept) != 1 || now[w.PID] {
			t.Errorf("%s %s (pid %d): workers %v became %v; want one other", verb, w.Name, w.PID, before,
				now)
		}
		if code, _, stderr := b.weir(verb, w.Name); code != 1 || !strings.Contains(stderr,
			"unknown worker "+w.Name) {
			t.Errorf("weir %s %s again: %d, %s; want 1: its number is not used again", verb, w.Name, code,
				stderr)
		}
	}
}

// A scaled pool has its count until a reload changes it; a worker that has work is not the one that goes.
func TestScaleHoldsUntilReload(t *testing.T) {
	b := startBed(t, edit{})
	b.settled("p", 1)
	scale := func(n int) map[int]bool {
		t.Helper()
		if code, _, stderr := b.weir("scale", "p", strconv.Itoa(n)); code != 0 {
			t.Fatalf("weir scale p %d: %d, %s", n, code, stderr)
		}
		return b.settled("p", n)
	}
	scale(3)
	holding(b, "/hold", func() string {
		busy := 0
		b.until("a worker with a request", func(s *admin.Status) bool {
			for _, w := range poolOf(s, "p").Workers {
				if w.InFlight > 0 {
					busy = w.PID
				}
			}
			return busy != 0
		})
		for _, n := range []int{2, 1} {
			if now := scale(n); !now[busy] {
				t.Errorf("scale %d: workers %v; want %d, which has work, among them", n, now, busy)
			}
		}
		return ""
	})
	two := scale(2)
	b.apply(t, edit{pool: "queue: {length: 7}"})
	if now := b.settled("p", 2); !maps.Equal(now, two) {
		t.Errorf("after a reload that leaves the count alone: %v; want %v", now, two)
	}
	b.apply(t, edit{pool: "workers: 4"})
	b.settled("p", 4)
	b.apply(t, edit{pool: "workers: 1"})
	b.settled("p", 1)
}
