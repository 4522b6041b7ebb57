package server

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"weir/pipeline"
)

// halfCloseHandler answers /now at once, /soon from another goroutine, /flow with 4 MiB in
// pieces, and anything else never. What ends without an answer is told on ended.
func halfCloseHandler(ended chan<- error) pipeline.Handler {
	return func(c *pipeline.Context) {
		path := c.Path()
		switch path {
		case "/now":
			c.Text(200, path)
		case "/soon":
			a := c.Async()
			go a.Finish(func(c *pipeline.Context) { c.Text(200, c.Path()) })
		case "/flow":
			left := 4 << 20
			c.Stream(200, func(dst []byte) (int, error) {
				n := min(left, len(dst))
				if left -= n; left == 0 {
					return n, io.EOF
				}
				return n, nil
			})
		default:
			c.OnCompleted(func(_ *pipeline.Context, o pipeline.Outcome) { ended <- o.Err })
			c.Async()
		}
	}
}

// TestHalfCloseGrace: a client that sends FIN gets what is quick; an exchange that waits is
// cancelled when no byte was accepted for the grace, wherever in a pipeline it is.
func TestHalfCloseGrace(t *testing.T) {
	const grace = 100 * time.Millisecond
	ended := make(chan error, 1)
	ts := startServer(t, 1, Options{Timeouts: Timeouts{HalfClose: grace}}, halfCloseHandler(ended))
	post := "POST /never HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
	for _, tc := range []struct{ desc, paths, last string }{
		{"quick answers", "/now /soon /now", ""},
		{"one that waits", "/never", ""},
		{"behind a quick one", "/now /never", ""},
		{"behind one that took a while", "/soon /never", ""},
		{"behind several", "/soon /now /soon /soon /never", ""},
		{"whose body nobody reads", "", post},
		{"whose body nobody reads, behind one that took a while", "/soon", post},
	} {
		began := time.Now()
		c := ts.dial()
		var req strings.Builder
		for path := range strings.FieldsSeq(tc.paths) {
			req.WriteString("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		c.write(req.String() + tc.last)
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		for path := range strings.FieldsSeq(tc.paths) {
			if path != "/never" {
				c.want(tc.desc, 200, path)
			}
		}
		if strings.Contains(tc.paths+tc.last, "/never") {
			wantGone(t, tc.desc, ended)
			if took := time.Since(began); took < grace {
				t.Errorf("%s: cancelled after %s; want the grace of %s", tc.desc, took, grace)
			}
		}
		c.wantEnd(tc.desc)
	}
}

// wantGone waits for an exchange that ends because its client is gone.
func wantGone(t *testing.T, desc string, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		if !errors.Is(err, ErrClientGone) {
			t.Errorf("%s: ended by %v; want ErrClientGone", desc, err)
		}
	case <-time.After(5 * time.Second):
		t.Fatalf("%s: not cancelled", desc)
	}
}

// TestHalfCloseFlow: as long as bytes are accepted the grace goes on, however often it would
// have run out. The client takes about half a second for an answer that does not fit into socket
// buffers.
func TestHalfCloseFlow(t *testing.T) {
	ts := startServer(t, 1, Options{Timeouts: Timeouts{HalfClose: 100 * time.Millisecond}},
		halfCloseHandler(nil))
	c := ts.dial()
	if err := c.SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	c.write("GET /flow HTTP/1.0\r\n\r\n")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	buf, n := make([]byte, 48<<10), 0
	for {
		k, err := c.r.Read(buf)
		n += k
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		<-pace.C
	}
	if n < 4<<20 {
		t.Fatalf("%d bytes, then the end; want over 4 MiB", n)
	}
}

// TestHalfCloseModes: off answers however late, cancel does not wait.
func TestHalfCloseModes(t *testing.T) {
	release := make(chan pipeline.Async, 1)
	h := func(c *pipeline.Context) { release <- c.Async() }
	c := startServer(t, 1, Options{Timeouts: Timeouts{HalfClose: HalfCloseOff}}, h).dial()
	c.get("/")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	a := <-release
	time.AfterFunc(300*time.Millisecond, func() {
		a.Finish(func(c *pipeline.Context) { c.Text(200, "late") })
	})
	c.want("off", 200, "late")
	c.wantEnd("off")

	ended := make(chan error, 1)
	c = startServer(t, 1, Options{Timeouts: Timeouts{HalfClose: HalfCloseCancel}},
		halfCloseHandler(ended)).dial()
	c.write("GET /soon HTTP/1.1\r\nHost: x\r\n\r\nGET /never HTTP/1.1\r\nHost: x\r\n\r\n")
	c.want("cancel, before the FIN", 200, "/soon")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	wantGone(t, "cancel", ended)
	c.wantEnd("cancel")
}
