//go:build linux

package worker

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/netpoll"
	"weir/pipeline"
	"weir/pipeline/dispatch"
	"weir/pipeline/pipelinetest"
	"weir/pipeline/server"
	"weir/protocol/handoff"
)

// handedOff is a front with a handoff pool of one worker below /, and an app of its own at /front.
func handedOff(t *testing.T, concurrency int) (string, *dispatch.Pool) {
	t.Helper()
	t.Setenv("WEIR_DISPATCH", "handoff")
	t.Setenv("WEIR_CONCURRENCY", "64")
	_, socket := serving(t, func(ctx context.Context) error {
		return Serve(ctx, testHandler(make(chan error, 100)))
	})
	_, addr, pool := frontApps(t, dispatch.Endpoint{
		Address: socket, Handoff: true, Concurrency: concurrency,
	}, dispatch.Options{}, server.App{
		Prefix: "/front", Handler: func(c *pipeline.Context) { c.Text(200, "front") },
	})
	return addr, pool
}

// client is a raw connection to a front.
type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dialFront(t *testing.T, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) //nolint:errcheck // a test's connection
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t, c, bufio.NewReader(c)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// want reads one answer.
func (c *client) want(server, body string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("reading the answer %q: %v", body, err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil || string(b) != body || resp.Header.Get("Server") != server {
		c.t.Fatalf("answer %d by %s: %.80q, %v; want %.80q by %s", resp.StatusCode,
			resp.Header.Get("Server"), b, err, body, server)
	}
}

const askText = "GET /text?q=1 HTTP/1.1\r\nHost: a\r\n\r\n"

// answerText is what testHandler says to it.
const answerText = "hello 127.0.0.1 q=1"

func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
		<-time.After(time.Millisecond)
	}
}

func one(p *dispatch.Pool) dispatch.WorkerStatus { return p.Snapshot().Workers[0] }

// Each request of a connection is answered by whom it belongs to, in order, also when all of them were
// read at once, and bodies in between are not taken for heads.
func TestHandoffPipeline(t *testing.T) {
	addr, pool := handedOff(t, 64)
	c := dialFront(t, addr)
	const post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 25\r\n\r\nGET / HTTP/1.1\r\nHost:b\r\n\r"
	front := "GET /front HTTP/1.1\r\nHost: a\r\n\r\n"
	c.send(askText + post + front + askText + front + askText)
	c.want(serverName, answerText)
	c.want(serverName, post[len(post)-25:])
	c.want("Weir", "front")
	c.want(serverName, answerText)
	c.want("Weir", "front")
	c.want(serverName, answerText)
	waitFor(t, "three hand-offs", func() bool { return one(pool).HandedOff == 3 })
	for _, other := range []string{
		"GET /%66ront HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x/../front HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://a/front HTTP/1.1\r\nHost: a\r\n\r\n", "GET /front/x HTTP/1.1\r\nHost: b\r\n\r\n",
	} {
		c.send(askText + other)
		c.want(serverName, answerText)
		c.want("Weir", "front")
	}
}

