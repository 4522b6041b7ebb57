package dispatch

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"weir/pipeline"
)

// moody is a worker that ends connections instead of answering while ill is set.
func moody(t *testing.T, ill *atomic.Bool) *testWorker {
	return startWorker(t, func(c *workerConn) {
		for {
			if _, _, k := c.drainRequest(); !k || ill.Load() {
				return
			}
			c.respond("moody")
		}
	})
}

// says answers one request with s and ends the connection.
func says(s string) func(c *workerConn) {
	return func(c *workerConn) {
		if _, _, k := c.drainRequest(); k {
			c.write(s)
		}
	}
}

func (f *front) post() *http.Response {
	f.t.Helper()
	c := f.dial().write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	resp, _ := c.response("POST")
	return resp
}

func (f *front) circuitOf(i int) string { return f.Snapshot().Workers[i].Circuit }

// TestCircuit: a worker that fails in a row gets nothing, then one request at a time, less and less
// often, until it answers.
func TestCircuit(t *testing.T) {
	f := startFront(t, 1, Options{Circuit: Circuit{Failures: 3, Open: 40 * ms}})
	var ill atomic.Bool
	ill.Store(true)
	f.add(1, moody(t, &ill), 8)
	f.add(2, startWorker(t, serveHello), 8)
	failures := 0
	for range 6 {
		if f.post().StatusCode == 502 {
			failures++
		}
	}
	if failures != 3 || f.circuitOf(0) == "closed" || f.circuitOf(1) != "closed" {
		t.Fatalf("%d of 6 failed, circuits %s and %s; want 3, and the first not closed", failures,
			f.circuitOf(0), f.circuitOf(1))
	}
	if got, want := <-f.told.circuit, "1: Abandoned_By_Worker"; got != want {
		t.Errorf("told %q; want %q", got, want)
	}
	began := time.Now()
	for f.post().StatusCode == 200 {
		if time.Since(began) > 10*time.Second {
			t.Fatal("it is never tried again")
		}
	}
	if <-f.told.circuit; f.Snapshot().Workers[0].Ejected != 2 {
		t.Errorf("ejected %d times; want 2", f.Snapshot().Workers[0].Ejected)
	}
	w := (*f.workers.Load())[0]
	if got := w.circuit.openFor(f.set.Load()); got != 80*ms {
		t.Errorf("it opened for %v; want 80ms, twice the first", got)
	}
	ill.Store(false)
	f.eventually("it is tried and answers", func() bool {
		return f.post().StatusCode == 200 && f.circuitOf(0) == "closed"
	})
	if got := <-f.told.circuit; got != "1: " {
		t.Errorf("told %q; want that it is back", got)
	}
	if got := w.circuit.openFor(f.set.Load()); got != 40*ms {
		t.Errorf("next time it opens for %v; want 40ms", got)
	}
	f.audit()
}

// TestCircuitTrial: while a circuit is half open, one request at a time goes to the worker.
func TestCircuitTrial(t *testing.T) {
	f := startFront(t, 2, Options{
		Balance: Balance{Rule: RoundRobin}, Circuit: Circuit{Failures: 1, Open: 300 * ms},
	})
	a, release := held(t)
	b := startWorker(t, serveHello)
	f.add(1, a, 8)
	f.add(2, b, 8)
	w := (*f.workers.Load())[0]
	w.failed("test")
	<-f.told.circuit
	f.eventually("half open", func() bool { return f.circuitOf(0) == "half-open" })
	trial := f.dial()
	for i := 1; w.inFlight() == 0; i++ {
		trial.get("/trial")
		f.eventually("taken, or answered by the other", func() bool {
			s := f.Snapshot().Workers
			return s[0].InFlight+int(s[1].Completed) == i
		})
		if w.inFlight() == 0 {
			trial.want("by the other", 200, "")
		}
	}
	for range 8 {
		f.dial().get("/").want("beside the trial", 200, "GET / ")
	}
	if n := w.inFlight(); n != 1 {
		t.Errorf("%d requests on trial; want 1", n)
	}
	release <- struct{}{}
	trial.want("the trial", 200, "done")
	if got := <-f.told.circuit; got != "1: " || f.circuitOf(0) != "closed" {
		t.Errorf("told %q, circuit %s; want that it is back", got, f.circuitOf(0))
	}
	f.audit()
}

