//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/admin"
)

const handoffFile = `
sites:
  s:
    bindings: ["127.0.0.1:0"]
    apps: {/: {respond: {status: 200, body: front}}, /go: {handler: demo-worker, pool: demo}}
pools: {demo: {dispatch: handoff, workers: 2}}
`

// visitor is a client that keeps its one connection.
type visitor struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
}

func visit(t *testing.T, in *instance) *visitor {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(in.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) //nolint:errcheck // a test's connection
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &visitor{t, c, bufio.NewReader(c)}
}

func (v *visitor) ask(path string) {
	v.t.Helper()
	if _, err := fmt.Fprintf(v.c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		v.t.Fatal(err)
	}
}

// get asks and returns Server and body.
func (v *visitor) get(path string) (server, body string) {
	v.t.Helper()
	v.ask(path)
	return v.answer(path)
}

func (v *visitor) answer(path string) (server, body string) {
	v.t.Helper()
	resp, err := http.ReadResponse(v.r, nil)
	if err != nil {
		v.t.Fatalf("%s: %v", path, err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatalf("%s: %v", path, err)
	}
	return resp.Header.Get("Server"), string(b)
}

// A worker that has a connection keeps the clocks of its client, and it counts as one of the front's.
func TestHandoffBounds(t *testing.T) {
	t.Parallel()
	in := start(t, "--config", fileOf(t, shortDir(t), handoffFile+
		"timeouts: {header: 200ms}\nlimits: {connections: 1}\n"))
	a := visit(t, in)
	if server, _ := a.get("/go/hello"); server != "Weir-Worker" {
		t.Fatalf("answered by %q; want a worker", server)
	}
	b := visit(t, in)
	b.ask("/")
	_ = b.c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // a TCP socket takes one
	if _, err := b.r.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a second client: %v; want it to wait for the first", err)
	}
	if _, err := io.WriteString(a.c, "GET /go/hello HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	if server, body := a.answer("half a head"); server != "Weir-Worker" || !strings.Contains(body, "408") {
		t.Errorf("half a head: %q of %q; want 408 of the worker", body, server)
	}
	_ = b.c.SetReadDeadline(time.Now().Add(patience)) // a TCP socket takes one
	if _, body := b.answer("/"); body != "front" {
		t.Errorf("when the first has gone: %q; want the front", body)
	}
	if _, err := a.r.ReadByte(); err != io.EOF {
		t.Errorf("behind 408: %v; want the end", err)
	}
	c := visit(t, in) // b is kept
	_ = b.c.Close()   // it has its answer
	if _, body := c.get("/"); body != "front" {
		t.Errorf("the next one: %q; want the front", body)
	}
}

// One connection is answered by whom each request belongs to; it outlives its workers, unless one dies
// while it has it: then the client sees the end, and the front counts it.
func TestHandoff(t *testing.T) {
	t.Parallel()
	in := start(t, "--config", fileOf(t, shortDir(t), handoffFile), "--access-log", "-")
	in.settled("demo", 2)
	v := visit(t, in)
	for range 3 {
		if server, body := v.get("/go/hello"); server != "Weir-Worker" || body != "Hello, World!\n" {
			t.Fatalf("/go/hello by %s: %q", server, body)
		}
		if server, body := v.get("/"); server != "Weir" || body != "front" {
			t.Fatalf("/ by %s: %q", server, body)
		}
	}
	if _, body := v.get("/go/hello"); body != "Hello, World!\n" { // a worker has v now
		t.Fatalf("/go/hello: %q", body)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := in.admin().Recycle(ctx, "demo", true); err != nil {
		t.Fatal(err)
	}
	if server, body := v.get("/go/hello"); server != "Weir-Worker" || body != "Hello, World!\n" {
		t.Fatalf("after the recycle: by %s: %q", server, body)
	}
	v.ask("/go/crash")
	if _, err := v.r.ReadByte(); err == nil {
		t.Error("a byte came from a worker that crashed; want the end")
	}
	if server, _ := visit(t, in).get("/go/hello"); server != "Weir-Worker" {
		t.Errorf("after the crash: by %s", server)
	}
}

// A connection that a worker has is finished when the instance ends: the answer comes whole, and says
// that it is the last.
func TestHandoffShutdown(t *testing.T) {
	t.Parallel()
	in := start(t, "--config", fileOf(t, shortDir(t), handoffFile))
	in.settled("demo", 2)
	busy, quiet := visit(t, in), visit(t, in)
	quiet.get("/go/hello")
	busy.ask("/go/sleep?ms=1000")
	in.awaitHeld()
	in.signal(syscall.SIGTERM)
	if _, body := busy.answer("/go/sleep"); body != "slept 1000 ms\n" {
		t.Errorf("the answer under way: %q", body)
	}
	for _, v := range []*visitor{busy, quiet} {
		if _, err := v.r.ReadByte(); err != io.EOF {
			t.Errorf("after the end: %v; want EOF", err)
		}
	}
	if code := in.wait(); code != 0 {
		t.Errorf("exit code %d; want 0", code)
	}
}

// awaitHeld waits until a worker has a connection.
func (in *instance) awaitHeld() {
	in.until("a connection that a worker has", func(s *admin.Status) bool {
		return len(s.Fronts) > 0 && strings.Contains(string(s.Fronts[0].Report), `"InFlight": 1`)
	})
}

// A front that dies leaves connections with workers: what they are at is answered, then they close; the
// next front has the pool as before.
func TestHandoffFrontDies(t *testing.T) {
	t.Parallel()
	in := start(t, "--config", fileOf(t, shortDir(t), handoffFile))
	in.settled("demo", 2)
	v := visit(t, in)
	v.ask("/go/sleep?ms=500")
	in.awaitHeld()
	if err := unix.Kill(in.status().Fronts[0].PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, body := v.answer("/go/sleep"); body != "slept 500 ms\n" {
		t.Errorf("the answer under way: %q", body)
	}
	if _, err := v.r.ReadByte(); err != io.EOF {
		t.Errorf("after the answer: %v; want EOF", err)
	}
	if server, body := visit(t, in).get("/go/hello"); server != "Weir-Worker" || body != "Hello, World!\n" {
		t.Errorf("/go/hello by %s: %q", server, body)
	}
}

// A reload that gives the path to somebody else is followed by connections that a worker has kept.
func TestHandoffReload(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	in := start(t, "--config", fileOf(t, dir, handoffFile))
	in.settled("demo", 2)
	v := visit(t, in)
	v.get("/go/hello")
	fileOf(t, dir, strings.Replace(handoffFile, "/go:", "/go/hello: {respond: {status: 200, body: new}}, /go:", 1))
	if code, _, stderr := in.weir("reload"); code != 0 {
		t.Fatalf("weir reload: %d, %s", code, stderr)
	}
	in.until("the connection back", func(s *admin.Status) bool {
		return !strings.Contains(string(s.Fronts[0].Report), `"InFlight": 1`)
	})
	if server, body := v.get("/go/hello"); server != "Weir" || body != "new" {
		t.Errorf("/go/hello by %s: %q; want new, by Weir", server, body)
	}
}
