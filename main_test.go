package weir

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"runtime"
	"testing"
	"time"

	"weir/pipeline"
	"weir/supervisor/worker"
)

// testRole starts this test binary as a worker program; testGateway as one that speaks FastCGI.
const (
	testRole    = "__test-worker"
	testGateway = "__test-fastcgi"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == testRole {
		err := worker.Serve(context.Background(), func(c *pipeline.Context) {
			c.Text(200, fmt.Sprintf("pid %d path %s base %s", os.Getpid(), c.Path(), c.PathBase()))
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == testGateway {
		fmt.Fprintln(os.Stderr, serveGateway())
		os.Exit(1)
	}
	before := runtime.NumGoroutine() + 1 // the thread that forks workers never ends
	code := m.Run()
	if n := leaked(before); n > 0 && code == 0 {
		buf := make([]byte, 1<<16)
		fmt.Fprintf(os.Stderr, "%d goroutines are left behind:\n%s\n", n, buf[:runtime.Stack(buf, true)])
		code = 1
	}
	os.Exit(code)
}

// serveGateway answers with the script that is asked for.
func serveGateway() error {
	l, err := net.Listen("unix", os.Getenv("WEIR_SOCKET"))
	if err != nil {
		return err
	}
	return fcgi.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "script %s", fcgi.ProcessEnv(r)["SCRIPT_FILENAME"])
	}))
}

// leaked counts goroutines beyond before, once those that are about to end have ended.
func leaked(before int) int {
	late := time.After(5 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		n := runtime.NumGoroutine() - before
		if n <= 0 {
			return 0
		}
		select {
		case <-tick.C:
		case <-late:
			return n
		}
	}
}
