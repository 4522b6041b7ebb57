package supervisor

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain runs a role when the test binary was started as a worker or as a supervisor to be killed,
// else the tests; then nothing of them may be left.
func TestMain(m *testing.M) {
	if role := os.Getenv("TEST_ROLE"); role != "" {
		os.Exit(runRole(role))
	}
	onForker(func() {}) // the one goroutine and thread that stays, like that of os/signal
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGCHLD)
	signal.Stop(signals)
	fds, goroutines := openFiles(), runtime.NumGoroutine()
	code := m.Run()
	if code == 0 {
		code = leftovers(fds, goroutines)
	}
	os.Exit(code)
}

// leftovers reports goroutines, descriptors and children that tests left behind. Some end a moment
// after the test that used them.
func leftovers(fds map[string]string, goroutines int) int {
	var left []string
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); {
		left = nil
		if n := runtime.NumGoroutine(); n > goroutines {
			stacks := make([]byte, 1<<20)
			left = append(left, fmt.Sprintf("%d goroutines, %d before:\n%s", n, goroutines,
				stacks[:runtime.Stack(stacks, true)]))
		}
		for fd, target := range openFiles() {
			if _, was := fds[fd]; !was && !strings.Contains(target, "eventpoll") &&
				!strings.Contains(target, "eventfd") {
				left = append(left, "fd "+fd+" -> "+target)
			}
		}
		for _, pid := range childPIDs() {
			left = append(left, fmt.Sprintf("child %d", pid))
		}
		if left == nil {
			return 0
		}
		runtime.Gosched()
	}
	fmt.Fprintln(os.Stderr, "left behind by tests:", strings.Join(left, "\n"))
	return 1
}
