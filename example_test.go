package weir_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"weir"
	"weir/pipeline"
	"weir/supervisor/config"
)

// A program that serves by itself, and gives what is below /shop to workers of its own, which speak the
// frames of mux: this very program again, that then calls [worker.Serve].
func ExampleNewPool() {
	exe, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	shop, err := weir.NewPool(weir.PoolConfig{
		Name: "shop", Command: []string{exe, "__test-worker"}, Dispatch: config.DispatchMux,
		Workers: config.FixedWorkers(2),
	})
	if err != nil {
		log.Fatal(err)
	}
	b := pipeline.New()
	b.Map("/shop", func(b *pipeline.Builder) { b.Run(shop.Handler()) })
	b.Run(func(c *pipeline.Context) { c.Text(200, "hello from the loop") })
	h, err := b.Build()
	if err != nil {
		log.Fatal(err)
	}
	s := &weir.Server{
		Listen: []string{"127.0.0.1:0"}, Handler: h, Pools: []*weir.Pool{shop}, Output: io.Discard,
	}
	if err := s.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(get(s, "/"))
	fmt.Println(strings.Fields(get(s, "/shop/cart"))[0], shop.Status().WantCount)
	if err := s.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// hello from the loop
	// mux 2
}

// A pool of servers that run elsewhere, asked whether they are well, with a cookie that keeps a client
// where it is.
func ExampleNewPool_upstreams() {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-Proto")+" "+r.URL.Path)
	}))
	defer app.Close()
	far, err := weir.NewPool(weir.PoolConfig{
		Name: "far", Upstreams: []string{app.URL}, Check: config.Check{HTTP: "/healthz"},
		Balance: config.BalanceSticky,
	})
	if err != nil {
		log.Fatal(err)
	}
	s := &weir.Server{Listen: []string{"127.0.0.1:0"}, Handler: far.Handler(), Pools: []*weir.Pool{far}}
	if err := s.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(get(s, "/cart"), far.Status().State)
	if err := s.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output: http /cart running
}

// Fields of a pool are the keys of a file; what is not given has the same default. A route may have
// its own.
func ExamplePool_Route() {
	shop, err := weir.NewPool(weir.PoolConfig{
		Name: "shop", Command: []string{"/bin/sh", "-c", "exec app"}, Concurrency: 8,
		Queue:    config.Queue{Length: 100, Timeout: config.Duration(2 * time.Second), Policy: config.PolicyLIFO},
		Timeouts: config.UpstreamTimeouts{FirstByte: config.Duration(10 * time.Second)},
		Retry:    config.Retry{Max: config.CountOff},
		Limit:    config.Limit{Adaptive: config.AdaptiveShadow},
	})
	if err != nil {
		log.Fatal(err)
	}
	upload, err := shop.Route(weir.RouteConfig{
		Priority: config.PriorityLow, Buffer: config.BufferRequest,
		Timeouts: config.UpstreamTimeouts{FirstByte: config.Duration(5 * time.Minute)},
	})
	if err != nil {
		log.Fatal(err)
	}
	b := pipeline.New()
	b.Map("/upload", func(b *pipeline.Builder) { b.Run(upload) })
	b.Run(shop.Handler())
	if _, err := b.Build(); err != nil {
		log.Fatal(err)
	}
	_, err = weir.NewPool(weir.PoolConfig{Name: "shop", Command: []string{"/bin/sh"}, Concurrency: -1})
	fmt.Println(err)
	// Output: weir: pool "shop": concurrency: "-1" is below the minimum of 1, expected a number from 1 to 1000000
}

// get is one request to s.
func get(s *weir.Server, path string) string {
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get("http://" + s.Addrs()[0].String() + path)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	return string(b)
}
