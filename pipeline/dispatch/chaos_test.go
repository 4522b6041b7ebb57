package dispatch

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/pipeline"
)

var seed = flag.Uint64("seed", 0, "of TestChaos; 0: by the clock")

// TestChaos: workers come, drain and die, clients give up, while requests go on. Every client gets
// an answer to its own request or a 502, 503 or reset, GETs are hardly ever lost, and at the end
// every slot is back.
func TestChaos(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", *seed)
	t.Run("plain", func(t *testing.T) { chaos(t, Options{ReplayRate: 1000}) })
	t.Run("limited", func(t *testing.T) {
		chaos(t, Options{
			ReplayRate: 1000, Policy: LIFO, QueueTimeout: time.Second, Balance: Balance{Rule: Random2},
			Limit: Limit{Adaptive: AdaptiveOn, Min: 2, Max: 6}, Circuit: Circuit{Failures: 1, Open: ms},
		})
	})
	t.Run("hashed", func(t *testing.T) {
		chaos(t, Options{ReplayRate: 1000, Balance: Balance{Rule: HashHeader, Name: "Host"}})
	})
}

func chaos(t *testing.T, o Options) {
	f := startWith(t, 3, o, func(p *Pool) pipeline.Handler {
		var n atomic.Uint32
		classes := [priorities]pipeline.Handler{
			p.RouteAt(High, RouteOptions{}), p.Handler(), p.RouteAt(Low, RouteOptions{}),
		}
		return func(c *pipeline.Context) { classes[n.Add(1)%uint32(priorities)](c) }
	})
	rnd := rand.New(rand.NewPCG(*seed, 1))
	var alive []*testWorker
	var numbers []uint64
	next := uint64(0)
	spawn := func() {
		next++
		w := startWorker(t, serveHello)
		alive, numbers = append(alive, w), append(numbers, next)
		f.add(next, w, 1+rnd.IntN(4))
	}
	spawn()
	spawn()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var fine, failed, gaveUp atomic.Int64
	for i := range 24 {
		rnd := rand.New(rand.NewPCG(*seed, uint64(i+2)))
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				chaosClient(f, rnd, &fine, &failed, &gaveUp)
			}
		})
	}
	for step := range 60 {
		before := fine.Load()
		f.eventually("progress", func() bool { return fine.Load() > before+20 })
		i := rnd.IntN(len(alive))
		switch {
		case len(alive) < 3 || step%3 == 0:
			spawn()
			continue
		case step%3 == 1: // recycle
			f.DrainWorker(numbers[i])
			<-f.told.drained
			f.RemoveWorker(numbers[i])
			alive[i].kill()
		default: // kill -9
			alive[i].kill()
			f.RemoveWorker(numbers[i])
		}
		alive = append(alive[:i], alive[i+1:]...)
		numbers = append(numbers[:i], numbers[i+1:]...)
	}
	close(stop)
	wg.Wait()
	st := f.Snapshot()
	t.Logf("%d answered, %d failed, %d gave up; %d queued, %d replays, %d refused", fine.Load(),
		failed.Load(), gaveUp.Load(), st.Queued, st.Replays, st.Refused)
	if failed.Load() > fine.Load()/20 {
		t.Errorf("%d of %d requests failed", failed.Load(), fine.Load())
	}
	f.audit()
}

// chaosClient makes a few requests on one connection.
func chaosClient(f *front, rnd *rand.Rand, fine, failed, gaveUp *atomic.Int64) {
	c, err := f.connect()
	if err != nil {
		f.t.Error(err)
		return
	}
	defer c.Close()
	for range 1 + rnd.IntN(20) {
		path := fmt.Sprintf("/%d", rnd.Uint64())
		req, want := "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n", "GET "+path+" "
		if rnd.IntN(4) == 0 {
			req = "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
			want = "POST " + path + " body"
		}
		if _, err := io.WriteString(c, req); err != nil {
			failed.Add(1)
			return
		}
		if rnd.IntN(20) == 0 {
			gaveUp.Add(1)
			return
		}
		resp, err := http.ReadResponse(c.r, nil)
		if err != nil {
			failed.Add(1)
			return
		}
		body, err := io.ReadAll(resp.Body)
		switch {
		case err != nil:
			failed.Add(1)
			return
		case resp.StatusCode == 200 && string(body) == want:
			fine.Add(1)
		case resp.StatusCode == 502 || resp.StatusCode == 503:
			failed.Add(1)
		default:
			f.t.Errorf("%s: got %d %q", path, resp.StatusCode, body)
		}
	}
}
