package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"

	"weir/supervisor/admin"
)

var drainBegins = regexp.MustCompile(`msg="drain begins"`)

// frontReport is what a front says of itself.
type frontReport struct {
	Connections int
	Loops       int
	Pools       []struct {
		Name    string
		Waiting int
		Workers []struct{ InFlight, Connections int }
	}
}

func reports(s *admin.Status) []frontReport {
	out := make([]frontReport, len(s.Fronts))
	for i, f := range s.Fronts {
		_ = json.Unmarshal(f.Report, &out[i]) // none from a front that is down
	}
	return out
}

// inFlight: a worker holds a request.
func inFlight(s *admin.Status) bool { return inFlightCount(s) > 0 }

func inFlightCount(s *admin.Status) (n int) {
	for _, r := range reports(s) {
		for _, p := range r.Pools {
			for _, w := range p.Workers {
				n += w.InFlight
			}
		}
	}
	return n
}

// waiting: a request waits for a slot.
func waiting(s *admin.Status) bool {
	for _, r := range reports(s) {
		for _, p := range r.Pools {
			if p.Waiting > 0 {
				return true
			}
		}
	}
	return false
}

// load is a constant load of GETs over keep-alive connections.
type load struct {
	wg    sync.WaitGroup
	stop  chan struct{}
	done  atomic.Int64 // answers with 200
	mu    sync.Mutex
	wrong []string
}

// loadConns is how many requests a load has under way: few, as all tests share two cores.
const loadConns = 4

func startLoad(url string) *load {
	l := &load{stop: make(chan struct{})}
	for range loadConns {
		l.wg.Go(func() {
			c := &http.Client{Timeout: patience, Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				l.note(do(c, http.MethodGet, url, ""))
			}
		})
	}
	return l
}

func (l *load) note(a answer, err error) {
	if err == nil && a.status == 200 {
		l.done.Add(1)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, fmt.Sprintf("%d %s %q %v", a.status, a.header.Get("X-Weir-Reason"),
		a.body, err))
}

// passes waits until n more requests have been answered.
func (l *load) passes(in *instance, n int64) {
	want := l.done.Load() + n
	in.until(fmt.Sprintf("%d more answers", n), func(*admin.Status) bool {
		return l.done.Load() >= want || l.failed() > 0
	})
}

func (l *load) failed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.wrong)
}

// finish ends the load and wants all of its requests to have been answered.
func (l *load) finish(t *testing.T) {
	t.Helper()
	l.end()
	if n := len(l.wrong); n > 0 {
		t.Errorf("%d of %d requests failed; want 0: %q", n, int64(n)+l.done.Load(), l.wrong[:min(n, 5)])
	}
}

// end ends the load.
func (l *load) end() {
	close(l.stop)
	l.wg.Wait()
}
