package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// cgroups are the groups of one instance's workers: OWN/weir-PID/POOL-N, below the cgroup that the
// supervisor itself is in. They are opened when the first worker wants one.
type cgroups struct {
	process bool                           // we may move ourselves, where the kernel wants groups with children to be empty
	write   func(path, value string) error // nil is writeFile; tests put theirs

	mu     sync.Mutex
	opened bool
	err    error           // guarded by mu: why there are none
	own    string          // guarded by mu: the directory of our own group
	parent string          // guarded by mu: own/weir-PID
	on     map[string]bool // guarded by mu: controllers that workers' groups have
}

// make makes the group of w. What of files cannot be had is in errs, one each, also when dir is not "":
// a group without limits still holds the worker's descendants together.
func (g *cgroups) make(w WorkerRef, files []cgroupFile) (dir string, errs []error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.opened {
		g.opened = true
		g.err = g.open()
	}
	if g.err != nil {
		return "", everyFile(files, g.err)
	}
	dir = filepath.Join(g.parent, dirName(w))
	for _, f := range files {
		if err := g.enable(f.controller); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.key, err))
		}
	}
	if err := makeGroup(dir); err != nil {
		return "", everyFile(files, err)
	}
	for _, f := range files {
		if !g.on[f.controller] {
			continue
		}
		if err := g.put(filepath.Join(dir, f.name), f.value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.key, err))
		}
	}
	if g.on["memory"] { // all of a worker or nothing: half of one serves nobody
		_ = g.put(filepath.Join(dir, "memory.oom.group"), "1") // Linux before 4.19 has it not
	}
	return dir, errs
}

// everyFile is err for each of the limits.
func everyFile(files []cgroupFile, err error) []error {
	errs := make([]error, len(files))
	for i, f := range files {
		errs[i] = fmt.Errorf("%s: %w", f.key, err)
	}
	return errs
}

func (g *cgroups) put(path, value string) error {
	if g.write != nil {
		return g.write(path, value)
	}
	return writeFile(path, value)
}

// open finds our own group and makes one for this instance below it.
func (g *cgroups) open() error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	member, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	own, err := ownCgroup(string(mounts), string(member))
	if err != nil {
		return err
	}
	return g.openIn(own)
}

func (g *cgroups) openIn(own string) error {
	g.own, g.on = own, map[string]bool{}
	g.sweep()
	g.parent = filepath.Join(g.own, "weir-"+strconv.Itoa(os.Getpid()))
	if err := makeGroup(g.parent); err != nil {
		return fmt.Errorf("cgroup2 is not writable: %w", err)
	}
	return nil
}

func makeGroup(dir string) error {
	if err := os.Mkdir(dir, 0o755); !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// ownCgroup is the directory of this process's cgroup2, from /proc/self/mountinfo and
// /proc/self/cgroup.
func ownCgroup(mountinfo, membership string) (string, error) {
	path := ""
	for line := range strings.Lines(membership) {
		if p, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			path = p
		}
	}
	if path == "" {
		return "", errors.New("this kernel has no cgroup2")
	}
	for line := range strings.Lines(mountinfo) {
		// ID PARENT DEV ROOT MOUNTPOINT OPTIONS … - TYPE SOURCE OPTIONS
		before, after, _ := strings.Cut(line, " - ")
		f := strings.Fields(before)
		if len(f) < 5 || !strings.HasPrefix(after, "cgroup2 ") {
			continue
		}
		root := strings.TrimSuffix(f[3], "/")
		if below, ok := strings.CutPrefix(path, root); ok && (below == "" || below[0] == '/') {
			return filepath.Join(unescapeMount(f[4]), below), nil
		}
	}
	return "", errors.New("no cgroup2 that shows our own group is mounted")
}

// unescapeMount undoes the octal escapes of mountinfo.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// sweep removes the groups of instances that have ended. Those that hold a process stay.
func (g *cgroups) sweep() {
	old, _ := filepath.Glob(filepath.Join(g.own, "weir-*")) // the pattern is good
	for _, dir := range old {
		pid := strings.TrimPrefix(filepath.Base(dir), "weir-")
		if _, err := os.Stat("/proc/" + pid); err == nil {
			continue
		}
		removeGroups(dir)
	}
}

// removeGroups removes the group dir and its children, as far as they are empty.
func removeGroups(dir string) {
	children, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, c := range children {
		if c.IsDir() {
			_ = unix.Rmdir(filepath.Join(dir, c.Name())) // EBUSY: it is in use
		}
	}
	_ = unix.Rmdir(dir) // likewise
}

