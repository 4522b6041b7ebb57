package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

func TestOwnCgroup(t *testing.T) {
	const unified = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	const hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" +
		"32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n" +
		"41 31 0:38 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n"
	const inside = "41 31 0:38 /pod/a /sys/fs/c\\040g rw - cgroup2 cgroup2 rw\n"
	for _, tc := range []struct{ desc, mounts, member, want string }{
		{"a service", unified, "0::/system.slice/weir.service\n",
			"/sys/fs/cgroup/system.slice/weir.service"},
		{"a container", unified, "0::/\n", "/sys/fs/cgroup"},
		{"hybrid", hybrid, "8:pids:/x\n0::/y\n", "/sys/fs/cgroup/unified/y"},
		{"part of the tree", inside, "0::/pod/a/b\n", "/sys/fs/c g/b"},
		{"its root", inside, "0::/pod/a\n", "/sys/fs/c g"},
		{"another part", inside, "0::/pod/abc\n", ""},
		{"version 1 only", hybrid, "8:pids:/x\n", ""},
		{"not mounted", "31 23 0:28 / / rw - tmpfs tmpfs rw\n", "0::/y\n", ""},
	} {
		got, err := ownCgroup(tc.mounts, tc.member)
		if got != tc.want || (err != nil) != (tc.want == "") {
			t.Errorf("%s: ownCgroup() = %q, %v; want %q", tc.desc, got, err, tc.want)
		}
	}
}

// fakeTree is a directory that answers as a cgroup2 with controllers does. Of writes it keeps what was
// written where; busy ones are refused until this process has left.
type fakeTree struct {
	dir     string
	written []string
	busy    bool
}

