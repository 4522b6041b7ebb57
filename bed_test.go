package weir

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/pipeline"
)

// soon is how long something is waited for that must not come; longer would only cost time.
const soon = 300 * time.Millisecond

// bed is a Server with a pool of servers that are the test's own.
type bed struct {
	t       *testing.T
	server  *Server
	pool    *Pool
	far     []*httptest.Server
	held    chan string   // paths of requests that a server holds
	release chan struct{} // closed: it answers them
	client  *http.Client
}

// newBed starts it with n servers; config is of the pool, and routes make ways to it.
func newBed(t *testing.T, n int, c PoolConfig, s *Server, routes map[string]RouteConfig) *bed {
	t.Helper()
	b := &bed{t: t, server: s, held: make(chan string, 16), release: make(chan struct{})}
	c.Name = "far"
	for i := range n {
		f := httptest.NewServer(b.handler(fmt.Sprint("far", i)))
		b.far = append(b.far, f)
		c.Upstreams = append(c.Upstreams, f.URL)
	}
	t.Cleanup(func() { // after the Server: it has cut what is held
		for _, f := range b.far {
			f.Close()
		}
	})
	b.pool = testPool(t, c)
	builder := pipeline.New()
	for prefix, rc := range routes {
		h, err := b.pool.Route(rc)
		if err != nil {
			t.Fatal(err)
		}
		builder.Map(prefix, func(b *pipeline.Builder) { b.Run(h) })
	}
	builder.Run(b.pool.Handler())
	h, err := builder.Build()
	if err != nil {
		t.Fatal(err)
	}
	s.Listen, s.Loops, s.Handler, s.Pools = []string{"127.0.0.1:0"}, 1, h, []*Pool{b.pool}
	started(t, s)
	tr := &http.Transport{DisableKeepAlives: true}
	b.client = &http.Client{Transport: tr, Timeout: patience}
	t.Cleanup(b.letGo) // first of all
	return b
}

func (b *bed) letGo() {
	select {
	case <-b.release:
	default:
		close(b.release)
	}
}

// handler answers as a server of that name.
func (b *bed) handler(name string) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
	m.HandleFunc("/ill", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	m.HandleFunc("/body", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "length %d, read %d %v", r.ContentLength, n, err)
	})
	m.HandleFunc("/file", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Accel-Redirect", "/keep/note.txt")
	})
	for _, prefix := range []string{"", "/vip", "/fast"} {
		m.HandleFunc(prefix+"/hold", func(w http.ResponseWriter, r *http.Request) {
			b.hold(r)
			_, _ = io.WriteString(w, name)
		})
	}
	m.HandleFunc("/drip", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first")
		_ = http.NewResponseController(w).Flush()
		b.hold(r)
	})
	m.HandleFunc("/tunnel", func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close() //nolint:errcheck // read to its end
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
	})
	m.HandleFunc("/break", func(w http.ResponseWriter, _ *http.Request) {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = c.Close() // the request is lost
		}
	})
	return m
}

func (b *bed) hold(r *http.Request) {
	b.held <- r.URL.RequestURI()
	select {
	case <-b.release:
	case <-r.Context().Done():
	}
}

// ask sends a request and says what became of it; the name of a field is followed by its value.
func (b *bed) ask(method, path string, body io.Reader, fields ...string) string {
	r, err := http.NewRequest(method, "http://"+b.server.Addrs()[0].String()+path, body)
	if err != nil {
		return err.Error()
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	resp, err := b.client.Do(r)
	if errors.Is(err, unix.ECONNRESET) || errors.Is(err, io.EOF) {
		return "reset"
	} else if err != nil {
		return err.Error()
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(resp.Body)
	if why := resp.Header.Get("X-Weir-Reason"); why != "" {
		text = []byte(why)
	}
	if err != nil {
		text = append(text, ", cut"...)
	}
	if c := resp.Header.Get("Set-Cookie"); c != "" {
		text = append(text, " with a cookie"...)
	}
	return fmt.Sprint(resp.StatusCode, " ", string(text))
}

func (b *bed) get(path string, fields ...string) string { return b.ask("GET", path, nil, fields...) }

// begin is get beside the test.
func (b *bed) begin(path string) <-chan string {
	out := make(chan string, 1)
	go func() { out <- b.get(path) }()
	return out
}

// within is what out says in time, else "waits".
func within(d time.Duration, out <-chan string) string {
	select {
	case s := <-out:
		return s
	case <-time.After(d):
		return "waits"
	}
}

// occupy begins n requests and returns when a server holds them all.
func (b *bed) occupy(n int) {
	b.t.Helper()
	for range n {
		b.begin("/hold")
	}
	for range n {
		b.nextHeld()
	}
}

func (b *bed) nextHeld() string {
	b.t.Helper()
	select {
	case path := <-b.held:
		return path
	case <-time.After(patience):
		b.t.Fatal("no server was asked")
		return ""
	}
}

// dispatch is what dispatch says of the pool.
func (b *bed) dispatch() frontReport {
	b.t.Helper()
	var r frontReport
	if err := json.Unmarshal(b.server.Status().Fronts[0].Report, &r); err != nil || len(r.Pools) != 1 {
		b.t.Fatalf("report %+v, %v", r, err)
	}
	return r
}

// until waits for what must come.
func (b *bed) until(desc string, is func() bool) {
	b.t.Helper()
	eventually(b.t, desc, is)
}

func eventually(t *testing.T, desc string, is func() bool) {
	t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: not in %v", desc, patience)
		}
	}
}

// warm sends requests until the pool's limit is found.
func (b *bed) warm() {
	b.t.Helper()
	b.until("a limit", func() bool {
		b.get("/")
		st := b.dispatch().Pools[0]
		return st.LimitMode == "off" || st.Limit == 1
	})
}

// queued waits until n requests wait for a slot.
func (b *bed) queued(n int) {
	b.t.Helper()
	b.until(fmt.Sprint(n, " waiting"), func() bool { return b.dispatch().Pools[0].Waiting == n })
}

// tunnel opens one and says how it ends.
func (b *bed) tunnel(d time.Duration) string {
	b.t.Helper()
	c, err := net.Dial("tcp", b.server.Addrs()[0].String())
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // nothing is owed
	if _, err = io.WriteString(c, "GET /tunnel HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"); err != nil {
		b.t.Fatal(err)
	}
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != 101 {
		b.t.Fatalf("tunnel: %v, %v", resp, err)
	}
	out := make(chan string, 1)
	go func() {
		_, _ = in.ReadByte()
		out <- "ends"
	}()
	return within(d, out)
}

// stop is Shutdown, once nobody holds anything.
func (b *bed) stop() error {
	b.letGo()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return b.server.Shutdown(ctx)
}

// upload begins a chunked request of two pieces and says whether a server has been asked in between.
func (b *bed) upload() string {
	r, w := io.Pipe()
	out := make(chan string, 1)
	go func() { out <- b.ask("POST", "/body", r) }()
	if _, err := io.WriteString(w, strings.Repeat("x", 10)); err != nil {
		b.t.Fatal(err)
	}
	_ = w.Close() // whole
	return within(patience, out)
}