// TestCircuitLast: the last worker is never ejected, and one that is comes back when it becomes the
// last.
func TestCircuitLast(t *testing.T) {
	f := startFront(t, 2, Options{Circuit: Circuit{Failures: 2, Open: time.Hour}})
	var ill atomic.Bool
	ill.Store(true)
	f.add(1, moody(t, &ill), 8)
	for range 5 {
		f.post()
	}
	if f.circuitOf(0) != "closed" || len(f.told.circuit) > 0 {
		t.Fatalf("the only worker is ejected")
	}
	if got, want := <-f.told.failing, "1: Abandoned_By_Worker"; got != want || len(f.told.failing) > 0 {
		t.Fatalf("told %q and %d more; want %q alone", got, len(f.told.failing), want)
	}
	f.add(2, moody(t, &ill), 8)
	for range 10 {
		if resp := f.post(); resp.StatusCode != 502 {
			t.Errorf("status %d; want 502", resp.StatusCode)
		}
	}
	if a, b := f.circuitOf(0), f.circuitOf(1); (a == "open") == (b == "open") {
		t.Fatalf("circuits %s and %s; want one open", a, b)
	}
	<-f.told.circuit
	stays := uint64(1)
	if f.circuitOf(0) == "open" {
		stays = 2
	}
	f.DrainWorker(stays)
	<-f.told.drained
	if a, b := f.circuitOf(0), f.circuitOf(1); a != "closed" || b != "closed" {
		t.Errorf("circuits %s and %s after the last other one left; want both closed", a, b)
	}
	ill.Store(false)
	f.dial().get("/").want("it serves", 200, "moody")
	ill.Store(true)
	for len(f.told.failing) == 0 { // told anew, as it has answered
		f.post()
	}
	f.audit()
}

// TestCircuitCounts: connections that a worker does not take count, and so does nonsense; what the
// worker itself answers, and what is broken off later, does not.
func TestCircuitCounts(t *testing.T) {
	for _, tc := range []struct {
		desc   string
		script func(c *workerConn)
		opens  bool
	}{
		{"refuses", nil, true},
		{"speaks no HTTP", says("nonsense\r\n\r\n"), true},
		{"closes", says(""), true},
		{"answers 502", says("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"), false},
		{"breaks off", says("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" +
			longText[:50000]), false},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			f := startFront(t, 1, Options{Circuit: Circuit{Failures: 2, Open: time.Hour}})
			if tc.script == nil {
				w := startWorker(t, serveHello)
				w.kill()
				f.add(1, w, 8)
			} else {
				f.add(1, startWorker(t, tc.script), 8)
			}
			f.add(2, startWorker(t, serveHello), 8)
			for range 20 {
				f.dial().get("/").waitEnd()
				if tc.opens && f.circuitOf(0) == "open" {
					break
				}
				f.eventually("a refusal is forgiven", func() bool {
					until := (*f.workers.Load())[0].refused.Load()
					return until == 0 || f.clock() > until
				})
			}
			if opened := f.circuitOf(0) == "open"; opened != tc.opens {
				t.Errorf("circuit %s; want open: %v", f.circuitOf(0), tc.opens)
			}
			f.audit()
		})
	}
}

// waitEnd reads an answer, or what there is of one.
func (c *client) waitEnd() {
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return
	}
	for buf := make([]byte, 4096); err == nil; {
		_, err = resp.Body.Read(buf)
	}
}

// TestReplayMax: how often a request is sent once more is an option.
func TestReplayMax(t *testing.T) {
	for most, want := range map[int]int32{-1: 1, 1: 2, 0: 3, 4: 5, 100: 11} {
		f := startFront(t, 1, Options{ReplayMax: most, ReplayRate: 100})
		w := startWorker(t, says(""))
		f.add(1, w, 8)
		f.dial().get("/").wantReason("all attempts fail", 502, pipeline.AbandonedByWorker)
		if got := w.total.Load(); got != want {
			t.Errorf("ReplayMax %d: %d attempts; want %d", most, got, want)
		}
		f.audit()
	}
}
