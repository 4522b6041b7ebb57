// Package instance runs the shipped program for a bench: it waits for the ready line, keeps the log with
// the time at which each line came, asks the admin socket, and drains.
package instance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	"weir/supervisor/admin"
)

const (
	readyMax = 20 * time.Second // from exec to the ready line
	askMax   = 5 * time.Second  // one question to the admin socket
	drainMax = 40 * time.Second // from SIGTERM to the end
	logKept  = 200              // last lines of the log
	lineMax  = 1 << 20          // of one line
)

// Line is a line of an instance's log.
type Line struct {
	At   time.Time // when we read it
	Text string
}

// Instance is a running Weir.
type Instance struct {
	Addr  string // of the first listener, from the ready line
	Admin *admin.Client
	Ended chan struct{} // closed when the process has

	cmd *exec.Cmd

	mu   sync.Mutex
	log  []Line        // guarded by mu: the last lines
	past int           // guarded by mu: how many came before those
	more chan struct{} // guarded by mu: closed and replaced with each line
}

var readyLine = regexp.MustCompile(`weir: ready: http://(\S+) `)

// Start runs program with the configuration in dir, which is of this run and short: it holds Unix
// sockets. It returns when the instance is ready.
func Start(ctx context.Context, program, dir, config string, args ...string) (*Instance, error) {
	file, run := filepath.Join(dir, "weir.yaml"), filepath.Join(dir, "run")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	in := &Instance{
		cmd:   exec.Command(program, append([]string{"--config", file, "--runtime-dir", run}, args...)...),
		Admin: admin.NewClient(filepath.Join(run, "admin.sock")),
		Ended: make(chan struct{}), more: make(chan struct{}),
	}
	out, err := in.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := in.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(in.Ended)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, lineMax)
		for lines.Scan() {
			in.keep(Line{time.Now(), lines.Text()})
		}
		_ = in.cmd.Wait() // its log says why
	}()
	ready, cancel := context.WithTimeout(ctx, readyMax)
	defer cancel()
	line, err := in.Await(ready, 0, readyLine)
	if err == nil {
		in.Addr = readyLine.FindStringSubmatch(line.Text)[1]
		return in, nil
	}
	_ = in.cmd.Process.Kill() // it may have ended
	<-in.Ended
	return nil, fmt.Errorf("weir is not ready: %w: %q", err, in.Lines())
}

func (in *Instance) keep(l Line) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.log = append(in.log, l); len(in.log) > logKept {
		in.log = in.log[1:]
		in.past++
	}
	close(in.more)
	in.more = make(chan struct{})
}

// PID is the supervisor's.
func (in *Instance) PID() int { return in.cmd.Process.Pid }

// Lines are the last lines of the log.
func (in *Instance) Lines() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	out := make([]string, len(in.log))
	for i, l := range in.log {
		out[i] = l.Text
	}
	return out
}

// Count is how many lines there have been: a place to await from.
func (in *Instance) Count() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.past + len(in.log)
}

// errEnded: the instance ended before it said what was waited for.
var errEnded = errors.New("it ended")

// Await returns the first line from the one numbered from on that re matches.
func (in *Instance) Await(ctx context.Context, from int, re *regexp.Regexp) (Line, error) {
	for {
		in.mu.Lock()
		more := in.more
		for _, l := range in.log[min(max(0, from-in.past), len(in.log)):] {
			if re.MatchString(l.Text) {
				in.mu.Unlock()
				return l, nil
			}
		}
		from = in.past + len(in.log)
		in.mu.Unlock()
		select {
		case <-more:
		case <-in.Ended:
			return Line{}, errEnded
		case <-ctx.Done():
			return Line{}, fmt.Errorf("no line %q: %w", re, ctx.Err())
		}
	}
}

// Status is what the instance is now.
func (in *Instance) Status(ctx context.Context) (*admin.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askMax)
	defer cancel()
	return in.Admin.Status(ctx)
}

// Stop drains; false when it had to be killed, or did not end with exit code 0.
func (in *Instance) Stop() bool {
	_ = in.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-in.Ended:
		return in.cmd.ProcessState.ExitCode() == 0
	case <-time.After(drainMax):
		_ = in.cmd.Process.Kill() // it may have ended
		<-in.Ended
		return false
	}
}
