package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// The test binary is the program, too: under the name weir it is the server with all its roles, under
// testapp one with handlers that misbehave, under testworker a worker program that tests can tell what
// to do.
func TestMain(m *testing.M) {
	testscript.Main(checked{m}, map[string]func(){
		"weir": main, "testworker": testworker, "testapp": testapp,
	})
}

// checked fails a run that leaves processes behind.
type checked struct{ m *testing.M }

func (c checked) Run() int {
	for _, name := range []string{"WEIR_RUNTIME_DIR", "WEIR_CONFIG", "WEIR_LISTEN"} {
		_ = os.Unsetenv(name) // a developer's own instance is left alone
	}
	// Under the race detector every process that ends would first sleep for a second.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := openBin(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin) //nolint:errcheck // a directory for temporary files
	// Most tests wait for processes most of the time. A -parallel on the command line wins.
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := c.m.Run()
	var ws unix.WaitStatus
	if pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil); err == nil {
		fmt.Fprintf(os.Stderr, "child %d is left behind (0: it runs)\n", pid)
		return max(code, 1)
	}
	return code
}

// bin is a directory with the programs, which every user can search; nobodyDir is one below it that
// the user nobody owns.
var bin, nobodyDir string

func openBin() error {
	dir, err := os.MkdirTemp("", "weir-bin")
	if err != nil {
		return err
	}
	bin = dir
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	nobodyDir = filepath.Join(dir, "nobody")
	if err := os.Mkdir(nobodyDir, 0o700); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(nobodyDir, nobodyID, nobodyID); err != nil {
			return err
		}
	}
	for _, name := range []string{"weir", "testworker", "testapp"} {
		path, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		if err := os.Link(path, filepath.Join(dir, name)); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o755); err != nil {
			return err
		}
	}
	return nil
}
