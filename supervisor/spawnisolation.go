package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// isolationOrder is the part of a spawnOrder that sets the worker apart.
type isolationOrder struct {
	cgroup   string // directory of the group to join; "" none
	umask    int
	nice     int
	cpus     []int // nil: all
	newPrivs bool
	limits   []rlimitOrder
}

// rlimitOrder is one resource limit, soft and hard alike.
type rlimitOrder struct {
	name string // as the configuration says it
	n    uint64
	off  bool
}

// args are o as arguments of the helper.
func (o *isolationOrder) args() (a []string) {
	a = append(a, "umask="+strconv.Itoa(o.umask))
	if o.cgroup != "" {
		a = append(a, "cgroup="+o.cgroup)
	}
	if o.nice != 0 {
		a = append(a, "nice="+strconv.Itoa(o.nice))
	}
	if o.cpus != nil {
		a = append(a, "cpus="+joinInts(o.cpus))
	}
	if o.newPrivs {
		a = append(a, "new_privs=1")
	}
	for _, l := range o.limits {
		value := "off"
		if !l.off {
			value = strconv.FormatUint(l.n, 10)
		}
		a = append(a, "rlimit="+l.name+":"+value)
	}
	return a
}

// set is the reverse of args, one argument at a time.
func (o *isolationOrder) set(key, value string) (err error) {
	switch key {
	case "umask":
		o.umask, err = strconv.Atoi(value)
	case "cgroup":
		o.cgroup = value
	case "nice":
		o.nice, err = strconv.Atoi(value)
	case "cpus":
		for s := range strings.SplitSeq(value, ",") {
			n, e := strconv.Atoi(s)
			o.cpus, err = append(o.cpus, n), errors.Join(err, e)
		}
	case "new_privs":
		o.newPrivs = true
	case "rlimit":
		name, n, _ := strings.Cut(value, ":")
		l := rlimitOrder{name: name, off: n == "off"}
		if !l.off {
			l.n, err = strconv.ParseUint(n, 10, 64)
		}
		o.limits = append(o.limits, l)
	default:
		err = errors.New("unknown order")
	}
	return err
}

func joinInts(list []int) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ",")
}

// confine does what needs the supervisor's rights.
func (o *isolationOrder) confine() (stage string, err error) {
	if o.cgroup != "" {
		if err := writeFile(filepath.Join(o.cgroup, "cgroup.procs"), "0"); err != nil {
			return "cgroup", err
		}
	}
	if o.nice != 0 {
		if err := addNice(o.nice); err != nil {
			return "nice", fmt.Errorf("%d: %w", o.nice, err)
		}
	}
	if o.cpus != nil {
		if err := setAffinity(o.cpus); err != nil {
			return "cpus", err
		}
	}
	for _, l := range o.limits {
		if err := l.raise(); err != nil {
			return "rlimits." + l.name, err
		}
	}
	return "", nil
}

// addNice adds n to the niceness of the calling thread, which is that of what it executes.
func addNice(n int) error {
	now, err := niceness()
	if err != nil {
		return os.NewSyscallError("getpriority", err)
	}
	return os.NewSyscallError("setpriority", unix.Setpriority(unix.PRIO_PROCESS, 0, now+n))
}

// value is the limit as the kernel takes it.
func (l *rlimitOrder) value() uint64 {
	if l.off {
		return unix.RLIM_INFINITY
	}
	return l.n
}

func (l *rlimitOrder) String() string {
	if l.off {
		return "off"
	}
	return strconv.FormatUint(l.n, 10)
}

// raise lifts the hard limit where that is too low. The soft one stays for now: this helper needs
// threads and memory that the worker may not have.
func (l *rlimitOrder) raise() error {
	resource, ok := rlimitResources[l.name]
	if !ok {
		return errors.New("unknown limit")
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(resource, &old); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	hard := uint64(old.Max) //nolint:unconvert // signed on some systems
	if l.value() <= hard {
		return nil
	}
	lifted := rlimitOf(uint64(old.Cur), l.value()) //nolint:unconvert // signed on some systems
	err := syscall.Setrlimit(resource, &lifted)
	if err == syscall.EPERM {
		return fmt.Errorf("%s is above the hard limit of %d, and only root may raise it", l, hard)
	}
	return os.NewSyscallError("setrlimit", err)
}

// limit sets the limits, last of all before exec.
func (o *isolationOrder) limit() (stage string, err error) {
	for _, l := range o.limits {
		r := rlimitOf(l.value(), l.value())
		if err := syscall.Setrlimit(rlimitResources[l.name], &r); err != nil {
			return "rlimits." + l.name, os.NewSyscallError("setrlimit", err)
		}
	}
	return "", nil
}

// writeFile writes value to a file that exists, in one call, as control files want it.
func writeFile(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