func newFakeTree(t *testing.T, controllers string) *fakeTree {
	f := &fakeTree{dir: t.TempDir()}
	for name, text := range map[string]string{"cgroup.controllers": controllers,
		"cgroup.subtree_control": "", "cgroup.procs": strconv.Itoa(os.Getpid()) + "\n1\n"} {
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func (f *fakeTree) write(path, value string) error {
	path = strings.ReplaceAll(path, "weir-"+strconv.Itoa(os.Getpid()), "weir-PID")
	path = strings.TrimPrefix(path, f.dir+"/")
	if value == strconv.Itoa(os.Getpid()) {
		value = "PID"
	}
	f.written = append(f.written, path+"="+value)
	switch {
	case path == "weir-PID/weir/cgroup.procs":
		f.busy = false
	case f.busy && path == "cgroup.subtree_control":
		return unix.EBUSY
	}
	return nil
}

// openTree opens g in f, whose new directories have the file that is read.
func openTree(t *testing.T, f *fakeTree, process bool) *cgroups {
	g := &cgroups{opened: true, process: process, write: f.write}
	if err := g.openIn(f.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(g.parent, "cgroup.subtree_control"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

var everyLimit = Isolation{
	Cgroup:   config.Cgroup{Memory: 64 << 20, PIDs: 9},
	CPULimit: config.CPULimit{Percent: 150, Action: config.CPUThrottle},
}

func TestCgroupLimitsAreWritten(t *testing.T) {
	f := newFakeTree(t, "cpu io memory pids\n")
	g := openTree(t, f, true)
	dir, errs := g.make(WorkerRef{"shop", 3}, everyLimit.cgroupFiles())
	if errs != nil || dir != g.parent+"/shop-3" {
		t.Fatalf("make() = %q, %v", dir, errs)
	}
	want := []string{
		"cgroup.subtree_control=+memory", "weir-PID/cgroup.subtree_control=+memory",
		"cgroup.subtree_control=+pids", "weir-PID/cgroup.subtree_control=+pids",
		"cgroup.subtree_control=+cpu", "weir-PID/cgroup.subtree_control=+cpu",
		"weir-PID/shop-3/memory.max=67108864", "weir-PID/shop-3/pids.max=9",
		"weir-PID/shop-3/cpu.max=150000 100000", "weir-PID/shop-3/memory.oom.group=1",
	}
	if !slices.Equal(f.written, want) {
		t.Errorf("written %q; want %q", f.written, want)
	}
}

// TestCgroupHoldsUs: the kernel gives no controllers to the children of a group that holds processes.
func TestCgroupHoldsUs(t *testing.T) {
	files := (&Isolation{Cgroup: config.Cgroup{PIDs: 9}}).cgroupFiles()
	f := newFakeTree(t, "pids")
	f.busy = true
	if _, errs := openTree(t, f, true).make(WorkerRef{"shop", 1}, files); errs != nil {
		t.Errorf("make() = %v; want it to move this process out of the way", errs)
	}
	if !slices.Contains(f.written, "weir-PID/weir/cgroup.procs=PID") ||
		slices.Contains(f.written, "weir-PID/weir/cgroup.procs=1") {
		t.Errorf("written %q; want this process moved and no other", f.written)
	}
	f = newFakeTree(t, "pids")
	f.busy = true
	_, errs := openTree(t, f, false).make(WorkerRef{"shop", 1}, files)
	err := errors.Join(errs...)
	if err == nil || !strings.Contains(err.Error(), "cgroup.pids: "+f.dir+" holds this very process") {
		t.Errorf("make() in a library = %v; want it to leave this process alone", err)
	}
}

func TestCgroupControllerMissing(t *testing.T) {
	f := newFakeTree(t, "pids hugetlb")
	g := openTree(t, f, true)
	dir, errs := g.make(WorkerRef{"shop", 1}, everyLimit.cgroupFiles())
	err := errors.Join(errs...)
	want := fmt.Sprintf("cgroup.memory: no controller memory in %s (there: pids hugetlb)\n"+
		"cpu_limit.action throttle: no controller cpu in %s (there: pids hugetlb)", f.dir, f.dir)
	if err == nil || err.Error() != want || dir == "" {
		t.Errorf("make() = %q, %v; want a group and %s", dir, err, want)
	}
	if !slices.Contains(f.written, "weir-PID/shop-1/pids.max=9") {
		t.Errorf("written %q; want the limit that can be had", f.written)
	}
}

// realGroup is a group of our own in a writable cgroup2, or the test is skipped.
func realGroup(t *testing.T) *cgroups {
	g := &cgroups{}
	dir, errs := g.make(WorkerRef{"probe", 1}, []cgroupFile{{key: "probe", controller: "none"}})
	if dir == "" {
		t.Skipf("no writable cgroup2 here: %v", errs)
	}
	if err := removeGroup(filepath.Join(g.parent, "probe-1")); err != nil {
		t.Fatal(err)
	}
	return g
}

// TestCgroupHoldsDescendants: a worker is in its group from the start; what it started elsewhere ends
// with it, and nothing of the groups stays.
func TestCgroupHoldsDescendants(t *testing.T) {
	g := realGroup(t)
	g.close()
	tp := startPoolsWith(t, func(o *PoolsOptions) { o.Process = true })
	defer stopSubreaper(t)
	c := testConfig("held", "runaway")
	c.Env.Set["TEST_FORGET"] = "1" // only the group tells
	c.Isolation = Isolation{Cgroup: config.Cgroup{Memory: 512 << 20}}
	p, w := tp.start(t, c)
	child, err := strconv.Atoi(strings.TrimPrefix(printedLine(t, p, "child "), "child "))
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{w.PID, child} {
		if got := proc(t, pid, "cgroup"); !strings.Contains(got, filepath.Base(g.parent)+"/held-1\n") {
			t.Errorf("cgroups of %d: %s; want its own", pid, got)
		}
	}
	if env := proc(t, w.PID, "environ"); !strings.Contains(env, "\x00GOMEMLIMIT=483183819B\x00") {
		t.Error("environment without GOMEMLIMIT=483183819B")
	}
	memory, err := os.ReadFile(filepath.Join(g.parent, "held-1", "memory.max"))
	switch warned := strings.Contains(tp.log.String(),
		`level=WARN msg="unsupported here: cgroup.memory: no controller memory in `); {
	case errors.Is(err, os.ErrNotExist):
		if !warned {
			t.Error("memory is not limited, and nothing said so")
		}
	case err != nil || string(memory) != "536870912\n" || warned:
		t.Errorf("memory.max = %q, %v, warned %t; want the limit", memory, err, warned)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitNoProcess(t, child)
}

// TestCgroupLimitsHold: the kernel does what the limits say, where it offers us the controllers.
func TestCgroupLimitsHold(t *testing.T) {
	g := realGroup(t)
	offered, err := words(filepath.Join(g.own, "cgroup.controllers"))
	g.close()
	if err != nil {
		t.Fatal(err)
	}
	start := func(t *testing.T, controller, greed string, i Isolation) (*Pool, *int) {
		if !slices.Contains(offered, controller) {
			t.Skipf("no controller %s here", controller)
		}
		tp := startPoolsWith(t, func(o *PoolsOptions) { o.Process = true })
		t.Cleanup(func() { stopSubreaper(t) })
		c := testConfig("p", "greedy")
		c.Env.Set["TEST_GREED"], c.Isolation = greed, i
		p, w := tp.start(t, c)
		printedLine(t, p, "waiting for SIGUSR1")
		if err := syscall.Kill(w.PID, syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		got := new(int)
		if greed != "memory" {
			if _, err := fmt.Sscanf(printedLine(t, p, "got "), "got %d", got); err != nil {
				t.Fatal(err)
			}
		}
		return p, got
	}
	t.Run("memory", func(t *testing.T) {
		p, _ := start(t, "memory", "memory", Isolation{Cgroup: config.Cgroup{Memory: 64 << 20}})
		exits := func() []ExitStatus { return p.Status().Exits }
		for deadline := time.Now().Add(30 * time.Second); len(exits()) == 0; {
			if time.Now().After(deadline) {
				t.Fatalf("64 MiB were exceeded: %q", p.Status().Workers[0].Output)
			}
		}
		if x := exits()[0]; x.How != "signal: killed (out of memory)" {
			t.Errorf("ended by %q; want the lack of memory in it", x.How)
		}
	})
	t.Run("pids", func(t *testing.T) {
		const most = 40
		_, got := start(t, "pids", "pids", Isolation{Cgroup: config.Cgroup{PIDs: most}})
		if *got == 0 || *got >= most {
			t.Errorf("%d children; want some, and fewer than %d", *got, most)
		}
	})
	t.Run("cpu", func(t *testing.T) {
		_, got := start(t, "cpu", "cpu", Isolation{CPULimit: config.CPULimit{
			Percent: 20, Action: config.CPUThrottle}})
		if *got < 100 || *got > 400 {
			t.Errorf("%d ms of a second; want about 200", *got)
		}
	})
	t.Run("cpu under load", func(t *testing.T) {
		_, got := start(t, "cpu", "cpu", Isolation{CPULimit: config.CPULimit{
			Percent: 20, Action: config.CPUThrottleUnderLoad}})
		if b, err := os.ReadFile(filepath.Join(g.parent, "p-1", "cpu.weight")); string(b) != "20\n" {
			t.Errorf("cpu.weight %q, %v; want 20", b, err)
		}
		t.Logf("%d ms of a second, on a machine that has it to spare", *got)
	})
}

// awaitNoProcess waits until pid has been reaped.
func awaitNoProcess(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); syscall.Kill(pid, 0) != syscall.ESRCH; {
		if time.Now().After(deadline) {
			st, err := readStat(pid)
			t.Fatalf("process %d is still there: %+v, %v", pid, st, err)
		}
	}
}

// TestCgroupsAreRemoved: nothing of an instance stays, and nothing of one that was killed.
func TestCgroupsAreRemoved(t *testing.T) {
	own := realGroup(t)
	own.close()
	stale := filepath.Join(own.own, "weir-4194305") // above every pid
	for _, dir := range []string{stale, filepath.Join(stale, "shop-1")} {
		if err := makeGroup(dir); err != nil {
			t.Fatal(err)
		}
	}
	g := realGroup(t)
	g.close()
	for _, dir := range []string{stale, g.parent} {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s stays: %v", dir, err)
		}
	}
}

// TestCPUTime: the clock of a process goes when the process works.
func TestCPUTime(t *testing.T) {
	before, err := processCPUTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		now, err := processCPUTime(os.Getpid())
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("processCPUTime() = %v, %v; want more than %v", now, err, before)
		}
		if now > before {
			var used unix.Rusage
			if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
				t.Fatal(err)
			}
			own := time.Duration(used.Utime.Nano() + used.Stime.Nano())
			var children unix.Rusage
			if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &children); err != nil {
				t.Fatal(err)
			}
			own += time.Duration(children.Utime.Nano() + children.Stime.Nano())
			if d := own - now; d < -100*time.Millisecond || d > 100*time.Millisecond {
				t.Errorf("processCPUTime() = %v; the kernel says %v", now, own)
			}
			return
		}
	}
}
