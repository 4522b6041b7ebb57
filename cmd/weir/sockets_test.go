//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
)

// sockets is one instance under test, and where it has its WebSockets.
type sockets struct {
	*instance
	t    *testing.T
	path string
	ctx  context.Context
}

// TestSockets: WebSocket libraries on both sides, and CONNECT, however the worker is reached.
func TestSockets(t *testing.T) {
	inside := modes[0]
	inside.name, inside.program = "in-process", "testapp"
	inside.before, inside.after = []string{"--hosting", "in-process"}, nil
	for _, m := range append(modes[:len(modes):len(modes)], inside) {
		if m.name == "fastcgi" {
			continue // it has no upgrade
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"--listen", "127.0.0.1:0", "--set", "sites.default.apps./.connect=true"},
				m.before...)
			if m.name != "in-process" {
				args = append(args, "--workers", "1")
			}
			runSockets(t, m.program, "/library", append(args, m.after...)...)
		})
	}
	t.Run("http, Node's ws", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(shortDir(t), "server.js")
		if err := os.WriteFile(file, []byte(nodeSockets), 0o600); err != nil {
			t.Fatal(err)
		}
		runSockets(t, "weir", "/", "--listen", "127.0.0.1:0", "--set", "sites.default.apps./.connect=true",
			"--", nodeWithWS(t), file)
	})
}

func runSockets(t *testing.T, program, path string, args ...string) {
	in := launchProgram(t, program, shortDir(t), "", append(os.Environ(), "NODE_PATH="+nodePath), args...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s %q:\n%s", program, args, &in.stderr)
		}
		in.stop()
	})
	in.awaitReady()
	ctx, cancel := context.WithTimeout(t.Context(), startPatience)
	defer cancel()
	s := &sockets{in, t, path, ctx}
	s.connect()
	for _, mode := range []websocket.CompressionMode{
		websocket.CompressionDisabled, websocket.CompressionContextTakeover,
	} {
		s.messages(mode)
	}
	s.pings()
	s.node()
	if program != "testapp" || !slices.Contains(args, "in-process") {
		s.recycles()
	}
	s.drains()
}

