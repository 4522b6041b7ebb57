package weir

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"weir/pipeline"
	"weir/supervisor/config"
	"weir/supervisor/worker"
)

// testRole starts this test binary as a worker program.
const testRole = "__test-worker"

// serverRole starts it as a program with a Server.
const serverRole = "__test-server"

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
	if len(os.Args) > 1 && os.Args[1] == serverRole {
		os.Exit(testServer())
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // the runtime's own descriptors stay from here on
	if err == nil {
		err = ln.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	before := runtime.NumGoroutine() + 1 // the thread that forks workers never ends
	files := descriptors()
	code := m.Run()
	if n := leaked(before); n > 0 && code == 0 {
		buf := make([]byte, 1<<16)
		fmt.Fprintf(os.Stderr, "%d goroutines are left behind:\n%s\n", n, buf[:runtime.Stack(buf, true)])
		code = 1
	}
	if now := descriptors(); len(now) > len(files) && code == 0 {
		fmt.Fprintf(os.Stderr, "descriptors are left behind: %q, before %q\n", now, files)
		code = 1
	}
	os.Exit(code)
}

// descriptors are what the open ones refer to, where that can be told.
func descriptors() (all []string) {
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil { // else it was ReadDir's own
			all = append(all, to)
		}
	}
	return all
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
