package weir

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"weir/pipeline"
	"weir/supervisor/config"
	"weir/supervisor/worker"
)

// testRole starts this test binary as a worker program.
const testRole = "__test-worker"

// roleVar says what is special about such a worker.
const roleVar = "TEST_WORKER"

func roleEnv(kind string) config.Env {
	return config.Env{Set: map[string]string{roleVar: kind}}
}

// testWorker is a worker program; it returns its exit status.
func testWorker() int {
	if os.Getenv(roleVar) == "exit" {
		return 1
	}
	err := worker.Serve(context.Background(), pipeline.Blocking(func(c *pipeline.Context) {
		if c.Path() == "/hold" {
			<-c.Context().Done()
			return
		}
		fmt.Println("asked for", c.Path())
		c.Text(200, fmt.Sprintf("%s pid %d path %s base %s", os.Getenv("WEIR_DISPATCH"), os.Getpid(), c.Path(),
			c.PathBase()))
	}))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == testRole {
		os.Exit(testWorker())
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
