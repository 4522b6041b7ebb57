package costs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"weir/bench/instance"
	"weir/bench/proc"
	"weir/supervisor/admin"
)

const (
	loops     = 16                     // crash loops at once, without rapid-fail protection
	stepMax   = 30 * time.Second       // one start or death of a worker
	startPoll = 100 * time.Microsecond // between two attempts to connect to the bare program
	lookEvery = 5 * time.Millisecond   // between two looks at the status
)

// run is one run: its instance and what has been found.
type run struct {
	*Options
	in      *instance.Instance
	spawner *proc.Spawner
	rows    []row
	bare    []float64 // starts of the bare program in this round, ms
}

// config has a pool at rest and two that fail, started one after the other.
func (o *Options) config() string {
	return fmt.Sprintf(`sites:
  costs:
    bindings: ["127.0.0.1:0"]
    apps: {/: {pool: crowd}}
pools:
  crowd: {command: [%q], workers: %d, rapid_fail: {failures: off}}
  loop:  {command: ["false"], start: manual}
  loops: {command: ["false"], start: manual, workers: %d, rapid_fail: {failures: off}}
log: {level: info}
`, o.Worker, o.Workers, loops)
}

// Run measures and prints to w. The error names the targets that were missed.
func Run(ctx context.Context, o Options, w io.Writer) error {
	r := &run{Options: &o, rows: newRows(&o)}
	var err error
	if r.spawner, err = proc.NewSpawner(); err != nil {
		return err
	}
	defer r.spawner.Close()
	if r.in, err = instance.Start(ctx, o.Weir, o.Dir, o.config(), "--loops", "1"); err != nil {
		return fmt.Errorf("costs: %w", err)
	}
	for i := range o.Rounds {
		if err = r.round(ctx); err != nil {
			err = fmt.Errorf("costs: round %d: %w; its log: %q", i+1, err, r.in.Lines())
			break
		}
	}
	if clean := r.in.Stop(); err == nil && !clean {
		err = errors.New("costs: the instance did not end by itself with exit code 0")
	}
	if err != nil {
		return err
	}
	return report(w, r.rows)
}

// round measures everything once.
func (r *run) round(ctx context.Context) error {
	if err := r.settled(ctx, "crowd", r.Workers); err != nil {
		return err
	}
	idle, _, err := r.busy(ctx)
	if err != nil {
		return err
	}
	r.found(rowIdle, idle)
	if err := r.kills(ctx); err != nil {
		return err
	}
	rss, err := proc.RSS(r.in.PID())
	if err != nil {
		return err
	}
	r.found(rowRSS, float64(rss)/(1<<20))
	if err := r.loop(ctx, "loop", rowLoop); err != nil {
		return err
	}
	return r.loop(ctx, "loops", rowLoopsBegin, rowLoops)
}

func (r *run) found(at int, v float64) { r.rows[at].rounds = append(r.rows[at].rounds, v) }

// loop measures while the workers of a pool end as soon as they start, a window for each row. What
// they used themselves in the last one is in the row behind it.
func (r *run) loop(ctx context.Context, pool string, rows ...int) error {
	start := admin.Action{Verb: admin.VerbStart, Pool: pool}
	if err := r.in.Admin.Act(ctx, start, false); err != nil {
		return err
	}
	for i, at := range rows {
		own, reaped, err := r.busy(ctx)
		if err != nil {
			return err
		}
		r.found(at, own)
		if i == len(rows)-1 {
			r.found(at+1, reaped)
		}
	}
	if err := r.in.Admin.Act(ctx, admin.Action{Verb: admin.VerbStop, Pool: pool}, true); err != nil {
		return err
	}
	return r.settled(ctx, pool, 0)
}

// busy is the processor time of the supervisor, and of children that ended, in percent of the window.
func (r *run) busy(ctx context.Context) (own, children float64, err error) {
	before, then, err := r.usage()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	select {
	case <-time.After(r.Window):
	case <-r.in.Ended:
		return 0, 0, errors.New("the instance ended")
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	after, now, err := r.usage()
	if err != nil {
		return 0, 0, err
	}
	took := time.Since(began).Seconds()
	used, err := after.Since(before)
	return 100 * used.Seconds() / took, 100 * (now.Reaped - then.Reaped).Seconds() / took, err
}

func (r *run) usage() (proc.Usage, proc.Stat, error) {
	s, err := proc.ReadStat(r.in.PID())
	if err != nil {
		return nil, s, err
	}
	return proc.UsageOf([]proc.Stat{s}), s, nil
}

// kills ends workers one after the other, each when its predecessor has been replaced; between them the
// same program is started alone.
func (r *run) kills(ctx context.Context) error {
	var noticed, ready []float64
	r.bare = r.bare[:0]
	for range r.Kills {
		d, err := r.startBare(ctx)
		if err != nil {
			return err
		}
		r.bare = append(r.bare, d)
		n, up, err := r.kill(ctx)
		if err != nil {
			return err
		}
		noticed, ready = append(noticed, n), append(ready, up)
	}
	r.found(rowNoticed, median(noticed))
	r.found(rowBare, median(r.bare))
	r.found(rowReady, median(ready))
	r.found(rowOverhead, max(0, median(ready)-median(r.bare)))
	return nil
}

// kill ends a worker: how long, in ms, until its death is logged, and from then until the next one,
// which is started at once, is ready.
func (r *run) kill(ctx context.Context) (noticed, ready float64, err error) {
	s, err := r.in.Status(ctx)
	if err != nil {
		return 0, 0, err
	}
	victim := 0
	for _, p := range s.Pools {
		for _, w := range p.Workers {
			if p.Name == "crowd" && w.State == "ready" && victim == 0 {
				victim = w.PID
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, stepMax)
	defer cancel()
	from, at := r.in.Count(), time.Now()
	p, err := os.FindProcess(victim)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		return 0, 0, fmt.Errorf("kill worker %d: %w", victim, err)
	}
	gone, err := r.in.Await(ctx, from, regexp.MustCompile(fmt.Sprintf(` pid=%d from=ready to=gone `, victim)))
	if err != nil {
		return 0, 0, err
	}
	up, err := r.in.Await(ctx, from, readyLine)
	return ms(gone.At.Sub(at)), ms(up.At.Sub(gone.At)), err
}

var readyLine = regexp.MustCompile(` pool=crowd .* from=starting to=ready `)

// startBare starts the workers' program alone: how long, in ms, from fork until it can be connected to.
func (r *run) startBare(ctx context.Context) (float64, error) {
	path := filepath.Join(r.Dir, "bare.sock")
	began := time.Now()
	p, err := r.spawner.Spawn(proc.Spec{Path: r.Worker, CPU: proc.AnyCPU,
		Env: []string{"WEIR_SOCKET=" + path}})
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for {
		if c, err := net.Dial("unix", path); err == nil {
			d := time.Since(began)
			_ = c.Close() // nothing is asked
			return ms(d), os.Remove(path)
		}
		select {
		case <-tick.C:
		case <-p.Exited():
			return 0, fmt.Errorf("the bare program ended: %s", p.Output())
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// settled waits until a pool has n ready workers and no others.
func (r *run) settled(ctx context.Context, pool string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, stepMax)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		s, err := r.in.Status(ctx)
		if err != nil {
			return err
		}
		for _, p := range s.Pools {
			if p.Name == pool && p.Ready == n && len(p.Workers) == n {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("pool %s never has %d workers: %w", pool, n, ctx.Err())
		}
	}
}
