package weir

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

// globals is what of a process belongs to the program, not to a library in it.
type globals struct {
	procs     int
	gc        int
	memory    int64
	files     unix.Rlimit
	umask     int
	wd        string
	logger    *slog.Logger
	env       string
	subreaper int
}

func globalsNow(t *testing.T) (g globals) {
	t.Helper()
	g.procs, g.memory = runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1)
	g.gc = debug.SetGCPercent(100)
	debug.SetGCPercent(g.gc)
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &g.files); err != nil {
		t.Fatal(err)
	}
	g.umask = unix.Umask(0o22)
	unix.Umask(g.umask)
	var err error
	if g.wd, err = os.Getwd(); err != nil {
		t.Fatal(err)
	}
	g.logger = slog.Default()
	env := os.Environ()
	slices.Sort(env)
	for _, kv := range env {
		g.env += kv + "\n"
	}
	g.subreaper = subreaper(t)
	return g
}

// A Server with workers changes nothing of the program that it is in: while it runs, and after that.
func TestServerChangesNothingGlobal(t *testing.T) {
	before := globalsNow(t)
	s, _ := inFront(t, PoolConfig{Hang: config.Hang{Action: config.HangLog}})
	started(t, s)
	whoAnswers(t, s)
	if g := globalsNow(t); g != before {
		t.Errorf("while it runs %+v; before %+v", g, before)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g := globalsNow(t); g != before {
		t.Errorf("after that %+v; before %+v", g, before)
	}
}

// Signals do to the program what it has said, or what they do by default.
func TestServerTakesNoSignals(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP} {
		if signal.Ignored(sig) {
			continue // by whoever started us; that is inherited
		}
		child := exec.Command(exe, serverRole)
		child.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
			t.Fatalf("the program says %q, %v", line, err)
		}
		if err := child.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		err = child.Wait()
		if ws, _ := child.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != sig {
			t.Errorf("%v: the program ends with %v; want that signal", sig, err)
		}
	}
}

// testServer is a program with a Server, for signals.
func testServer() int {
	exe, err := os.Executable()
	if err != nil {
		return 1
	}
	p, err := NewPool(PoolConfig{Name: "p", Command: []string{exe, testRole}})
	if err != nil {
		return 1
	}
	s := &Server{Listen: []string{"127.0.0.1:0"}, Handler: p.Handler(), Pools: []*Pool{p}}
	if err := s.Start(context.Background()); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	select {}
}
