package chaos

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
	logKept  = 200              // last lines of the log that a failed run shows
)

// instance is a running Weir.
type instance struct {
	cmd   *exec.Cmd
	addr  string
	admin *admin.Client
	ended chan struct{}

	mu  sync.Mutex
	log []string // guarded by mu: the last lines
}

// config is the file of the run: documented keys, hang and stop shortened so that a run sees many.
func (o *Options) config() string {
	return fmt.Sprintf(`sites:
  chaos:
    bindings: ["127.0.0.1:0"]
    apps: {/: {pool: app}}
pools:
  app:
    command: [%q]
    env: {set: {CHAOS_DIR: %q}}
    workers: %d
    hang: {after: 1s}
    stop_timeout: 1s
    recycle: {memory: 96MiB, sample_every: 500ms, samples: 2}
log: {level: info}
`, o.Worker, o.Dir, o.Workers)
}

var readyLine = regexp.MustCompile(`weir: ready: http://(\S+) `)

func (o *Options) start(ctx context.Context) (*instance, error) {
	file := filepath.Join(o.Dir, "chaos.yaml")
	if err := os.WriteFile(file, []byte(o.config()), 0o600); err != nil {
		return nil, err
	}
	run := filepath.Join(o.Dir, "run")
	in := &instance{
		cmd:   exec.Command(o.Weir, "--config", file, "--runtime-dir", run, "--loops", "2"),
		admin: admin.NewClient(filepath.Join(run, "admin.sock")),
		ended: make(chan struct{}),
	}
	out, err := in.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := in.cmd.Start(); err != nil {
		return nil, err
	}
	addr := make(chan string, 1)
	go func() {
		defer close(in.ended)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := readyLine.FindStringSubmatch(lines.Text()); m != nil {
				addr <- m[1]
			}
			in.keep(lines.Text())
		}
		_ = in.cmd.Wait() // its log says why
	}()
	select {
	case in.addr = <-addr:
		return in, nil
	case <-in.ended:
		return nil, fmt.Errorf("weir ended before it was ready: %v", in.lines())
	case <-time.After(readyMax):
		err = errors.New("weir was not ready in time")
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = in.cmd.Process.Kill() // it may have ended
	<-in.ended
	return nil, err
}

func (in *instance) keep(line string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.log = append(in.log, line); len(in.log) > logKept {
		in.log = in.log[1:]
	}
}

func (in *instance) lines() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]string(nil), in.log...)
}

// status is what the instance is now.
func (in *instance) status(ctx context.Context) (*admin.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askMax)
	defer cancel()
	return in.admin.Status(ctx)
}

// stop drains; false when it had to be killed.
func (in *instance) stop() bool {
	_ = in.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-in.ended:
		return in.cmd.ProcessState.ExitCode() == 0
	case <-time.After(drainMax):
		_ = in.cmd.Process.Kill() // it may have ended
		<-in.ended
		return false
	}
}
