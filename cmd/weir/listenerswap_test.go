//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"weir/supervisor/admin"
)

// knocks is a load of one connection per request.
type knocks struct {
	network string
	path    string
	wg      sync.WaitGroup
	stop    chan struct{}
	served  atomic.Int64
	mu      sync.Mutex
	wrong   []string
}

// knock sends requests to a TCP address from several clients at once, each until end or an error.
func knock(address string) *knocks { return knockAt("tcp", address) }

func knockAt(network, address string) *knocks {
	return (&knocks{network: network, path: "/"}).begin(address)
}

// knockFor is knock for a path.
func knockFor(address, path string) *knocks {
	return (&knocks{network: "tcp", path: path}).begin(address)
}

func (k *knocks) begin(address string) *knocks {
	k.stop = make(chan struct{})
	for range loadConns {
		k.wg.Go(func() {
			for {
				select {
				case <-k.stop:
					return
				default:
				}
				if err := k.once(address); err != nil {
					k.mu.Lock()
					k.wrong = append(k.wrong, err.Error())
					k.mu.Unlock()
					return
				}
				k.served.Add(1)
			}
		})
	}
	return k
}

// idleAtDrain is how long a connection without a request is kept by who drains.
const idleAtDrain = time.Second

func (k *knocks) once(address string) error {
	c, err := net.DialTimeout(k.network, address, patience)
	if err != nil {
		return err
	}
	dialled := time.Now()
	defer c.Close() //nolint:errcheck // read to its end
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "GET "+k.path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	asked := time.Now()
	b, err := io.ReadAll(c)
	if len(b) == 0 && asked.Sub(dialled) > idleAtDrain/2 {
		return nil // this machine was so busy that who drains had given us up
	}
	if err == nil && !strings.HasPrefix(string(b), "HTTP/1.1 200 ") {
		err = fmt.Errorf("answer %.400q", b)
	}
	return err
}

// passes waits until n more requests have been answered, or one has failed.
func (k *knocks) passes(in *instance, n int64) {
	want := k.served.Load() + n
	in.until(fmt.Sprintf("%d more answers", n), func(*admin.Status) bool {
		return k.served.Load() >= want || k.failed()
	})
}

func (k *knocks) failed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.wrong) > 0
}

// finish ends the load and wants all of its requests to have been answered.
func (k *knocks) finish(t *testing.T) {
	t.Helper()
	k.end()
	if len(k.wrong) > 0 {
		t.Errorf("after %d answers: %q; want every connection to be answered", k.served.Load(), k.wrong)
	}
}

func (k *knocks) end() {
	close(k.stop)
	k.wg.Wait()
}

// freePort is a port of loopback that nobody has: outside of what the kernel gives to those who ask for
// any, as other tests do meanwhile, and of what workers get.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(10000 + int(nextPort.Add(1))%10000)
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = l.Close() // it was listened on for its number only
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}

var nextPort = func() *atomic.Uint32 {
	var n atomic.Uint32
	n.Store(uint32(os.Getpid()) * 101) // far from that of a process beside
	return &n
}()

// TestReloadOverlappingListener: an address gives way to one that overlaps it, and back, while every
// request comes by a connection of its own: none is refused, and none is reset.
func TestReloadOverlappingListener(t *testing.T) {
	t.Parallel()
	dir, port := shortDir(t), freePort(t)
	file := func(address string) string {
		return fileOf(t, dir, `
loops: 2
sites: {s: {bindings: ["`+address+":"+port+`"], apps: {/: {respond: {body: x}}}}}
`)
	}
	in := start(t, "--config", file("127.0.0.1"))
	k := knock("127.0.0.1:" + port)
	for i := range rounds(20, 4) {
		k.passes(in, 50) // also those whose first SYN was dropped
		file([]string{"", "127.0.0.1"}[i%2])
		if code, _, stderr := in.weir("reload"); code != 0 {
			t.Fatalf("reload %d: %d, %s", i, code, stderr)
		}
	}
	k.end()
	if n := len(k.wrong); n > 0 || k.served.Load() == 0 {
		t.Errorf("%d of %d failed; want 0: %q", n, int64(n)+k.served.Load(), k.wrong[:min(n, 5)])
	}
	t.Logf("%d served", k.served.Load())
	if resp, err := http.Get("http://127.0.0.1:" + port); err != nil || resp.StatusCode != 200 {
		t.Errorf("GET at the end: %v", err)
	}
}

// TestDrainResetsNobody: whoever has got through to us before the end is answered; later ones are
// refused, or not heard.
func TestDrainResetsNobody(t *testing.T) {
	t.Parallel()
	for range rounds(8, 2) {
		dir := shortDir(t)
		path := dir + "/u.sock"
		file := fileOf(t, dir, `
loops: 2
sites: {s: {bindings: ["127.0.0.1:0", "unix:`+path+`"], apps: {/: {respond: {body: x}}}}}
`)
		in := start(t, "--config", file)
		loads := []*knocks{knock(in.address())}
		for range 2 { // a Unix socket's queue is seldom empty then
			loads = append(loads, knockAt("unix", path))
		}
		loads[0].passes(in, 100)
		loads[1].passes(in, 100)
		in.signal(syscall.SIGTERM)
		if code := in.wait(); code != 0 {
			t.Errorf("exit %d; want 0", code)
		}
		for _, k := range loads {
			k.end()
			for _, w := range k.wrong {
				if !strings.Contains(w, "connection refused") && !strings.Contains(w, "no such file") {
					t.Errorf("%s: %s; want an answer, or to be refused", k.network, w)
				}
			}
		}
	}
}
