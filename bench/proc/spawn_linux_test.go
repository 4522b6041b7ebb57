package proc

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helperEnv makes the test binary play a process: "parent" starts a "child" in its own group that
// ignores SIGTERM, and both wait for ever.
const helperEnv = "WEIR_BENCH_PROC_HELPER"

func TestMain(m *testing.M) {
	switch os.Getenv(helperEnv) {
	case "parent":
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), helperEnv+"=child")
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := c.Start(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("started")
		waitForEver()
	case "child":
		signal.Ignore(syscall.SIGTERM)
		waitForEver()
	}
	os.Exit(m.Run())
}

// waitForEver waits for a signal that nobody sends; select{} would count as a deadlock.
func waitForEver() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	<-c
}

// wantSoon waits for something that another process does.
func wantSoon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(5 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 5 s", what)
		}
	}
}

func startHelper(t *testing.T, s *Spawner, cpu int) *Process {
	t.Helper()
	p, err := s.Spawn(Spec{Path: os.Args[0], Env: []string{helperEnv + "=parent"}, CPU: cpu})
	if err != nil {
		t.Fatal(err)
	}
	wantSoon(t, "helper and its child", func() bool {
		tree, err := Tree(p.PID())
		return err == nil && len(tree) == 2 && strings.Contains(p.Output(), "started")
	})
	return p
}

func TestStopTakesTheWholeTree(t *testing.T) {
	s, err := NewSpawner()
	if err != nil {
		t.Fatal(err)
	}
	cpus, err := CPUs()
	if err != nil {
		t.Fatal(err)
	}
	byStop, byClose := startHelper(t, s, cpus[len(cpus)-1]), startHelper(t, s, AnyCPU)
	var all []Stat
	for _, p := range []*Process{byStop, byClose} {
		tree, err := Tree(p.PID())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, tree...)
	}
	wantAffinity(t, byStop.PID(), fmt.Sprint(cpus[len(cpus)-1]))
	byStop.Stop()
	s.Close()
	for _, st := range all {
		wantSoon(t, fmt.Sprintf("end of %s %d", st.Comm, st.PID), func() bool {
			now, err := ReadStat(st.PID)
			return err != nil || now.Key != st.Key || now.State == 'Z'
		})
	}
	select {
	case <-byClose.Exited():
	default:
		t.Error("Close returned before the process was reaped")
	}
}

func wantAffinity(t *testing.T, pid int, want string) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "Cpus_allowed_list:")
	line, _, _ := strings.Cut(rest, "\n")
	if got := strings.TrimSpace(line); got != want {
		t.Errorf("process %d may run on CPUs %s; want %s", pid, got, want)
	}
}

func TestProcessClockRuns(t *testing.T) {
	self, err := ReadStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	before := UsageOf([]Stat{self})
	for n := 0; n < 1<<22; n++ { // a few ms of work, well below one tick of utime
		_ = n
	}
	if d, err := UsageOf([]Stat{self}).Since(before); err != nil || d <= 0 || d > time.Minute {
		t.Errorf("CPU time of a short loop = %v, %v; want more than 0", d, err)
	}
	if n, err := PSS(os.Getpid()); err != nil || n < 1<<20 {
		t.Errorf("PSS of this process = %d, %v; want more than 1 MiB", n, err)
	}
}

func TestSpawnErrors(t *testing.T) {
	s, err := NewSpawner()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Spawn(Spec{Path: "/nonexistent/server", CPU: AnyCPU}); err == nil {
		t.Error("Spawn of a missing program: no error")
	}
	if _, err := s.Spawn(Spec{Path: os.Args[0], CPU: 1023}); err == nil {
		t.Error("Spawn on CPU 1023: no error")
	}
}
