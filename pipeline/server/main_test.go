package server

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"
	"time"
)

// TestMain fails when tests leave goroutines or descriptors behind.
func TestMain(m *testing.M) {
	// The runtime's own poller opens descriptors for the first net.Conn and keeps them: no leak.
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
	}
	fds := openFDs()
	code := m.Run()
	deadline := time.Now().Add(3 * time.Second)
	for runtime.NumGoroutine() > 2 || openFDs() > fds {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			fmt.Fprintf(os.Stderr, "left behind: %d goroutines, %d fds (%d before)\n%s",
				runtime.NumGoroutine(), openFDs(), fds, buf[:runtime.Stack(buf, true)])
			code = 1
			break
		}
		runtime.Gosched()
	}
	os.Exit(code)
}

func openFDs() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
