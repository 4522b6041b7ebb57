package supervisor

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

// proc is a file of /proc/PID.
func proc(t *testing.T, pid int, name string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestIsolation looks at a worker with every setting from outside.
func TestIsolation(t *testing.T) {
	tp := startPools(t)
	own, err := ownCPUs()
	if err != nil {
		t.Fatal(err)
	}
	last := strconv.Itoa(own[len(own)-1])
	umask := config.Mode(0o027)
	c := testConfig("apart", "serve")
	c.Isolation = Isolation{
		Umask: &umask, Nice: 3, CPUs: config.CPUs(last), NewPrivs: true,
		Rlimits: config.Rlimits{NoFile: 77, NProc: 4321, AS: 64 << 30, FSize: 2e6, Stack: 4 << 20,
			MemLock: 32 << 10},
	}
	if err := c.Isolation.Rlimits.Core.UnmarshalText([]byte("0B")); err != nil {
		t.Fatal(err)
	}
	_, w := tp.start(t, c)
	status, limits := proc(t, w.PID, "status"), proc(t, w.PID, "limits")
	for _, want := range []string{`Umask:\s0027`, `NoNewPrivs:\s0`, `Cpus_allowed_list:\s` + last} {
		if !regexp.MustCompile("(?m)^" + want + "$").MatchString(status) {
			t.Errorf("status has no %q:\n%s", want, status)
		}
	}
	for name, n := range map[string]int64{"open files": 77, "processes": 4321, "core file size": 0,
		"address space": 64 << 30, "file size": 2e6, "stack size": 4 << 20, "locked memory": 32 << 10} {
		want := fmt.Sprintf(`(?m)^Max %s\s+%d\s+%d\s`, name, n, n)
		if !regexp.MustCompile(want).MatchString(limits) {
			t.Errorf("limits have no %q:\n%s", want, limits)
		}
	}
	mine, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Getpriority(unix.PRIO_PROCESS, w.PID); err != nil || n != mine-3 {
		t.Errorf("priority = %d, %v; want %d", n, err, mine-3)
	}
	if env := proc(t, w.PID, "environ"); !strings.Contains(env, "\x00GOMAXPROCS=1\x00") {
		t.Errorf("environment without GOMAXPROCS=1")
	}
}

// TestIsolationDefaults: a worker whose pool says nothing has what the supervisor was started with.
func TestIsolationDefaults(t *testing.T) {
	tp := startPools(t)
	_, w := tp.start(t, testConfig("plain", "serve"))
	own, status := proc(t, os.Getpid(), "status"), proc(t, w.PID, "status")
	line := regexp.MustCompile(`(?m)^Cpus_allowed_list:.*$`)
	if got, want := line.FindString(status), line.FindString(own); got != want {
		t.Errorf("%q; want %q", got, want)
	}
	for _, want := range []string{"Umask:\t0022\n", "NoNewPrivs:\t1\n"} {
		if !strings.Contains(status, want) {
			t.Errorf("status has no %q:\n%s", want, status)
		}
	}
	stack := regexp.MustCompile(`(?m)^Max (stack|core file) size.*$`)
	got, want := proc(t, w.PID, "limits"), proc(t, os.Getpid(), "limits")
	if !slices.Equal(stack.FindAllString(got, -1), stack.FindAllString(want, -1)) {
		t.Errorf("limits:\n%s\nwant:\n%s", got, want)
	}
	for _, name := range []string{"GOMAXPROCS=", "GOMEMLIMIT="} {
		if strings.Contains(proc(t, w.PID, "environ"), "\x00"+name) {
			t.Errorf("environment with %s", name)
		}
	}
}

// TestSpread puts workers on different processors, and their replacements, too.
func TestSpread(t *testing.T) {
	own, err := ownCPUs()
	if err != nil || len(own) < 2 {
		t.Skipf("processors %v: one cannot be shared out (%v)", own, err)
	}
	tp := startPools(t)
	c := testConfig("spread", "serve")
	c.Workers, c.Isolation.CPUs = 2, config.CPUsSpread
	p, _ := tp.start(t, c)
	for range 2 {
		tp.front.waitFor(t, "two workers", func() bool { return len(tp.front.ready) == 2 })
		seen := map[string]bool{}
		for _, w := range p.Status().Workers {
			status := proc(t, w.PID, "status")
			seen[regexp.MustCompile(`(?m)^Cpus_allowed_list:.*$`).FindString(status)] = true
		}
		if len(seen) != 2 {
			t.Errorf("processors of two workers: %v; want two", seen)
		}
		if err := p.Recycle(t.Context(), "test"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIsolationStartErrors(t *testing.T) {
	tp := startPools(t)
	for _, tc := range []struct {
		desc string
		i    Isolation
		want string
	}{
		{"no such processor", Isolation{CPUs: "1000-1001"},
			"cpus: no processor 1000,1001 for Weir on this machine"},
	} {
		c := testConfig("wrong", "serve")
		c.Isolation = tc.i
		c.RapidFail = config.RapidFail{Failures: 1, Then: config.ThenStayDown}
		p := tp.add(t, c)
		if err := p.Start(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: Start() = %v; want %q", tc.desc, err, tc.want)
		}
	}
}

// refusedRole wants what only root may give, and prints why it does not get it.
func refusedRole() int {
	ps, err := NewPools(PoolsOptions{Link: nopLink{}, RuntimeDir: os.Getenv("TEST_DIR")})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for name, change := range map[string]func(*PoolConfig){
		"hard": func(c *PoolConfig) { c.Isolation.Rlimits.NoFile = 1 << 20 },
		"nice": func(c *PoolConfig) { c.Isolation.Nice = -5 },
		"user": func(c *PoolConfig) { c.User = "64005:64006" },
	} {
		c := testConfig(name, "serve")
		change(&c)
		c.RapidFail = config.RapidFail{Failures: 1, Then: config.ThenStayDown}
		p, err := ps.Add(c)
		if err == nil {
			err = p.Start(context.Background())
		}
		fmt.Println(err)
	}
	fmt.Println(ps.Close(context.Background()))
	return 0
}

// TestRootOnly: what the invoking user may not give is a start error that names it.
func TestRootOnly(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	dir := otherUsersDir(t, 64001)
	cmd := exec.Command(filepath.Join(dir, "app"))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TEST_ROLE=refused", "TEST_DIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 64001, Gid: 64002}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"worker hard/1: rlimits.nofile: 1048576 is above the hard limit of ",
		"and only root may raise it",
		"worker nice/1: nice: -5: setpriority: permission denied",
		"worker user/1: ",
		"operation not permitted",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

// otherUsersDir is a short directory of uid's with a copy of this program that everybody may run.
func otherUsersDir(t *testing.T, uid int) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // a temporary directory
	copyFile(t, filepath.Join(dir, "app"), "/proc/self/exe")
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, uid, -1); err != nil {
		t.Fatal(err)
	}
	return dir
}

// trespass tries to reach what belongs to another worker, given as PID and socket, and prints what
// came of it.
func trespass() {
	pid, socket, given := strings.Cut(os.Getenv("TEST_TRESPASS"), " ")
	if !given {
		return
	}
	say := func(what string, err error) { fmt.Println("trespass", what, err) }
	_, err := net.Dial("unix", socket)
	say("connect", err)
	dir := filepath.Dir(socket)
	_, err = os.ReadDir(dir)
	say("list", err)
	_, err = net.Dial("unixgram", filepath.Join(dir, "notify"))
	say("notify", err)
	_, err = os.ReadDir(filepath.Dir(dir))
	say("siblings", err)
	for _, name := range []string{"environ", "fd"} {
		_, err = os.ReadFile("/proc/" + pid + "/" + name)
		say(name, err)
	}
	n, err := strconv.Atoi(pid)
	if err == nil {
		err = syscall.Kill(n, 0)
	}
	say("signal", err)
	say("end", nil)
}

// TestPoolsApart: a worker reaches nothing that belongs to a pool of another user; the front does.
func TestPoolsApart(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("changing users needs root")
	}
	tp := startPoolsWith(t, func(o *PoolsOptions) { o.FrontUser = "64003:64004" })
	if err := os.Chmod(tp.dir, 0o711); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(tp.dir, "app")
	copyFile(t, program, "/proc/self/exe")
	inside := func(name, user, victim string) PoolConfig {
		c := testConfig(name, "trespass")
		c.Program, c.Dir, c.User = program, "/", user
		c.Env.Set["TEST_TRESPASS"], c.Env.Set["SECRET_OF"] = victim, name
		return c
	}
	_, victim := tp.start(t, inside("victim", "daemon", ""))
	target := fmt.Sprintf("%d %s", victim.PID, victim.Address)
	p, w := tp.start(t, inside("thief", "nobody", target))
	printedLine(t, p, "trespass end")
	got := p.Status().Workers[0].Output
	for what, want := range map[string]string{"connect": "permission denied",
		"list": "permission denied", "notify": "permission denied", "siblings": "permission denied",
		"environ": "permission denied", "fd": "permission denied", "signal": "operation not permitted"} {
		line := regexp.MustCompile("^trespass " + what + " .*" + want + "$")
		if !slices.ContainsFunc(got, line.MatchString) {
			t.Errorf("%s: not %q in %q", what, want, got)
		}
	}
	env := proc(t, w.PID, "environ")
	for _, foreign := range []string{"SECRET_OF=victim", "victim/", "victim-"} {
		own := strings.ReplaceAll(env, "TEST_TRESPASS="+target, "")
		if strings.Contains(own, foreign) {
			t.Errorf("the environment of a worker holds %q of another pool", foreign)
		}
	}
	if !strings.Contains(env, "\x00USER=nobody\x00") {
		t.Error("the environment does not say USER=nobody")
	}
	wantFiles(t, w.PID)
	if err := connectAs(t, program, 64003, 64004, victim.Address); err != nil {
		t.Errorf("the front's connection: %v; want none", err)
	}
	if err := connectAs(t, program, 64003, 64005, victim.Address); err == nil {
		t.Error("a stranger connected; want permission denied")
	}
	for _, w := range []WorkerStatus{victim, w} {
		if groups := regexp.MustCompile(`(?m)^Groups:\s*(\d*)\s*$`).FindStringSubmatch(
			proc(t, w.PID, "status")); groups == nil {
			t.Errorf("worker %d has supplementary groups", w.PID)
		}
	}
}

// TestGroupOfTheFront: what admits the front would admit such workers, too.
func TestGroupOfTheFront(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("changing users needs root")
	}
	const warning = `level=WARN msg="the workers' group is the front's: they can connect`
	for user, want := range map[string]int{"64005:64004": 1, "64005:64006": 0, "64003:64004": 0} {
		tp := startPoolsWith(t, func(o *PoolsOptions) { o.FrontUser = "64003:64004" })
		if err := os.Chmod(tp.dir, 0o711); err != nil {
			t.Fatal(err)
		}
		program := filepath.Join(tp.dir, "app")
		copyFile(t, program, "/proc/self/exe")
		c := testConfig("close", "serve")
		c.Program, c.Dir, c.User, c.Workers = program, "/", user, 2
		tp.start(t, c)
		tp.front.waitFor(t, "two workers", func() bool { return len(tp.front.ready) == 2 })
		if got := strings.Count(tp.log.String(), warning); got != want {
			t.Errorf("user %s: %d warnings; want %d", user, got, want)
		}
	}
}

