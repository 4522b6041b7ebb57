package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"weir/pipeline/pipelinetest"
	"weir/supervisor/admin"
)

// webSocket opens one.
func (in *instance) webSocket(path string) *pipelinetest.WebSocket {
	ws, err := pipelinetest.DialWebSocket(in.dial(), path)
	if err != nil {
		in.t.Fatalf("WebSocket %s: %v\n%s", path, err, &in.stderr)
	}
	return ws
}

// echoes sends a message and says what comes back.
func echoes(ws *pipelinetest.WebSocket, text string) string {
	if err := ws.Send(pipelinetest.WebSocketText, []byte(text)); err != nil {
		return err.Error()
	}
	return received(ws)
}

// received is the next message, or how the WebSocket ends.
func received(ws *pipelinetest.WebSocket) string {
	switch op, b, err := ws.Recv(); {
	case err != nil:
		return err.Error()
	case op == pipelinetest.WebSocketClose:
		return "Close " + strconv.Itoa(pipelinetest.Status(b))
	default:
		return string(b)
	}
}

const tunnelFile = `
log: {access: DIR/access.log}
sites:
  s:
    bindings: ["127.0.0.1:0"]
    apps:
      /: {pool: p}
      /text: {respond: {body: one}}
pools:
  p: {command: [testworker], workers: 1, recycle: {overlap: true}}
  q: {command: [testworker, -say, q]}
`

// A WebSocket through a pool outlives reloads of what does not concern it, is told to go when its worker
// or the instance leaves, ends with its worker, and is in the books all the while.
func TestTunnel(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	in := start(t, "--config", fileOf(t, dir, tunnelFile))
	ws := in.webSocket("/ws")
	check := func(when, want string, got string) {
		t.Helper()
		if got != want {
			t.Fatalf("%s: %q; want %q", when, got, want)
		}
	}
	check("first message", "hello", echoes(ws, "hello"))
	if !inFlight(in.status()) {
		t.Error("the tunnel is not in flight")
	}
	for i := range 3 {
		fileOf(t, dir, strings.NewReplacer("body: one", fmt.Sprint("body: n", i), "-say, q",
			fmt.Sprint("-say, q", i)).Replace(tunnelFile))
		if code, _, stderr := in.weir("reload"); code != 0 {
			t.Fatalf("weir reload: %d, %s", code, stderr)
		}
		check("new route", fmt.Sprint("n", i), in.get("/text").body)
		check("after a reload", "still", echoes(ws, "still"))
	}

	recycled := make(chan int, 1)
	go func() {
		code, _, _ := in.weir("recycle", "p")
		recycled <- code
	}()
	check("its worker is recycled", "Close 1001", received(ws))
	if err := ws.Send(pipelinetest.WebSocketClose, []byte{3, 233}); err != nil {
		t.Fatal(err)
	}
	check("the worker's end", "EOF", received(ws))
	if code := <-recycled; code != 0 {
		t.Errorf("weir recycle: %d", code)
	}
	in.logged(filepath.Join(dir, "access.log"), `"GET /ws HTTP/1.1" 101 `)
	b, err := os.ReadFile(filepath.Join(dir, "access.log"))
	// hello, three times still, and Close: 7 + 3 × 7 + 4 bytes of frames
	if line := regexp.MustCompile(`"GET /ws HTTP/1.1" 101 (\d+) .* -\n`).FindSubmatch(b); line == nil || string(line[1]) != "32" {
		t.Errorf("access log %q, %v; want status 101 and 32 bytes", b, err)
	}

	ws = in.webSocket("/ws")
	check("on the fresh worker", "again", echoes(ws, "again"))
	for pid := range in.settled("p", 1) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.ReadAll(ws.Conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("its worker was killed: %v; want the end of the connection", err)
	}
	in.until("nothing in flight", func(s *admin.Status) bool { return !inFlight(s) })

	in.settled("p", 1)
	ws = in.webSocket("/ws")
	check("on the next worker", "drain", echoes(ws, "drain"))
	in.signal(syscall.SIGTERM)
	check("the instance drains", "Close 1001", received(ws))
	if err := ws.Send(pipelinetest.WebSocketClose, []byte{3, 233}); err != nil {
		t.Fatal(err)
	}
	check("the end", "EOF", received(ws))
	if code := in.wait(); code != 0 {
		t.Errorf("exit %d after a drain", code)
	}
}
