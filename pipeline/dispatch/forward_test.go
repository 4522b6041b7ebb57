package dispatch

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestForward(t *testing.T) {
	f := startFront(t, 1, Options{})
	w := startWorker(t, serveHello)
	f.add(1, w, 64)
	c := f.dial()
	for range 3 {
		resp := c.get("/a?b=c").want("GET", 200, "GET /a?b=c ")
		if s := resp.Header.Get("Server"); s != "" {
			t.Fatalf("Server = %q; the worker sent none", s)
		}
	}
	c.write("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody").want("POST", 200, "POST /p body")
	c.write("POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").
		want("chunked", 200, "POST /p abcde")
	if n := w.total.Load(); n != 1 {
		t.Errorf("worker saw %d connections; want 1", n)
	}
	if n := <-f.told.served; n != 1 {
		t.Errorf("Served %d; want 1", n)
	}
	f.audit()
}

func TestLargeBodiesBothWays(t *testing.T) {
	f := startFront(t, 2, Options{})
	f.add(1, startWorker(t, serveHello), 64)
	for _, framing := range []string{
		fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(longText), longText),
		fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(longText), longText),
	} {
		c := f.dial()
		go io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\n"+framing)
		c.want("echo of 1 MiB", 200, "POST / "+longText)
		c.get("/after").want("next on the connection", 200, "GET /after ")
	}
	f.audit()
}

func TestRealServers(t *testing.T) {
	f := startFront(t, 2, Options{})
	mux := http.NewServeMux()
	mux.HandleFunc("/chunks", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		for i := range 5 {
			fmt.Fprintf(w, "part %d;", i)
			w.(http.Flusher).Flush()
		}
		w.Header().Set("X-Sum", "42")
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", r.Header.Get("Content-Length"))
		io.Copy(w, r.Body)
	})
	mux.HandleFunc("/hints", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(103)
		w.WriteHeader(404)
	})
	mux.HandleFunc("/nothing", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("/old", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"1"`)
		w.WriteHeader(304)
	})
	ln := listenUnix(t)
	srv := &http.Server{Handler: mux}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	if err := f.AddWorker(7, Endpoint{Network: "unix", Address: ln.Addr().String(), Concurrency: 8}); err != nil {
		t.Fatal(err)
	}
	c := f.dial()
	resp := c.get("/chunks").want("chunks", 200, "part 0;part 1;part 2;part 3;part 4;")
	if got := resp.Trailer.Get("X-Sum"); got != "42" {
		t.Errorf("trailer X-Sum = %q; want 42", got)
	}
	c.write("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").want("echo", 200, "hello")
	c.get("/hints").want("103", 103, "")
	c.want("after 103", 404, "")
	c.get("/nothing").want("204", 204, "")
	c.get("/old").want("304", 304, "")
	c.write("HEAD /nothing-here HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, body := c.response("HEAD"); resp.StatusCode != 404 || body != "" {
		t.Errorf("HEAD: %d %q", resp.StatusCode, body)
	}
	c.get("/nothing").want("after HEAD", 204, "")
	f.audit()
}

func TestConcurrencyOne(t *testing.T) {
	f := startFront(t, 4, Options{})
	inFlight := make(chan struct{}, 1)
	// A synchronous worker: one connection at a time, the next when that has ended.
	turn := make(chan struct{}, 1)
	w := startWorker(t, func(c *workerConn) {
		turn <- struct{}{}
		defer func() { <-turn }()
		for {
			r, _, ok := c.drainRequest()
			if !ok {
				return
			}
			select {
			case inFlight <- struct{}{}:
			default:
				t.Error("two requests in flight")
			}
			<-inFlight
			c.respond(r.URL.Path)
		}
	})
	f.add(1, w, 1)
	done := make(chan error, 64)
	for i := range 64 {
		c := f.dial()
		go func() {
			for k := range 20 {
				path := fmt.Sprintf("/%d/%d", i, k)
				if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					done <- err
					return
				}
				resp, err := http.ReadResponse(c.r, nil)
				if err != nil {
					done <- err
					return
				}
				body, _ := io.ReadAll(resp.Body)
				if resp.StatusCode != 200 || string(body) != path {
					done <- fmt.Errorf("got %d %q; want %q", resp.StatusCode, body, path)
					return
				}
			}
			done <- nil
		}()
	}
	for range 64 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	st := f.Snapshot()
	t.Logf("%d requests, %d queued, %d connections", st.Requests, st.Queued, w.total.Load())
	if st.Workers[0].Connections > 1 {
		t.Errorf("%d connections; want at most 1", st.Workers[0].Connections)
	}
	f.audit()
}

func TestHeadRoomIsEnough(t *testing.T) {
	f := startFront(t, 1, Options{})
	f.add(1, startWorker(t, func(c *workerConn) {
		for r := c.request(); r != nil; r = c.request() {
			c.respond(fmt.Sprint(len(r.Header["A"])))
		}
	}), 4)
	c := f.dial()
	c.write("GET / HTTP/1.1\r\nHost: x\r\n"+strings.Repeat("A:b\r\n", 90)+"\r\n").want("short fields", 200, "90")
	big := "A: " + strings.Repeat("x", 1000) + "\r\n"
	c.write("GET / HTTP/1.1\r\nHost: x\r\n"+strings.Repeat(big, 30)+"\r\n").want("30 KiB head", 200, "30")
}