// Requests that come byte by byte, and bodies over the bound of a message, lose nothing on the way.
func TestHandoffPieces(t *testing.T) {
	addr, _ := handedOff(t, 64)
	c := dialFront(t, addr)
	for _, b := range askText {
		c.send(string(b))
	}
	c.want(serverName, answerText)
	body := strings.Repeat("0123456789", 50_000)
	c.send(fmt.Sprintf("POST /echo HTTP/1.1\r\nHost: b\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	c.want(serverName, body)
}

// A client that is slow to take an answer of the front's does not lose a byte of it, or of the next
// one, which is a worker's.
func TestHandoffSlowReader(t *testing.T) {
	t.Setenv("WEIR_DISPATCH", "handoff")
	t.Setenv("WEIR_CONCURRENCY", "64")
	_, socket := serving(t, func(ctx context.Context) error {
		return Serve(ctx, testHandler(make(chan error, 100)))
	})
	mid := strings.Repeat("0123456789abcdef", 900)
	_, addr, pool := frontApps(t, dispatch.Endpoint{Address: socket, Handoff: true}, dispatch.Options{},
		server.App{Prefix: "/mid", Handler: func(c *pipeline.Context) { c.Text(200, mid) }})
	c := dialFront(t, addr)
	const pairs = 1000
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, strings.Repeat("GET /mid HTTP/1.1\r\nHost: a\r\n\r\n"+askText, pairs))
		sent <- err
	}()
	last, since := uint64(0), time.Now()
	waitFor(t, "the kernel's buffers full", func() bool { // nothing moves then
		if n := one(pool).HandedOff; n != last {
			last, since = n, time.Now()
		}
		return last > 0 && time.Since(since) > 200*time.Millisecond
	})
	for range pairs {
		c.want("Weir", mid)
		c.want(serverName, answerText)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if n := one(pool).HandedOff; n != pairs || last == pairs {
		t.Errorf("%d hand-offs, %d before the client read; want %d, and fewer", n, last, pairs)
	}
}

// A worker keeps a connection whose requests are its own, and gives it back when it is asked to or the
// client is quiet; the client notices nothing.
func TestHandoffKeepsAndReturns(t *testing.T) {
	addr, pool := handedOff(t, 64)
	c := dialFront(t, addr)
	for range 50 {
		c.send(askText)
		c.want(serverName, answerText)
	}
	if st := one(pool); st.HandedOff != 1 || st.InFlight != 1 {
		t.Errorf("%d hand-offs, %d held; want 1 of each", st.HandedOff, st.InFlight)
	}
	pool.Recall()
	waitFor(t, "the return", func() bool { return one(pool).InFlight == 0 })
	if st := one(pool); st.Completed != 50 || st.Connections != 0 {
		t.Errorf("%d requests, %d slots taken; want 50, 0", st.Completed, st.Connections)
	}
	c.send(askText)
	c.want(serverName, answerText)
	waitFor(t, "the return of an idle one", func() bool { return one(pool).InFlight == 0 })
	c.send(askText)
	c.want(serverName, answerText)
	c.Close() //nolint:errcheck // the end is what is tested
	waitFor(t, "the end", func() bool { return one(pool).InFlight == 0 })
	if st := one(pool); st.Completed != 52 || st.Broken != 0 || st.HandedOff != 3 {
		t.Errorf("%+v; want 52 requests, 3 hand-offs", st)
	}
}

// A tunnel stays with its worker when what it keeps is asked for, and is told when the worker is to go.
func TestHandoffTunnel(t *testing.T) {
	t.Setenv("WEIR_DISPATCH", "handoff")
	t.Setenv("WEIR_CONCURRENCY", "64")
	_, socket := serving(t, func(ctx context.Context) error {
		return ServeHTTP(ctx, pipelinetest.WebSocketEcho(false))
	})
	_, addr, pool := frontApps(t, dispatch.Endpoint{Address: socket, Handoff: true, Concurrency: 2},
		dispatch.Options{})
	ws := socketTo(t, addr, "/")
	talks(t, ws, "before")
	pool.Recall()
	for range 3 {
		talks(t, ws, "still")
		<-time.After(50 * time.Millisecond)
	}
	waitFor(t, "the tunnel in the books", func() bool { return one(pool).InFlight == 1 })
	pool.DrainWorker(1)
	op, b, err := ws.Recv()
	if op != pipelinetest.WebSocketClose || pipelinetest.Status(b) != 1001 {
		t.Fatalf("the worker is to go: %d, %q, %v; want Close 1001", op, b, err)
	}
	if err := ws.Send(pipelinetest.WebSocketClose, b); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ws.Recv(); err != io.EOF {
		t.Errorf("behind the Close handshake: %v; want EOF", err)
	}
	waitFor(t, "the slot", func() bool { return one(pool).InFlight == 0 })
}

// A handler delegates what it has not begun: to a worker, for one request.
func TestDelegate(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Setenv("WEIR_DISPATCH", mode)
			t.Setenv("WEIR_CONCURRENCY", "64")
			_, socket := serving(t, func(ctx context.Context) error {
				return Serve(ctx, testHandler(make(chan error, 100)))
			})
			_, addr, _ := frontApps(t, dispatch.Endpoint{
				Address: socket, Mux: mode == "mux", Handoff: mode == "handoff",
			}, dispatch.Options{}, server.App{Prefix: "/self", Handler: func(c *pipeline.Context) {
				c.Text(200, "self")
			}}, server.App{Prefix: "/d", Handler: func(c *pipeline.Context) {
				switch c.Query() {
				case "body":
					c.ReadBody(100, func(c *pipeline.Context, _ []byte, _ error) {
						c.Text(200, fmt.Sprint(c.Delegate("test")))
					})
				case "written":
					_, _ = c.Write([]byte("written: ")) // to a loop's own buffer
					_, _ = c.Write([]byte(fmt.Sprint(c.Delegate("test"))))
				case "nobody":
					c.Text(200, fmt.Sprint(c.Delegate("nobody")))
				default:
					if err := c.Delegate("test"); err != nil {
						c.Text(200, err.Error())
					}
				}
			}}, server.App{Prefix: "/blocking", Handler: pipeline.Blocking(func(c *pipeline.Context) {
				c.Text(200, fmt.Sprint(c.Delegate("test")))
			})})
			c := dialFront(t, addr)
			post := func(query string) string {
				return "POST /d/echo?" + query + " HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
			}
			const self = "GET /self HTTP/1.1\r\nHost: a\r\n\r\n"
			c.send(self + post("") + self + post("body") + post("written") + post("nobody") +
				"GET /blocking HTTP/1.1\r\nHost: a\r\n\r\n" + self)
			c.want("Weir", "self")
			c.want(serverName, "body")
			c.want("Weir", "self")
			c.want("Weir", pipeline.ErrBodyBegun.Error())
			c.want("Weir", "written: "+pipeline.ErrStarted.Error())
			c.want("Weir", pipeline.ErrNoPool.Error())
			c.want("Weir", pipeline.ErrBlocking.Error())
			c.want("Weir", "self")
		})
	}
}

