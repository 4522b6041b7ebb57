package pipeline_test

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"
)

// TestMain fails when a Blocking handler's goroutine outlives the tests.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			fmt.Println("goroutines leaked:")
			_ = pprof.Lookup("goroutine").WriteTo(os.Stdout, 1)
			code = max(code, 1)
			break
		}
	}
	os.Exit(code)
}
