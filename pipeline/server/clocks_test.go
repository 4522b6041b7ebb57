package server

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/pipeline"
)

// every calls f each period until it says false.
func every(period time.Duration, f func() bool) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for f() {
		<-tick.C
	}
}

// trickle writes b a few bytes at a time until it is through or the server has had enough.
func (c *client) trickle(b string, size int, period time.Duration) {
	every(period, func() bool {
		n := min(size, len(b))
		_, err := io.WriteString(c, b[:n])
		b = b[n:]
		return err == nil && b != ""
	})
}

func TestHeaderClock(t *testing.T) {
	t.Parallel()
	ts := startServer(t, 1, Options{Timeouts: Timeouts{Header: 150 * time.Millisecond}}, hello)
	for _, desc := range []string{"silent", "behind an answer", "byte by byte", "empty lines"} {
		c := ts.dial()
		began := time.Now()
		switch desc {
		case "silent":
			c.write("GET / HTTP/1.1\r\nHost:")
		case "behind an answer":
			c.write("GET / HTTP/1.1\r\nHost: x\r\n\r\nG")
			c.want(desc, 200, "Hello, World!")
		case "byte by byte": // what comes does not move the clock
			go c.trickle("GET / HTTP/1.1\r\nHost: x\r\nA: "+fmt.Sprint(make([]byte, 1000)), 1,
				5*time.Millisecond)
		case "empty lines":
			c.write("\r\n")
		}
		resp := c.want(desc, 408, "")
		if took := time.Since(began); took < 150*time.Millisecond {
			t.Errorf("%s: 408 after %s; want 150 ms or more", desc, took)
		}
		if got := resp.Header.Get("X-Weir-Reason"); got != "Timer_HeaderWait" || !resp.Close {
			t.Errorf("%s: reason %q, close %v; want Timer_HeaderWait, true", desc, got, resp.Close)
		}
		if desc != "byte by byte" { // a client that goes on sending may see a reset
			c.wantEnd(desc)
		}
	}
}

func TestKeepAliveClock(t *testing.T) {
	t.Parallel()
	ts := startServer(t, 1, Options{Timeouts: Timeouts{KeepAlive: 150 * time.Millisecond}}, hello)
	began := time.Now()
	silent, served := ts.dial(), ts.dial()
	served.get("/").want("first", 200, "")
	silent.wantEnd("no byte since accept")
	served.wantEnd("no byte since the answer")
	if took := time.Since(began); took < 150*time.Millisecond {
		t.Errorf("closed after %s; want 150 ms or more", took)
	}
}

// rateOptions make the clocks of K9 and K10 fast: 2000 B/s, judged each fifth of a second.
var rateOptions = Options{MinRate: 2000, RateGrace: 200 * time.Millisecond}

func TestBodyRate(t *testing.T) {
	t.Parallel()
	ts := startServer(t, 1, rateOptions, echoBody)
	head := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n"
	body := fmt.Sprintf("%2000d", 1)
	for _, tc := range []struct {
		desc   string
		size   int
		status int
	}{{"nothing comes", 0, 408}, {"a byte now and then", 1, 408}, {"twice the rate", 80, 200}} {
		c := ts.dial().write(head)
		if tc.size > 0 {
			go c.trickle(body, tc.size, 20*time.Millisecond)
		}
		resp := c.want(tc.desc, tc.status, "")
		reason := resp.Header.Get("X-Weir-Reason")
		if tc.status == 408 && (reason != "Timer_MinBytesPerSecond" || !resp.Close) {
			t.Errorf("%s: head %v; want Timer_MinBytesPerSecond and close", tc.desc, resp.Header)
		}
	}
}

// pausing is a sink that pauses at the first piece; at the end it answers with the number of bytes.
type pausing struct {
	n      int
	answer pipeline.Async
	paused chan<- pipeline.Async // nil once it has paused
}

func (p *pausing) OnBody(c *pipeline.Context, b []byte) {
	if p.n += len(b); p.paused != nil {
		c.PauseBody()
		p.paused <- p.answer
		p.paused = nil
	}
}

func (p *pausing) OnBodyEnd(_ *pipeline.Context, err error) {
	if err == nil {
		p.answer.Finish(func(c *pipeline.Context) { c.Text(200, fmt.Sprint(p.n)) })
	}
}

