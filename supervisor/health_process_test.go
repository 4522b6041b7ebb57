//go:build linux

package supervisor

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/supervisor/config"
)

// The books say that worker 1 is a process that has ended long ago, and nobody told of it.
func TestAuditHealsRealBooks(t *testing.T) {
	tp := startPools(t)
	_, w := tp.start(t, testConfig("shop", "serve"))
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	e := tp.env.(*osEnv)
	ref := WorkerRef{"shop", 1}
	p := e.proc(ref)
	p.mu.Lock()
	p.pid = gone.Process.Pid
	p.mu.Unlock()
	tp.front.waitFor(t, "correction", func() bool { return tp.front.called("gone shop/1") })
	tp.front.waitFor(t, "replacement", func() bool { return tp.front.called("ready shop/2") })
	if got := tp.log.String(); !strings.Contains(got, `msg="audit: books corrected"`) ||
		!strings.Contains(got, foundGone) {
		t.Errorf("log = %s; want the correction", got)
	}
	if err := syscall.Kill(w.PID, 0); err != nil {
		t.Errorf("the real process was touched: %v", err)
	}
	if err := syscall.Kill(w.PID, syscall.SIGKILL); err != nil { // it is in no book any more
		t.Error(err)
	}
}

func TestLookAtChild(t *testing.T) {
	c := exec.Command("sleep", "60")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if got := lookAtChild(c.Process.Pid); got != "" {
		t.Errorf("a living child: %q; want nothing found", got)
	}
	if got := lookAtChild(os.Getppid()); got != foundForeign {
		t.Errorf("the parent: %q; want %q", got, foundForeign)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ch := child{pid: c.Process.Pid, pidfd: -1}
	ch.awaitDeath()
	if got := lookAtChild(c.Process.Pid); got != foundZombie {
		t.Errorf("a zombie: %q; want %q", got, foundZombie)
	}
	_ = c.Wait() // killed
	if got := lookAtChild(c.Process.Pid); got != foundGone {
		t.Errorf("a reaped child: %q; want %q", got, foundGone)
	}
	for _, pid := range []int{0, 1, -1} {
		if got := lookAtChild(pid); got != foundGone {
			t.Errorf("pid %d: %q; want %q", pid, got, foundGone)
		}
	}
}

// A worker that is stopped cannot answer: its hook sees it alive, then it is orphaned or killed.
func TestHangHookSeesTheWorker(t *testing.T) {
	tp := startPools(t)
	file := filepath.Join(tp.dir, "seen")
	c := testConfig("shop", "stubborn")
	c.StopTimeout = config.Duration(50 * time.Millisecond)
	c.Hang.Hook = []string{"sh", "-c", `echo looking at $0 $1; grep State /proc/$2/status >` + file +
		`; echo "$3" >>` + file, "{pool}", "{worker}", "{pid}", "{reason}"}
	p, w := tp.start(t, c)
	tp.WorkerHung(WorkerRef{"shop", 1}, "test")
	tp.front.waitFor(t, "its end", func() bool { return tp.front.called("gone shop/1") })
	b, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(b), "State:") || !strings.HasSuffix(string(b), "hung: test\n") {
		t.Errorf("the hook saw %q, %v; want a living process and the reason", b, err)
	}
	if x := p.Status().Exits[0]; x.Signal != int(syscall.SIGKILL) {
		t.Errorf("exit = %+v; want SIGKILL at last", x)
	}
	for _, part := range []string{`msg=hook pool=shop worker=shop/1 pid=` + strconv.Itoa(w.PID),
		`output="looking at shop shop/1"`, "age=", "rss="} {
		if got := tp.log.String(); !strings.Contains(got, part) {
			t.Errorf("log = %s; want %q in it", got, part)
		}
	}
}

func TestHooksAreBounded(t *testing.T) {
	tp := startPools(t)
	e := tp.env.(*osEnv)
	e.hooks.Store(hooksMax)
	e.runHook(&hook{argv: []string{"touch", filepath.Join(tp.dir, "no")}, ref: WorkerRef{"shop", 1}})
	e.hooks.Store(0)
	if _, err := os.Stat(filepath.Join(tp.dir, "no")); err == nil {
		t.Error("a hook too many ran")
	}
	e.runHook(&hook{argv: []string{"sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; echo end; exit 3"},
		ref: WorkerRef{"shop", 1}})
	got := tp.log.String()
	if !strings.Contains(got, "hook left out") || !strings.Contains(got, `xend error="exit status 3"`) ||
		len(got) > 2*hookOutputBytesMax {
		t.Errorf("log of %d bytes: %.300s; want the omission, and the end of the output", len(got), got)
	}
}

// A dump signal comes first, and what it makes the worker print is there before it ends.
func TestHangDump(t *testing.T) {
	tp := startPools(t)
	c := testConfig("shop", "serve")
	c.Hang.Dump = "SIGQUIT"
	p, _ := tp.start(t, c)
	tp.WorkerHung(WorkerRef{"shop", 1}, "test")
	tp.front.waitFor(t, "its end", func() bool { return tp.front.called("gone shop/1") })
	if out := strings.Join(p.Status().Exits[0].Output, "\n"); !strings.Contains(out, "serveAll(") {
		t.Errorf("last output = %q; want the stacks of a Go program", out)
	}
}

// TestReportedIsOutput: what a worker said to a front is a line of its own output; what one that is not
// known said is nobody's.
func TestReportedIsOutput(t *testing.T) {
	tp := startPools(t)
	p, _ := tp.start(t, testConfig("shop", "serve"))
	tp.WorkerReported(WorkerRef{"shop", 1}, "PHP Warning: one\r\n\nPHP Warning: two")
	tp.WorkerReported(WorkerRef{"shop", 9}, "lost")
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(p.Status().Exits[0].Output, "|")
	if !strings.Contains(got, "PHP Warning: one|PHP Warning: two") || strings.Contains(got, "lost") {
		t.Errorf("output = %q; want both lines, and no other's", got)
	}
}
