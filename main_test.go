package weir

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"weir/pipeline"
	"weir/supervisor/worker"
)

// testRole starts this test binary as a worker program.
const testRole = "__test-worker"

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
	before := runtime.NumGoroutine() + 1 // the thread that forks workers never ends
	code := m.Run()
	if n := leaked(before); n > 0 && code == 0 {
		buf := make([]byte, 1<<16)
		fmt.Fprintf(os.Stderr, "%d goroutines are left behind:\n%s\n", n, buf[:runtime.Stack(buf, true)])
		code = 1
	}
	os.Exit(code)
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