// TestBodyRateWhilePaused: a body that we do not read is nobody's fault.
func TestBodyRateWhilePaused(t *testing.T) {
	t.Parallel()
	paused := make(chan pipeline.Async, 1)
	ts := startServer(t, 1, rateOptions, func(c *pipeline.Context) {
		c.ReceiveBody(&pausing{answer: c.Async(), paused: paused})
	})
	c := ts.dial().write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
	a := <-paused
	time.AfterFunc(3*rateOptions.RateGrace, func() {
		a.Post(func(ctx *pipeline.Context) { ctx.ResumeBody() })
		_, _ = io.WriteString(c, "def") // a failure shows in the answer
	})
	c.want("after three graces", 200, "6")
}

// TestResponseRate: who takes nothing is reset, with the reason counted, be the answer under way or
// all queued; who takes enough gets it all.
func TestResponseRate(t *testing.T) {
	t.Parallel()
	outcome := make(chan pipeline.Outcome, 1)
	row := make([]uint64, CounterCount)
	o := rateOptions
	o.Counters = func(int) []uint64 { return row }
	ts := startServer(t, 1, o, func(c *pipeline.Context) {
		switch c.Path() {
		case "/stream":
			c.OnCompleted(func(_ *pipeline.Context, o pipeline.Outcome) { outcome <- o })
			c.Stream(200, func(dst []byte) (int, error) { return len(dst), nil })
		default:
			c.Text(200, string(make([]byte, 4<<20)))
		}
	})
	small := func() *client {
		c := ts.dial()
		if err := c.SetReadBuffer(32 << 10); err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := small().get("/stream")
	if o := <-outcome; o.Reason != pipeline.TimerMinBytesPerSecond {
		t.Errorf("stream not taken: reason %v; want %v", o.Reason, pipeline.TimerMinBytesPerSecond)
	}
	if _, err := io.Copy(io.Discard, c.r); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("stream not taken: read to %v; want ECONNRESET", err)
	}
	cut := func() uint64 {
		n := make(chan uint64, 1)
		ts.loops[0].Post(func() { n <- row[int(CounterReasons)+int(pipeline.TimerMinBytesPerSecond)] })
		return <-n
	}
	small().get("/whole")
	every(5*time.Millisecond, func() bool { return cut() < 2 || ts.Connections() > 0 })
	if n := cut(); n != 2 {
		t.Errorf("%d cut for Timer_MinBytesPerSecond; want 2", n)
	}
	c = small().get("/whole")
	buf, n := make([]byte, 32<<10), 0
	every(5*time.Millisecond, func() bool {
		k, err := c.r.Read(buf)
		if n += k; err != nil {
			t.Errorf("taken slowly: %v after %d bytes", err, n)
		}
		return err == nil && n < 4<<20
	})
}

// unread is a sink that wants the body and does nothing with it.
type unread struct{}

func (unread) OnBody(*pipeline.Context, []byte)       {}
func (unread) OnBodyEnd(c *pipeline.Context, _ error) { _ = c.EndResponse(nil) }

// TestResponseRateWhileBodyComes: a client that sends its body fast enough and takes nothing of its
// answer is reset all the same.
func TestResponseRateWhileBodyComes(t *testing.T) {
	t.Parallel()
	outcome := make(chan pipeline.Outcome, 1)
	ts := startServer(t, 1, rateOptions, func(c *pipeline.Context) {
		c.OnCompleted(func(_ *pipeline.Context, o pipeline.Outcome) { outcome <- o })
		c.Async()
		_ = c.StartResponse(16 << 20) // nothing has started
		c.SendBody(make([]byte, 16<<20))
		c.ReceiveBody(unread{})
	})
	const size = 40_000 // ten seconds at twice the rate
	c := ts.dial()
	if err := c.SetReadBuffer(32 << 10); err != nil {
		t.Fatal(err)
	}
	c.write(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size))
	go c.trickle(string(make([]byte, size)), 80, 20*time.Millisecond)
	o := <-outcome
	if o.Reason != pipeline.TimerMinBytesPerSecond || o.BytesIn >= size || o.BytesIn == 0 {
		t.Errorf("reason %v after %d bytes of the body; want %v before its end", o.Reason, o.BytesIn,
			pipeline.TimerMinBytesPerSecond)
	}
}

// TestDiscardClock: a client that sends the rest of an unwanted body too slowly is let go.
func TestDiscardClock(t *testing.T) {
	t.Parallel()
	ts := startServer(t, 1, Options{}, hello)
	began := time.Now()
	c := ts.dial().write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
	c.want("answer", 200, "Hello, World!")
	c.wantEnd("discard")
	if took := time.Since(began); took < discardTimeout || took > 3*discardTimeout {
		t.Errorf("closed after %s; want about %s", took, discardTimeout)
	}
}