// With fewer slots than clients that keep their connections, every client gets its turn.
func TestHandoffTurns(t *testing.T) {
	addr, pool := handedOff(t, 1)
	var all sync.WaitGroup
	began := time.Now()
	for range 4 {
		c := dialFront(t, addr)
		all.Go(func() {
			for range 20 {
				if _, err := io.WriteString(c, askText); err != nil {
					t.Error(err)
					return
				}
				resp, err := http.ReadResponse(c.r, nil)
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("%v, %v", resp, err)
					return
				}
				if _, err := io.ReadAll(resp.Body); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("it took %v: as long as connections are kept that do nothing", d)
	}
	pool.Recall()
	waitFor(t, "all gone home", func() bool { return one(pool).InFlight == 0 })
	if st := one(pool); st.Completed != 80 {
		t.Errorf("%d requests; want 80", st.Completed)
	}
}

// Drained: connections come back, and wait for the next worker.
func TestHandoffDrain(t *testing.T) {
	addr, pool := handedOff(t, 64)
	c := dialFront(t, addr)
	c.send(askText)
	c.want(serverName, answerText)
	pool.DrainWorker(1)
	waitFor(t, "the return", func() bool { return one(pool).InFlight == 0 })
	c.send("GET /front HTTP/1.1\r\nHost: a\r\n\r\n")
	c.want("Weir", "front")
	c.send(askText)
	if err := pool.AddWorker(1, dispatch.Endpoint{}); err == nil {
		t.Error("AddWorker without an endpoint is taken")
	}
	waitFor(t, "the request in the queue", func() bool { return pool.Snapshot().Waiting == 1 })
	if err := pool.AddWorker(1, dispatch.Endpoint{
		Network: "unix", Address: "/as/it/was", Concurrency: 64, Handoff: true,
	}); err != nil {
		t.Fatal(err)
	}
	c.want(serverName, answerText)
}

// liar is a worker that greets, takes one connection, and does something else with it than it should.
func liar(t *testing.T, does func(link int, m *handoff.Message, fd int)) (string, *dispatch.Pool) {
	t.Helper()
	path := t.TempDir() + "/sock"
	ln, err := netpoll.ListenLink(path, 8)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(ln, false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(ln) }) //nolint:errcheck // a test's socket
	go func() {
		link, _, err := unix.Accept(ln)
		if err != nil {
			return
		}
		defer unix.Close(link) //nolint:errcheck // a test's socket
		b, _ := handoff.Append(nil, &handoff.Message{Kind: handoff.Hello, Min: 1, Max: 1})
		if _, err := unix.Write(link, b); err != nil {
			return
		}
		poll := []unix.PollFd{{Fd: int32(link), Events: unix.POLLIN}}
		for n := 0; n == 0; {
			n, _ = unix.Poll(poll, 100)
		}
		buf := make([]byte, handoff.MessageMax)
		n, fds, err := netpoll.RecvFDs(link, buf, nil, 1)
		var m handoff.Message
		if err != nil || len(fds) != 1 || handoff.Parse(buf[:n], &m) != nil {
			t.Errorf("RecvFDs = %d, %v, %v", n, fds, err)
			return
		}
		does(link, &m, fds[0])
		unix.Close(fds[0]) //nolint:errcheck // a test's socket
	}()
	_, addr, pool := frontApps(t, dispatch.Endpoint{Address: path, Handoff: true}, dispatch.Options{})
	return addr, pool
}

// A worker that dies, gives back another socket, or speaks out of turn costs the connections that it
// has, and those are counted.
func TestHandoffLiars(t *testing.T) {
	say := func(link int, m *handoff.Message, fds ...int) {
		b, _ := handoff.Append(nil, m)
		_, _ = netpoll.SendFDs(link, b, fds) // the front may have closed it
	}
	for _, c := range []struct {
		desc string
		does func(link int, m *handoff.Message, fd int)
	}{
		{"dies", func(int, *handoff.Message, int) {}},
		{"gives back another socket", func(link int, m *handoff.Message, _ int) {
			p, _ := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			say(link, &handoff.Message{Kind: handoff.Connection, ID: m.ID}, p[0])
			unix.Close(p[0]) //nolint:errcheck // a test's socket
			unix.Close(p[1]) //nolint:errcheck // a test's socket
		}},
		{"gives back what it has not", func(link int, m *handoff.Message, fd int) {
			say(link, &handoff.Message{Kind: handoff.Connection, ID: m.ID + 1}, fd)
		}},
		{"closes what it has not", func(link int, m *handoff.Message, _ int) {
			say(link, &handoff.Message{Kind: handoff.Closed, ID: m.ID + 1})
		}},
		{"gives back nothing", func(link int, m *handoff.Message, _ int) {
			say(link, &handoff.Message{Kind: handoff.Connection, ID: m.ID})
		}},
		{"recalls", func(link int, m *handoff.Message, _ int) {
			say(link, &handoff.Message{Kind: handoff.Recall})
		}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			addr, pool := liar(t, c.does)
			cl := dialFront(t, addr)
			cl.send(askText)
			if _, err := cl.r.ReadByte(); err == nil {
				t.Error("a byte came; want the end")
			}
			waitFor(t, "the count", func() bool { return one(pool).Broken == 1 })
			if st := one(pool); st.InFlight != 0 || st.Connections != 0 || st.Errors != 1 {
				t.Errorf("%+v; want nothing held, one error", st)
			}
		})
	}
}