// wantFiles wants a worker that serves on one socket to have no descriptor but its own: what the
// supervisor gave it ends at 2.
func wantFiles(t *testing.T, pid int) {
	t.Helper()
	for i := range 64 {
		target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, i))
		if err != nil {
			continue
		}
		own := i > 2 && (strings.HasPrefix(target, "anon_inode:") || // the Go runtime's poller
			strings.HasPrefix(target, "/sys/fs/cgroup/") || // and its look at the quota
			strings.HasPrefix(target, "socket:"))
		given := i == 0 && target == os.DevNull || (i == 1 || i == 2) && strings.HasPrefix(target, "pipe:")
		if !own && !given {
			t.Errorf("fd %d of the worker is %s", i, target)
		}
	}
}

// connectAs connects to socket as another user.
func connectAs(t *testing.T, program string, uid, gid uint32, socket string) error {
	t.Helper()
	cmd := exec.Command(program)
	cmd.Dir = "/"
	cmd.Env = []string{"TEST_ROLE=trespass", "TEST_TRESPASS=0 " + socket,
		"WEIR_SOCKET=/nowhere/at/all"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	out, _ := cmd.CombinedOutput() // it cannot serve
	if !strings.Contains(string(out), "trespass end") {
		t.Fatalf("the program did not try: %s", out)
	}
	if !strings.Contains(string(out), "trespass connect <nil>") {
		return fmt.Errorf("%s", out)
	}
	return nil
}
