package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/supervisor/admin"
)

// patience is how long a test waits for what must come; it is never waited out in a test that passes.
const patience = 20 * time.Second

// startPatience is the same for a start: several programs have to be loaded, on a machine that other
// tests keep busy.
const startPatience = 3 * patience

// tb is what a test and a test script have in common.
type tb interface {
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// instance is a running weir.
type instance struct {
	t      tb
	cmd    *exec.Cmd
	dir    string   // runtime directory
	urls   []string // in the order of the ready line
	url    string   // the first of them
	stdout lines
	stderr lines
	exited chan struct{}
	exit   int // valid once exited is closed; -1: by a signal
}

// lines collects what a process prints, line by line.
type lines struct {
	mu    sync.Mutex
	text  []string
	more  chan struct{} // closed when there is more, or the end
	ended bool
}

func (l *lines) read(r io.Reader) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		l.add(s.Text(), false)
	}
	l.add("", true)
}

func (l *lines) add(line string, end bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if end {
		l.ended = true
	} else {
		l.text = append(l.text, line)
	}
	if l.more != nil {
		close(l.more)
	}
	l.more = make(chan struct{})
}

// from is the lines from index at, and a channel that is closed when there are more; nil at the end.
func (l *lines) from(at int) (got []string, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more == nil {
		l.more = make(chan struct{})
	}
	if !l.ended {
		more = l.more
	}
	return l.text[min(at, len(l.text)):], more
}

func (l *lines) String() string {
	got, _ := l.from(0)
	return strings.Join(got, "\n")
}

// count is how many lines there are: a place to await from.
func (l *lines) count() int { got, _ := l.from(0); return len(got) }

// await returns the first line from index at on that re matches; false when the process has ended or
// patience is out.
func (l *lines) await(at int, re *regexp.Regexp) (string, bool) {
	return l.awaitWithin(patience, at, re)
}

func (l *lines) awaitWithin(d time.Duration, at int, re *regexp.Regexp) (string, bool) {
	late := time.NewTimer(d)
	defer late.Stop()
	for {
		got, more := l.from(at)
		for _, line := range got {
			if re.MatchString(line) {
				return line, true
			}
		}
		at += len(got)
		if more == nil {
			return "", false
		}
		select {
		case <-more:
		case <-late.C:
			return "", false
		}
	}
}

var readyLine = regexp.MustCompile(`^weir: ready: (.*) \(pid \d+`)

// launch starts weir with args and returns at once. dir is its runtime directory, "" to leave that
// to args.
func launch(t tb, dir, wd string, env []string, args ...string) *instance {
	return launchProgram(t, "weir", dir, wd, env, args...)
}

// launchProgram is launch for another program with the roles of weir, one of ours or a path.
func launchProgram(t tb, program, dir, wd string, env []string, args ...string) *instance {
	in := &instance{t: t, dir: dir, exited: make(chan struct{})}
	if !filepath.IsAbs(program) {
		program = filepath.Join(bin, program)
	}
	in.cmd = exec.Command(program, args...)
	in.cmd.Dir = wd
	in.cmd.Env = append(env, "PATH="+bin+":"+os.Getenv("PATH"))
	if dir != "" {
		in.cmd.Env = append(in.cmd.Env, "WEIR_RUNTIME_DIR="+dir)
	}
	in.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's signals are the test's
	stdout, err := in.cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("stdout: %v", err)
	}
	stderr, err := in.cmd.StderrPipe()
	if err != nil {
		t.Fatalf("stderr: %v", err)
	}
	if err := in.cmd.Start(); err != nil {
		t.Fatalf("%s %q: %v", program, args, err)
	}
	go in.stdout.read(stdout)
	go in.stderr.read(stderr)
	go func() {
		if st, err := in.cmd.Process.Wait(); err == nil { // never fails for a child
			in.exit = st.ExitCode()
		}
		close(in.exited)
	}()
	return in
}

// awaitReady waits for the ready line.
func (in *instance) awaitReady() {
	line, ok := in.stderr.awaitWithin(startPatience, 0, readyLine)
	if !ok {
		in.kill()
		in.t.Fatalf("no ready line:\n%s", &in.stderr)
	}
	in.urls = strings.Split(readyLine.FindStringSubmatch(line)[1], ", ")
	in.url = in.urls[0]
}

// start runs weir until the test ends; the test fails if it does not end in order then.
func start(t *testing.T, args ...string) *instance {
	t.Helper()
	return startIn(t, "", args...)
}

// startIn is start in a working directory.
func startIn(t *testing.T, wd string, args ...string) *instance {
	t.Helper()
	in := launch(t, shortDir(t), wd, os.Environ(), args...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of weir %q:\n%s", args, &in.stderr)
		}
		in.stop()
	})
	in.awaitReady()
	return in
}

// shortDir is a directory whose path leaves room for the names of sockets below it.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir-t")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // a directory for temporary files
	return dir
}

