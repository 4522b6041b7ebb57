package supervisor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// SpawnCommand is argv[0] of the spawn helper: this binary, between fork and exec of a worker.
const SpawnCommand = "weir-spawn"

// A binary that links this package becomes the spawn helper when it is started under that name,
// before anything else of it runs. That is how a library finds its helper in any program, and it
// costs other starts one comparison.
func init() {
	if len(os.Args) > 0 && os.Args[0] == SpawnCommand {
		os.Exit(SpawnMain(os.Args[1:]))
	}
}

// spawnOrder is what the helper does before exec. It travels as arguments, as the environment is
// already the worker's.
type spawnOrder struct {
	parent   int // pid of the supervisor
	statusFD int
	listen   bool // fd 3 is a listening socket: LISTEN_PID
	dir      string
	program  string // "": look argv[0] up
	account  account
	noFile   *[2]uint64
	isolate  isolationOrder
	argv     []string
}

// args are o as the helper's arguments.
func (o *spawnOrder) args() []string {
	a := []string{SpawnCommand, "parent=" + strconv.Itoa(o.parent),
		"status=" + strconv.Itoa(o.statusFD)}
	if o.listen {
		a = append(a, "listen=1")
	}
	if o.dir != "" {
		a = append(a, "dir="+o.dir)
	}
	if o.program != "" {
		a = append(a, "program="+o.program)
	}
	if o.account.switched {
		ids := make([]string, len(o.account.groups))
		for i, g := range o.account.groups {
			ids[i] = strconv.Itoa(g)
		}
		a = append(a, "uid="+strconv.Itoa(o.account.uid), "gid="+strconv.Itoa(o.account.gid),
			"groups="+strings.Join(ids, ","))
	}
	if o.noFile != nil {
		a = append(a, fmt.Sprintf("nofile=%d,%d", o.noFile[0], o.noFile[1]))
	}
	a = append(a, o.isolate.args()...)
	return append(append(a, "--"), o.argv...)
}

// parseSpawnOrder is the reverse of args.
func parseSpawnOrder(args []string) (*spawnOrder, error) {
	o := &spawnOrder{}
	for i, a := range args {
		if a == "--" {
			o.argv = args[i+1:]
			break
		}
		key, value, _ := strings.Cut(a, "=")
		if err := o.set(key, value); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", key, value, err)
		}
	}
	if len(o.argv) == 0 || o.parent == 0 || o.statusFD == 0 {
		return nil, errors.New("this is started by weir only")
	}
	return o, nil
}

func (o *spawnOrder) set(key, value string) (err error) {
	switch key {
	case "parent":
		o.parent, err = strconv.Atoi(value)
	case "status":
		o.statusFD, err = strconv.Atoi(value)
	case "listen":
		o.listen = true
	case "dir":
		o.dir = value
	case "program":
		o.program = value
	case "uid":
		o.account.switched = true
		o.account.uid, err = strconv.Atoi(value)
	case "gid":
		o.account.gid, err = strconv.Atoi(value)
	case "groups":
		for id := range strings.SplitSeq(value, ",") {
			g, e := strconv.Atoi(id)
			o.account.groups, err = append(o.account.groups, g), errors.Join(err, e)
		}
	case "nofile":
		o.noFile = new([2]uint64)
		_, err = fmt.Sscanf(value, "%d,%d", &o.noFile[0], &o.noFile[1])
	default:
		err = o.isolate.set(key, value)
	}
	return err
}

// SpawnMain is the spawn helper: it becomes the worker. It returns only when that fails, after telling
// the parent why through the status pipe ("ERRNO STAGE TEXT"), with the shell's exit codes.
//
// The order of steps matters: a change of credentials clears the parent-death signal, and what the
// worker's user may not do (chdir, lookup, exec) must fail as that user.
func SpawnMain(args []string) int {
	runtime.LockOSThread() // PDEATHSIG and no_new_privs belong to the thread that calls exec
	o, err := parseSpawnOrder(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, SpawnCommand+":", err)
		return 2
	}
	stage, err := o.become()
	errno := syscall.Errno(0)
	errors.As(err, &errno)
	msg := fmt.Sprintf("%d %s %v", int(errno), stage, err)
	_, _ = unix.Write(o.statusFD, []byte(msg)) // a parent that is gone needs no answer
	if stage == stageLookup {
		return 127
	}
	return 126
}

// workerUmask is the default of Isolation.Umask, whatever the supervisor was started with.
const workerUmask = 0o022

// Stages of become that the parent tells apart.
const (
	stageLookup      = "lookup"
	stageInterpreter = "interpreter"
	stageExec        = "exec"
)

// become turns this process into the worker. It does not return on success.
func (o *spawnOrder) become() (stage string, err error) {
	unix.CloseOnExec(o.statusFD)
	sealFiles(o.statusFD)
	if stage, err := o.isolate.confine(); err != nil {
		return stage, err
	}
	if err := o.limits(); err != nil {
		return "rlimit", err
	}
	if err := o.credentials(); err != nil {
		return "credentials", err
	}
	unix.Umask(o.isolate.umask)
	if !o.isolate.newPrivs {
		if err := noNewPrivs(); err != nil {
			return "no_new_privs", err
		}
	}
	if o.dir != "" {
		if err := os.Chdir(o.dir); err != nil {
			return "chdir", err
		}
		if err := os.Setenv("PWD", o.dir); err != nil {
			return "env", err
		}
	}
	program, err := o.lookup()
	if err != nil {
		return stageLookup, err
	}
	if o.listen {
		if err := os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())); err != nil {
			return "env", err
		}
	}
	if err := dieWithParent(o.parent); err != nil {
		return "parent", err
	}
	if stage, err := o.isolate.limit(); err != nil {
		return stage, err
	}
	err = syscall.Exec(program, o.argv, os.Environ())
	if err == syscall.ENOENT {
		return stageInterpreter, err // the file itself was found
	}
	return stageExec, err
}

// limits restores RLIMIT_NOFILE. Without an order exec does it: the Go runtime raised the soft limit
// of this process and puts back what it found, which is what the supervisor's parent gave.
func (o *spawnOrder) limits() error {
	if o.noFile == nil {
		return nil
	}
	l := rlimitOf(o.noFile[0], o.noFile[1])
	return os.NewSyscallError("setrlimit", syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l))
}

func (o *spawnOrder) credentials() error {
	if !o.account.switched {
		return nil
	}
	if err := syscall.Setgroups(o.account.groups); err != nil {
		return os.NewSyscallError("setgroups", err)
	}
	if err := syscall.Setgid(o.account.gid); err != nil {
		return os.NewSyscallError("setgid", err)
	}
	return os.NewSyscallError("setuid", syscall.Setuid(o.account.uid))
}

// lookup finds the program as the worker's user, in the worker's PATH, from the worker's directory.
func (o *spawnOrder) lookup() (string, error) {
	name := o.program
	if name == "" {
		name = o.argv[0]
	}
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrDot) {
		err = nil // PATH says so, and the PATH is the operator's
	}
	var e *exec.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	return path, err
}
