//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// asyncioWorker is a server on Python's asyncio: one thread, all requests at once. It says what it was
// asked and sends bodies back, in chunks; Upgrade and CONNECT become tunnels that echo.
const asyncioWorker = `
import asyncio, os, signal

async def body(reader, h):
    if h.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(h.get("content-length", 0)))
    whole = b""
    while n := int(await reader.readline(), 16):
        whole += await reader.readexactly(n)
        await reader.readline()
    await reader.readline()
    return whole

async def answer(reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    h = {name.lower(): value.strip() for name, _, value in (f.partition(":") for f in head[1:])}
    if method == "CONNECT" or h.get("upgrade") == "echo":
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n" if method == "CONNECT" else
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        return False
    data = await body(reader, h)
    if target == "/slow":
        await asyncio.sleep(0.2)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for piece in (method.encode(), b" ", target.encode(), b" ", data):
        if piece:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True

async def serve(reader, writer):
    try:
        while await answer(reader, writer):
            pass
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()

async def main():
    await asyncio.start_unix_server(serve, os.environ["WEIR_SOCKET"], limit=1 << 20)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()

asyncio.run(main())
`

// TestAsyncioWorker: an event-loop server in another language, with one worker for everything.
func TestAsyncioWorker(t *testing.T) {
	t.Parallel()
	python := program(t, "python3")
	file := filepath.Join(shortDir(t), "app.py")
	if err := os.WriteFile(file, []byte(asyncioWorker), 0o600); err != nil {
		t.Fatal(err)
	}
	in := start(t, "--listen", "127.0.0.1:0", "--workers", "1", "--set", "sites.default.apps./.connect=true",
		"--", python, file)
	if got := in.get("/a?b=c"); got.status != 200 || got.body != "GET /a?b=c " {
		t.Errorf("GET: %d %q", got.status, got.body)
	}
	large := strings.Repeat("0123456789abcdef", 1<<20/16)
	if got := in.do(http.MethodPost, in.url+"/p", large); got.body != "POST /p "+large {
		t.Errorf("POST: %d, %d bytes", got.status, len(got.body))
	}
	c := in.talk(t).send("PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
	if says, _ := c.answer("PUT"); says != "200 PUT /c abcde" {
		t.Errorf("chunks: %q", says)
	}
	answers := make(chan string, 32)
	for range cap(answers) {
		go func() {
			a, err := do(client, http.MethodGet, in.url+"/slow", "")
			answers <- fmt.Sprint(a.status, a.body, err)
		}()
	}
	for range cap(answers) {
		if got := <-answers; got != "200GET /slow <nil>" {
			t.Errorf("at once with others: %q", got)
		}
	}
	for method, head := range map[string]string{
		"GET":     "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
		"CONNECT": "CONNECT a.example:1 HTTP/1.1\r\nHost: a.example:1\r\n\r\n",
	} {
		c := in.dial()
		go func() {
			_, _ = io.WriteString(c, head+large)
			_ = c.(interface{ CloseWrite() error }).CloseWrite()
		}()
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil || resp.StatusCode/100 > 2 {
			t.Fatalf("%s: %+v, %v", method, resp, err)
		}
		if b, err := io.ReadAll(r); string(b) != large || err != nil {
			t.Errorf("%s: %d bytes, %v", method, len(b), err)
		}
		_ = c.Close()
	}
	in.signal(syscall.SIGTERM)
	if code := in.wait(); code != 0 {
		t.Errorf("exit %d after a drain", code)
	}
}
