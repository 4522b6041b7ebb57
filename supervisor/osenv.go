package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// osEnv is env for real.
type osEnv struct {
	opts       *PoolsOptions
	log        *slog.Logger
	post       func(event)
	front      account
	socketRoot string // {runtime}/w
	ports      *ports
	sink       *sink
	orphans    *orphanSweeper // nil in library mode
	cgroups    cgroups

	pageOutOnce sync.Once // the warning that it cannot be done

	hooks   atomic.Int32 // hooks that run
	ctx     context.Context
	cancel  context.CancelFunc // ends them
	running sync.WaitGroup
	mu      sync.Mutex
	procs   map[WorkerRef]*process // guarded by mu
	warned  map[string]bool        // guarded by mu
}

func newOSEnv(o *PoolsOptions, log *slog.Logger, post func(event)) (*osEnv, error) {
	e := &osEnv{opts: o, log: log, post: post, ports: newPorts(), procs: map[WorkerRef]*process{}}
	e.cgroups.process = o.Process
	e.ctx, e.cancel = context.WithCancel(context.Background())
	var err error
	if e.front, err = lookupAccount(o.FrontUser); err != nil {
		return nil, fmt.Errorf("supervisor: front: %w", err)
	}
	if _, err = lookupAccount(o.User); err != nil {
		return nil, fmt.Errorf("supervisor: pools: %w", err)
	}
	if err := e.makeSocketRoot(); err != nil {
		return nil, err
	}
	w := o.Output
	if w == nil {
		w = os.Stderr
	}
	e.sink = newSink(w)
	if o.Process {
		if err := becomeSubreaper(); err != nil {
			log.Warn("orphans of workers cannot be adopted", "error", err)
		} else {
			e.orphans = sweepOnSignal(e.known)
		}
	}
	return e, nil
}

// makeSocketRoot makes {runtime}/w, without what a killed predecessor left there.
func (e *osEnv) makeSocketRoot() error {
	if !filepath.IsAbs(e.opts.RuntimeDir) {
		return fmt.Errorf("supervisor: runtime directory %q: not absolute", e.opts.RuntimeDir)
	}
	e.socketRoot = filepath.Join(e.opts.RuntimeDir, "w")
	if err := os.RemoveAll(e.socketRoot); err != nil {
		return fmt.Errorf("supervisor: runtime directory: %w", err)
	}
	if err := os.MkdirAll(e.opts.RuntimeDir, 0o711); err != nil {
		return fmt.Errorf("supervisor: runtime directory: %w", err)
	}
	if err := os.Mkdir(e.socketRoot, 0o700); err != nil {
		return fmt.Errorf("supervisor: runtime directory: %w", err)
	}
	if err := os.Chmod(e.socketRoot, 0o711); err != nil { // whatever the umask is
		return fmt.Errorf("supervisor: runtime directory: %w", err)
	}
	return nil
}

func (e *osEnv) now() time.Time { return time.Now() }

func (e *osEnv) jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

func (e *osEnv) spread() float64 { return 2*rand.Float64() - 1 }

func (e *osEnv) spawn(w WorkerRef, c *PoolConfig) {
	p := &process{
		env: e, ref: w, conf: c, listener: -1, control: control{theirs: -1},
		out: &output{sink: e.sink, pool: w.Pool, worker: w.String(), format: c.Output.Format,
			rate: int64(c.Output.Lines)},
		readySaid: make(chan struct{}), exited: make(chan struct{}),
	}
	e.mu.Lock()
	e.procs[w] = p
	e.mu.Unlock()
	e.running.Go(p.run)
}

func (e *osEnv) proc(w WorkerRef) *process {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.procs[w]
}

// known are the pids of all workers that have not been reaped.
func (e *osEnv) known() map[int]bool {
	e.mu.Lock()
	all := slices.Collect(maps.Values(e.procs))
	e.mu.Unlock()
	pids := make(map[int]bool, len(all))
	for _, p := range all {
		pids[p.pidNow()] = true // 0 is no child
	}
	return pids
}

func (e *osEnv) signal(w WorkerRef, kill bool) {
	if p := e.proc(w); p != nil {
		p.signal(kill)
	}
}

func (e *osEnv) examine(w WorkerRef) {
	p := e.proc(w)
	e.running.Go(func() { e.post(event{worker: w, kind: evExamined, text: p.describe()}) })
}

func (e *osEnv) recheck(w WorkerRef, at Endpoint) {
	p := e.proc(w)
	e.running.Go(func() {
		if err := p.serving(at); err != nil {
			e.post(event{worker: w, kind: evUnserving, text: "does not listen any more: " + err.Error()})
		}
	})
}

func (e *osEnv) lines(w WorkerRef) []string {
	if p := e.proc(w); p != nil {
		return p.out.last()
	}
	return []string{}
}

func (e *osEnv) printed(w WorkerRef, text string) {
	p := e.proc(w)
	if p == nil {
		return // it has gone, and its output with it
	}
	now := e.now()
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			p.out.line([]byte(line), "stderr", now)
		}
	}
}

// forget removes w's directory and frees its port.
func (e *osEnv) forget(w WorkerRef) {
	p := e.proc(w)
	if p == nil {
		return
	}
	if p.contract.port != 0 {
		e.ports.release(p.contract.port)
	}
	if p.dir.path != "" {
		if err := os.RemoveAll(p.dir.path); err != nil {
			e.log.Warn("socket directory stays", "worker", w.String(), "error", err)
		}
	}
	e.mu.Lock()
	delete(e.procs, w)
	e.mu.Unlock()
}

// close ends every goroutine but the forking thread. All workers are gone.
func (e *osEnv) close() {
	late := time.AfterFunc(hookCloseMax, e.cancel)
	e.running.Wait()
	e.cgroups.close()
	late.Stop()
	e.cancel()
	if e.orphans != nil {
		e.orphans.close()
	}
	e.sink.close()
}