// enable gives workers' groups a controller.
func (g *cgroups) enable(controller string) error {
	if g.on[controller] {
		return nil
	}
	has, err := words(filepath.Join(g.own, "cgroup.controllers"))
	if err != nil {
		return err
	}
	if !slices.Contains(has, controller) {
		return fmt.Errorf("no controller %s in %s (there: %s)", controller, g.own,
			strings.Join(has, " "))
	}
	for _, dir := range []string{g.own, g.parent} {
		if err := g.enableIn(dir, controller); err != nil {
			return err
		}
	}
	g.on[controller] = true
	return nil
}

func (g *cgroups) enableIn(dir, controller string) error {
	file := filepath.Join(dir, "cgroup.subtree_control")
	has, err := words(file)
	if err != nil || slices.Contains(has, controller) {
		return err
	}
	err = g.put(file, "+"+controller)
	if !errors.Is(err, unix.EBUSY) {
		return err
	}
	// A group other than the root either holds processes or gives its children controllers.
	if !g.process {
		return fmt.Errorf("%s holds this very process, which a library may not move", dir)
	}
	if err := g.moveOwn(dir); err != nil {
		return err
	}
	if err := g.put(file, "+"+controller); errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%s holds processes that are not ours; give Weir a group of its own "+
			"(systemd: Delegate=yes)", dir)
	} else if err != nil {
		return err
	}
	return nil
}

// moveOwn moves this process and its descendants from dir to a leaf below.
func (g *cgroups) moveOwn(dir string) error {
	leaf := filepath.Join(g.parent, "weir")
	if err := makeGroup(leaf); err != nil {
		return err
	}
	pids, err := words(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return err
	}
	for _, s := range pids {
		pid, err := strconv.Atoi(s)
		if err != nil || !descends(pid, os.Getpid()) {
			continue
		}
		err = g.put(filepath.Join(leaf, "cgroup.procs"), s)
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// descends reports whether pid is ancestor or a descendant of it.
func descends(pid, ancestor int) bool {
	for range familyDepthMax {
		if pid == ancestor {
			return true
		}
		st, err := readStat(pid)
		if err != nil || st.parent <= 1 {
			return false
		}
		pid = st.parent
	}
	return false
}

func words(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	return strings.Fields(string(b)), err
}

// killGroup ends whatever is left in the group dir.
func killGroup(dir string) {
	if writeFile(filepath.Join(dir, "cgroup.kill"), "1") == nil {
		return
	}
	pids, _ := words(filepath.Join(dir, "cgroup.procs")) // Linux before 5.14
	for _, s := range pids {
		if pid, err := strconv.Atoi(s); err == nil && pid > 0 {
			_ = unix.Kill(pid, unix.SIGKILL) // ESRCH: it has ended
		}
	}
}

// removeGroup removes the group dir once it is empty.
func removeGroup(dir string) error {
	f, err := os.Open(filepath.Join(dir, "cgroup.events"))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	b := make([]byte, cgroupEventsBytesMax)
	deadline := time.Now().Add(cgroupEmptyAfter)
	for {
		n, err := f.ReadAt(b, 0)
		if n == 0 {
			return err
		}
		wait := time.Until(deadline)
		if slices.Contains(strings.Split(string(b[:n]), "\n"), "populated 0") || wait <= 0 {
			return os.NewSyscallError("rmdir", unix.Rmdir(dir))
		}
		ready := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLPRI}} // a change is told by POLLPRI
		if _, err := unix.Poll(ready, int(wait.Milliseconds())+1); err != nil && err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
	}
}

// groupCPUTime is what all that ever ran in the group dir has used.
func groupCPUTime(dir string) (time.Duration, error) {
	n, err := groupCount(dir, "cpu.stat", "usage_usec")
	return time.Duration(n) * time.Microsecond, err
}

// groupOOM: the kernel has killed in the group dir for want of memory, there or above it.
func groupOOM(dir string) bool {
	n, err := groupCount(dir, "memory.events", "oom_kill")
	return err == nil && n > 0
}

// groupCount reads the number of key from a file of lines "KEY NUMBER" in the group dir.
func groupCount(dir, file, key string) (int64, error) {
	path := filepath.Join(dir, file)
	f, err := words(path)
	if err != nil {
		return 0, err
	}
	if i := slices.Index(f, key); i >= 0 && i+1 < len(f) {
		return strconv.ParseInt(f[i+1], 10, 64)
	}
	return 0, fmt.Errorf("%s: no %s", path, key)
}

// close removes the instance's own group. Where we had to move into it, it stays for who made ours:
// systemd and containers remove it, and the next instance does.
func (g *cgroups) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.parent != "" {
		removeGroups(g.parent)
	}
}