// dials opens a WebSocket.
func (s *sockets) dials(mode websocket.CompressionMode) *websocket.Conn {
	s.t.Helper()
	c, resp, err := websocket.Dial(s.ctx, s.url+s.path, &websocket.DialOptions{
		Subprotocols: []string{"chat"}, CompressionMode: mode,
	})
	if err != nil {
		s.t.Fatalf("WebSocket: %v", err)
	}
	deflates := strings.Contains(resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")
	if c.Subprotocol() != "chat" || deflates != (mode != websocket.CompressionDisabled) {
		s.t.Errorf("subprotocol %q, header %v", c.Subprotocol(), resp.Header)
	}
	c.SetReadLimit(socketReadMax)
	return c
}

// messages: text and binary, in one frame and in several, small and large, then the closing handshake.
func (s *sockets) messages(mode websocket.CompressionMode) {
	t, c := s.t, s.dials(mode)
	defer c.CloseNow() //nolint:errcheck // closed below
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for _, m := range []struct {
		kind   websocket.MessageType
		pieces [][]byte
	}{
		{websocket.MessageText, [][]byte{[]byte("hello")}},
		{websocket.MessageText, [][]byte{[]byte("in "), {}, []byte("three "), []byte("pieces")}},
		{websocket.MessageBinary, [][]byte{noise[:126]}},
		{websocket.MessageBinary, [][]byte{noise}},
		{websocket.MessageBinary, [][]byte{noise[:70_000], noise[70_000:200_000]}},
		{websocket.MessageText, [][]byte{bytes.Repeat([]byte("again "), 50_000)}},
		{websocket.MessageText, [][]byte{{}}},
	} {
		sent := make(chan error, 1)
		go func() {
			w, err := c.Writer(s.ctx, m.kind)
			for i := 0; i < len(m.pieces) && err == nil; i++ {
				_, err = w.Write(m.pieces[i])
			}
			sent <- errors.Join(err, w.Close())
		}()
		kind, got, err := c.Read(s.ctx)
		want := bytes.Join(m.pieces, nil)
		if err = errors.Join(err, <-sent); err != nil || kind != m.kind || !bytes.Equal(got, want) {
			t.Fatalf("%d pieces, %d bytes: got %v, %d bytes, %v", len(m.pieces), len(want), kind, len(got), err)
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, "done"); err != nil {
		t.Errorf("closing handshake: %v", err)
	}
}

// pings: Ping and Pong, either way.
func (s *sockets) pings() {
	t, c := s.t, s.dials(websocket.CompressionDisabled)
	defer c.CloseNow() //nolint:errcheck // closed by its peer
	end := make(chan error, 1)
	go func() {
		_, _, err := c.Read(s.ctx)
		end <- err
	}()
	if err := c.Ping(s.ctx); err != nil {
		t.Errorf("Ping: %v", err)
	}
	if err := c.Write(s.ctx, websocket.MessageText, []byte("ping")); err != nil {
		t.Error(err)
	}
	var closed websocket.CloseError
	if err := <-end; !errors.As(err, &closed) || closed.Code != 1000 || closed.Reason != "pinged: <nil>" {
		t.Errorf("pinged by the server: %v; want Close 1000", err)
	}
}

// recycles: reloads leave a WebSocket alone; its client is told when the worker is to be replaced, which
// waits for its answer, and the next one is the fresh worker's.
func (s *sockets) recycles() {
	t, c := s.t, s.dials(websocket.CompressionDisabled)
	defer c.CloseNow() //nolint:errcheck // closed by its peer
	for range 2 {
		if code, _, stderr := s.weir("reload"); code != 0 {
			t.Fatalf("weir reload: %d, %s", code, stderr)
		}
		if err := c.Write(s.ctx, websocket.MessageText, []byte("still")); err != nil {
			t.Fatal(err)
		}
		if _, b, err := c.Read(s.ctx); string(b) != "still" || err != nil {
			t.Fatalf("after a reload: %q, %v", b, err)
		}
	}
	recycled := make(chan string, 1)
	go func() {
		code, _, stderr := s.weir("recycle", "default")
		recycled <- fmt.Sprint(code, stderr)
	}()
	_, _, err := c.Read(s.ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != websocket.StatusGoingAway {
		t.Errorf("the worker is recycled: %v; want Close 1001", err)
	}
	if got := <-recycled; got != "0" {
		t.Errorf("weir recycle: %s", got)
	}
	_ = s.dials(websocket.CompressionDisabled).CloseNow()
}

// drains: the client of a WebSocket is told that the instance goes, and that of CONNECT gets FIN.
func (s *sockets) drains() {
	t, c := s.t, s.dials(websocket.CompressionContextTakeover)
	defer c.CloseNow() //nolint:errcheck // closed by its peer
	if err := c.Write(s.ctx, websocket.MessageText, []byte("before")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := c.Read(s.ctx); string(b) != "before" || err != nil {
		t.Fatalf("%q, %v", b, err)
	}
	tunnel, from := s.connected("a.example:443")
	s.signal(syscall.SIGTERM)
	_, _, err := c.Read(s.ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != websocket.StatusGoingAway {
		t.Errorf("the instance drains: %v; want Close 1001", err)
	}
	if rest, err := io.ReadAll(from); len(rest) > 0 || err != nil {
		t.Errorf("the instance drains: the tunnel has %q, %v; want FIN", rest, err)
	}
	_ = tunnel.Close()
	if code := s.wait(); code != 0 {
		t.Errorf("exit %d after a drain", code)
	}
}

// connected opens a tunnel by CONNECT.
func (s *sockets) connected(target string) (net.Conn, *bufio.Reader) {
	s.t.Helper()
	c := s.dial()
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\nearly", target, target)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil || resp.StatusCode != 200 || resp.ContentLength > 0 || resp.TransferEncoding != nil {
		s.t.Fatalf("CONNECT: %+v, %v", resp, err)
	}
	want := target + " early"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
		s.t.Fatalf("CONNECT: %q, %v; want %q", got, err, want)
	}
	return c, r
}

// connect: bytes go both ways behind CONNECT, and FIN.
func (s *sockets) connect() {
	c, r := s.connected("[2001:db8::1]:80")
	defer c.Close() //nolint:errcheck // read to its end
	const n = 300 << 10
	go func() {
		_, _ = c.Write(bytes.Repeat([]byte("x"), n))
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	if b, err := io.ReadAll(r); len(b) != n || err != nil {
		s.t.Errorf("CONNECT: %d bytes, %v; want %d", len(b), err, n)
	}
}

// node lets Node's ws talk to it.
func (s *sockets) node() {
	path, err := exec.LookPath("node")
	if err != nil || !hasWS() {
		return // TestSockets/http,_Node's_ws says so
	}
	cmd := exec.CommandContext(s.ctx, path, "-e", nodeClientWS, strings.Replace(s.url, "http", "ws", 1)+s.path)
	cmd.Env = append(os.Environ(), "NODE_PATH="+nodePath)
	out, err := cmd.CombinedOutput()
	const want = "deflates true\ntext 70000\nbinary 1048576\npieces 9\npong\nclosed 1000 done\n"
	if string(out) != want || err != nil {
		s.t.Errorf("node: %q, %v; want %q", out, err, want)
	}
}
