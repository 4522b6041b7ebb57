// Command chaosworker is the application of bench chaos: it answers with what it was asked for, and can
// be told to hang or to leak memory, or be kept from starting.
//
//	/echo/TEXT   answers TEXT
//	/hang        from now on nothing is answered any more
//	/leak        keeps 16 MiB more
//
// With CHAOS_DIR set it removes one file named fail-* there when it starts, and exits 1 if there was
// one.
package main

import (
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/valyala/fasthttp"
)

const leakBytes = 16 << 20

var (
	hung  atomic.Bool
	mu    sync.Mutex
	leaks [][]byte // guarded by mu
)

func main() {
	log.SetFlags(0)
	if told() {
		log.Fatal("chaosworker: told to fail at start")
	}
	ln, err := net.Listen("unix", os.Getenv("WEIR_SOCKET"))
	if err != nil {
		log.Fatalf("chaosworker: %v", err)
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		os.Exit(0)
	}()
	s := &fasthttp.Server{Name: "chaosworker", Handler: handle}
	log.Fatalf("chaosworker: %v", s.Serve(ln))
}

// told takes one order to fail.
func told() bool {
	orders, err := filepath.Glob(filepath.Join(os.Getenv("CHAOS_DIR"), "fail-*"))
	if err != nil {
		return false
	}
	for _, o := range orders {
		if os.Remove(o) == nil { // else another worker took it
			return true
		}
	}
	return false
}

func handle(ctx *fasthttp.RequestCtx) {
	path := string(ctx.Path())
	switch {
	case path == "/hang":
		hung.Store(true)
	case path == "/leak":
		leak()
	}
	if hung.Load() {
		select {}
	}
	ctx.SetContentType("text/plain")
	ctx.SetBodyString(strings.TrimPrefix(path, "/echo/"))
}

func leak() {
	b := make([]byte, leakBytes)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1 // resident, not only reserved
	}
	mu.Lock()
	leaks = append(leaks, b)
	mu.Unlock()
}
