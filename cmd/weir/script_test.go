package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "rewrite the golden files of testdata/script")

// instanceKey is under which a script keeps its running instance.
type instanceKey struct{}

// TestScript runs the command line's goldens. Beside testscript's own commands they use:
//
//	exits CODE program args…   run a program; its exit code must be CODE
//	nobody CODE program args…  the same as a user without rights; skips where that cannot be
//	weir-start args…           start an instance, wait for its ready line; sets URL, URL2 …, PID
//	weir-stop                  SIGTERM; it must exit 0. What it logged becomes stderr
//	weir-log REGEXP            wait for a line of its log; the line becomes stdout
//	http METHOD URL [BODY]     one request; status, fields and body become stdout
//	hold ADDRESS               listen there as long as the script runs; sets HELD to the address
//	stale PATH                 leave a Unix socket that nobody listens on
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update, RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			state := &scriptState{}
			e.Values[instanceKey{}] = state
			// Short, as sockets lie in it; below the user's own, so that parallel scripts do not meet.
			dir, err := os.MkdirTemp("", "weir-s")
			if err != nil {
				return err
			}
			e.Defer(func() { _ = os.RemoveAll(dir) })
			e.Defer(state.close)
			e.Setenv("RT", dir)
			e.Setenv("BIN", bin)
			e.Setenv("NOBODY", nobodyDir)
			e.Setenv("WEIR_RUNTIME_DIR", filepath.Join(dir, "rt"))
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "lowport":
				return lowPortsRefused(), nil
			case "asroot":
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %s", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": cmdExits, "nobody": cmdNobody, "weir-start": cmdStart, "weir-stop": cmdStop,
			"weir-log": cmdLog, "http": cmdHTTP, "hold": cmdHold, "stale": cmdStale,
		},
	})
}

// scriptState is what a script has running.
type scriptState struct {
	in   *instance
	held []net.Listener
}

func (s *scriptState) close() {
	for _, l := range s.held {
		_ = l.Close() // never accepted anything
	}
	if s.in != nil {
		s.in.stop()
	}
}

func stateOf(ts *testscript.TestScript) *scriptState {
	return ts.Value(instanceKey{}).(*scriptState)
}

// environ is the script's environment.
func environ(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GORACE", "WORK", "RT", "BIN", "WEIR_RUNTIME_DIR",
		"WEIR_LISTEN", "WEIR_LOG_LEVEL", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	sort.Strings(env)
	return env
}

// lowPortsRefused: binding a low port is a privilege here, and the user that cmdNobody runs programs
// as does not have it.
func lowPortsRefused() bool {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if start, nerr := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && nerr == nil {
		return start > 80
	}
	return false // a system that says nothing about it: macOS lets everybody
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program args...")
	}
	runExit(ts, args, nil)
}

// nobodyID is the account without rights of every Unix.
const nobodyID = 65534

func cmdNobody(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: nobody CODE program args...")
	}
	if os.Geteuid() != 0 {
		runExit(ts, args, nil) // no rights as it is
		return
	}
	runExit(ts, args, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyID, Gid: nobodyID}})
}

func runExit(ts *testscript.TestScript, args []string, attr *syscall.SysProcAttr) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	path := args[1]
	if path == "weir" {
		path = filepath.Join(bin, "weir")
	}
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = ts.MkAbs("."), environ(ts), attr
	if attr != nil {
		cmd.Dir = "/" // it may not enter the script's directory
	}
	cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
	var ee *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &ee) {
		ts.Fatalf("%v", err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("%q: exit code %d; want %d", args[1:], got, want)
	}
}

func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	st := stateOf(ts)
	if neg || st.in != nil {
		ts.Fatalf("usage: weir-start args..., once until weir-stop")
	}
	st.in = launch(ts, "", ts.MkAbs("."), environ(ts), args...)
	st.in.dir = ts.Getenv("WEIR_RUNTIME_DIR")
	st.in.awaitReady()
	for i, url := range st.in.urls {
		name := "URL"
		if i > 0 {
			name += strconv.Itoa(i + 1)
		}
		ts.Setenv(name, url)
	}
	ts.Setenv("ADDR", st.in.address())
	ts.Setenv("PID", strconv.Itoa(st.in.cmd.Process.Pid))
}

func cmdStop(ts *testscript.TestScript, neg bool, _ []string) {
	st := stateOf(ts)
	if neg || st.in == nil {
		ts.Fatalf("weir-stop: nothing is running")
	}
	in := st.in
	in.signal(syscall.SIGTERM)
	if code := in.wait(); code != 0 {
		ts.Fatalf("weir-stop: exit code %d; want 0\n%s", code, &in.stderr)
	}
	st.in = nil
	fmt.Fprintln(ts.Stdout(), &in.stdout)
	fmt.Fprintln(ts.Stderr(), &in.stderr)
}

func cmdLog(ts *testscript.TestScript, neg bool, args []string) {
	st := stateOf(ts)
	if neg || len(args) != 1 || st.in == nil {
		ts.Fatalf("usage: weir-log REGEXP, with an instance")
	}
	re, err := regexp.Compile(args[0])
	ts.Check(err)
	line, ok := st.in.stderr.await(0, re)
	if !ok {
		ts.Fatalf("no line matches %s:\n%s", re, &st.in.stderr)
	}
	fmt.Fprintln(ts.Stdout(), line)
}

func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: http METHOD URL [BODY]")
	}
	body := ""
	if len(args) == 3 {
		body = args[2]
	}
	a, err := do(client, args[0], args[1], body)
	if neg {
		if err == nil {
			ts.Fatalf("http %q = %d; want no answer", args, a.status)
		}
		return
	}
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), a.status)
	var fields strings.Builder
	_ = a.header.Write(&fields) // to a buffer
	fmt.Fprint(ts.Stdout(), strings.ReplaceAll(fields.String(), "\r", ""))
	fmt.Fprintf(ts.Stdout(), "\n%s\n", a.body)
}

func cmdHold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold ADDRESS")
	}
	network, address := "tcp", args[0]
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	l, err := net.Listen(network, address)
	ts.Check(err)
	st := stateOf(ts)
	st.held = append(st.held, l)
	ts.Setenv("HELD", l.Addr().String())
	ts.Setenv("HOLDER", strconv.Itoa(os.Getpid()))
}

func cmdStale(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: stale PATH")
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	ts.Check(err)
	ts.Check(unix.Bind(fd, &unix.SockaddrUnix{Name: args[0]}))
	ts.Check(unix.Close(fd))
}