// signal sends sig to the supervisor alone.
func (in *instance) signal(sig syscall.Signal) {
	if err := in.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		in.t.Fatalf("signal %v: %v", sig, err)
	}
}

// kill ends the instance at once, if it still runs.
func (in *instance) kill() {
	_ = in.cmd.Process.Kill() // it may have ended
	<-in.exited
}

// wait waits for the end and returns the exit code.
func (in *instance) wait() int {
	select {
	case <-in.exited:
	case <-time.After(patience):
		in.kill()
		in.t.Fatalf("it does not end:\n%s", &in.stderr)
	}
	return in.exit
}

// stop ends the instance quickly but in order, if it still runs.
func (in *instance) stop() {
	select {
	case <-in.exited:
		return
	default:
	}
	in.signal(syscall.SIGTERM)
	in.signal(syscall.SIGINT)
	in.wait()
}

// admin speaks to the instance.
func (in *instance) admin() *admin.Client {
	return admin.NewClient(filepath.Join(in.dir, admin.SocketName))
}

func (in *instance) status() *admin.Status {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := in.admin().Status(ctx)
	if err != nil {
		in.t.Fatalf("status: %v\n%s", err, &in.stderr)
	}
	return s
}

// until waits for a status that ok likes.
func (in *instance) until(what string, ok func(*admin.Status) bool) *admin.Status {
	late := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		s := in.status()
		if ok(s) {
			return s
		}
		select {
		case <-tick.C:
		case <-late:
			in.t.Fatalf("never seen: %s\nstatus %+v\n%s", what, s, &in.stderr)
		}
	}
}

// pids are the pids of a pool's ready workers.
func pids(s *admin.Status, pool string) map[int]bool {
	out := map[int]bool{}
	for _, p := range s.Pools {
		for _, w := range p.Workers {
			if p.Name == pool && w.State == "ready" {
				out[w.PID] = true
			}
		}
	}
	return out
}

// settled waits until the pool has n ready workers and no others.
func (in *instance) settled(pool string, n int) map[int]bool {
	s := in.until("a settled pool "+pool, func(s *admin.Status) bool {
		for _, p := range s.Pools {
			if p.Name == pool {
				return len(pids(s, pool)) == n && len(p.Workers) == n
			}
		}
		return false
	})
	return pids(s, pool)
}

// replaced waits until the pool is settled with n workers, none of them of gone.
func (in *instance) replaced(pool string, n int, gone map[int]bool) map[int]bool {
	s := in.until(fmt.Sprintf("pool %s without %v", pool, gone), func(s *admin.Status) bool {
		now := pids(s, pool)
		maps.DeleteFunc(now, func(pid int, _ bool) bool { return gone[pid] })
		return len(now) == n && slices.ContainsFunc(s.Pools, func(p admin.Pool) bool {
			return p.Name == pool && len(p.Workers) == n
		})
	})
	return pids(s, pool)
}

// address is what the first URL is dialled by.
func (in *instance) address() string { return strings.TrimPrefix(in.url, "http://") }

// dial opens a connection of which every read and write fails after patience.
func (in *instance) dial() net.Conn {
	network, address := "tcp", in.address()
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	c, err := net.DialTimeout(network, address, patience)
	if err != nil {
		in.t.Fatalf("dial: %v", err)
	}
	_ = c.SetDeadline(time.Now().Add(patience)) // a fresh socket takes one
	return c
}

// answer is a response with its body.
type answer struct {
	status int
	header http.Header
	body   string
}

// client keeps no connection alive and believes no proxy.
var client = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// get fetches path from the first URL. fields are "Name: value".
func (in *instance) get(path string, fields ...string) answer {
	return in.do(http.MethodGet, in.url+path, "", fields...)
}

// do sends one request and fails the test when no response comes.
func (in *instance) do(method, url, body string, fields ...string) answer {
	a, err := do(client, method, url, body, fields...)
	if err != nil {
		in.t.Fatalf("%s %s: %v\n%s", method, url, err, &in.stderr)
	}
	return a
}

func do(c *http.Client, method, url, body string, fields ...string) (answer, error) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	resp, err := c.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

// raw sends bytes on a fresh connection and returns what comes back until the server closes.
func (in *instance) raw(request string) string {
	c := in.dial()
	defer c.Close() //nolint:errcheck // read to its end
	if _, err := io.WriteString(c, request); err != nil {
		in.t.Fatalf("write: %v", err)
	}
	b, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		in.t.Fatalf("read: %v", err)
	}
	return string(b)
}

// weir runs a verb against the instance and returns its exit code and what it printed.
func (in *instance) weir(args ...string) (code int, stdout, stderr string) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "weir"), args...)
	cmd.Env = append(os.Environ(), "WEIR_RUNTIME_DIR="+in.dir)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		in.t.Fatalf("weir %q: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}
