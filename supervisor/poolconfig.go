package supervisor

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"weir/supervisor/config"
)

// PoolConfig is a pool: what its workers run and how they are kept running. The zero value of every
// field but Name and Command is its default.
type PoolConfig struct {
	Name    string        // letters, digits, '.', '_' and '-'; unique
	Command []string      // argv, no shell; {socket} and {port} are replaced
	Program string        // path of the program; "" looks Command[0] up in the worker's PATH
	Dir     string        // working directory; "" is the supervisor's
	Env     *config.Env   // nil inherits the supervisor's, without Weir's own variables
	User    string        // USER[:GROUP]; "" is PoolsOptions.User
	Socket  config.Socket // "" is SocketPath
	// Dispatch is how fronts speak to workers; "" is HTTP/1.1. DispatchMux and DispatchHandoff
	// need a program of package worker.
	Dispatch config.Dispatch
	Start    config.Start    // "" is StartAlways
	Workers  int             // 0 is 1; while Scale has no Max
	Scale    Scaling         // zero: the number of workers is Workers
	Ready    config.Ready    // probe zero is connect; timeout 0 is 90 s
	Warmup   []config.Warmup // asked of a ready worker before it is in rotation
	Idle     config.Idle     // after 0 or off: never
	Ping     config.Ping     // every 0 is 10 s, timeout 0 is 30 s, status 0 is 200
	Hang     config.Hang     // after 0 is 60 s; action "" is kill; dump "" is off; keep 0 is 10 m

	Concurrency int              // slots per worker, told to the front; 0 is 64
	SlowStart   config.Duration  // until a fresh worker has its full share; 0 or off: at once
	Recycle     config.Recycle   // off
	RapidFail   config.RapidFail // failures 0 is 5, off is none; window 0 is 5 m; then "" is retry
	StopTimeout config.Duration  // SIGTERM to SIGKILL, and the longest wait for a drain; 0 is 30 s
	Output      config.Output    // format "" is prefixed; lines 0 is 10 000/s
	Isolation   Isolation
	Sidecar     SidecarRole // order of start; zero waits for no sidecar
}

// PoolConfigFrom is the part of c that concerns the supervisor. self is the argv that runs this
// binary as the worker of a pool without command.
func PoolConfigFrom(c *config.Pool, self []string) PoolConfig {
	p := PoolConfig{
		Name: c.Name, Command: c.Command, Program: c.Program, Dir: c.Dir, Env: &c.Env,
		Socket: c.Socket, Dispatch: c.Dispatch, Start: c.Start, Scale: scalingFrom(c), Ready: c.Ready,
		Warmup: c.Warmup, SlowStart: c.SlowStart, Idle: c.Idle, Ping: c.Ping, Hang: c.Hang, Recycle: c.Recycle,
		Concurrency: c.Concurrency, RapidFail: c.RapidFail, StopTimeout: c.StopTimeout, Output: c.Output,
		User: c.User, Isolation: isolationFrom(c), Sidecar: SidecarRole{After: c.After},
	}
	if len(c.Command) == 0 {
		p.Command, p.Program = self, ""
	}
	return p
}

// withDefaults is c with every zero field replaced by its default.
func (c PoolConfig) withDefaults() PoolConfig {
	c.sidecarDefaults()
	setDefault(&c.Socket, config.SocketPath)
	setDefault(&c.Dispatch, config.DispatchHTTP)
	setDefault(&c.Start, config.StartAlways)
	setDefault(&c.Workers, defaultWorkers)
	c.Scale = c.Scale.withDefaults()
	setDefault(&c.Idle.Action, config.IdleTerminate)
	c.Ready.Probe, c.Warmup = probeWithDefaults(c.Ready.Probe), warmupWithDefaults(c.Warmup)
	setDefault(&c.Ready.Timeout, config.Duration(defaultReadyTimeout))
	setDefault(&c.Ping.Every, config.Duration(defaultPingEvery))
	setDefault(&c.Ping.Timeout, config.Duration(defaultPingTimeout))
	setDefault(&c.Ping.Status, defaultPingStatus)
	setDefault(&c.Hang.Action, config.HangKill)
	setDefault(&c.Hang.Dump, config.HangDumpOff)
	setDefault(&c.Hang.Keep, config.Duration(defaultHangKeep))
	setDefault(&c.Concurrency, defaultConcurrency)
	c.Recycle = c.Recycle.WithDefaults()
	setDefault(&c.RapidFail.Failures, defaultRapidFailFailures)
	setDefault(&c.RapidFail.Window, config.Duration(defaultRapidFailWindow))
	setDefault(&c.RapidFail.Then, config.ThenRetry)
	setDefault(&c.StopTimeout, config.Duration(defaultStopTimeout))
	setDefault(&c.Output.Format, config.OutputPrefixed)
	setDefault(&c.Output.Lines, outputLinesPerSecond)
	c.Isolation = c.Isolation.withDefaults()
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate reports what would make every start of a worker fail.
func (c *PoolConfig) validate() error {
	switch {
	case c.Name == "":
		return errors.New("supervisor: pool: no name")
	case !poolNameOK(c.bareName()):
		return fmt.Errorf("supervisor: pool %q: the name may hold letters, digits, '.', '_' and '-', "+
			"at most %d, and not begin with '.'", c.Name, poolNameBytesMax)
	case c.Sidecar.Is != isSidecar(c.Name):
		return fmt.Errorf("supervisor: pool %q: sidecars, and only they, begin with %s", c.Name,
			sidecarPrefix)
	case len(c.Command) == 0 || c.Command[0] == "":
		return fmt.Errorf("supervisor: pool %s: no command", c.Name)
	case len(c.Command) > commandArgsMax:
		return fmt.Errorf("supervisor: pool %s: command: more than %d arguments", c.Name, commandArgsMax)
	case c.Workers < 0 || c.Workers > poolWorkersMax:
		return fmt.Errorf("supervisor: pool %s: workers: %d is not in 1-%d", c.Name, c.Workers,
			poolWorkersMax)
	case c.Scale.invalid() != "":
		return fmt.Errorf("supervisor: pool %s: scale: %s", c.Name, c.Scale.invalid())
	case c.invalidPath() != "":
		return fmt.Errorf("supervisor: pool %s: path %q: not absolute", c.Name, c.invalidPath())
	case c.Dispatch != "" && c.Dispatch != config.DispatchHTTP && c.asks():
		return fmt.Errorf("supervisor: pool %s: dispatch: workers of %s do not answer the GETs of "+
			"ready.probe and warmup", c.Name, c.Dispatch)
	case c.Dispatch == config.DispatchHandoff && c.Socket == config.SocketInherit:
		return fmt.Errorf("supervisor: pool %s: socket: workers of handoff bind theirs", c.Name)
	case c.Concurrency < 0:
		return fmt.Errorf("supervisor: pool %s: concurrency: %d is below 1", c.Name, c.Concurrency)
	}
	for _, a := range c.Command {
		if strings.IndexByte(a, 0) >= 0 {
			return fmt.Errorf("supervisor: pool %s: command: NUL byte in an argument", c.Name)
		}
	}
	if err := c.Isolation.validate(); err != nil {
		return fmt.Errorf("supervisor: pool %s: %w", c.Name, err)
	}
	if err := c.Recycle.Validate(); err != nil {
		return fmt.Errorf("supervisor: pool %s: recycle: %w", c.Name, err)
	}
	return nil
}

func poolNameOK(s string) bool {
	if s == "" || s[0] == '.' || len(s) > poolNameBytesMax {
		return false
	}
	for i := range len(s) {
		b := s[i]
		if b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9' || strings.IndexByte("._-", b) >= 0 {
			continue
		}
		return false
	}
	return true
}

// sameWorker reports whether a worker started under c need not be replaced under d: everything that
// is fixed when a worker starts is equal.
func (c *PoolConfig) sameWorker(d *PoolConfig) bool {
	return reflect.DeepEqual(c.Command, d.Command) && c.Program == d.Program && c.Dir == d.Dir &&
		sameEnv(c.env(), d.env()) && c.User == d.User && c.Socket == d.Socket &&
		c.Dispatch == d.Dispatch &&
		c.Concurrency == d.Concurrency && c.Output == d.Output && c.Isolation.same(&d.Isolation) &&
		c.watchdog() == d.watchdog()
}

var envInherited = config.Env{}

// env is c.Env or its default.
func (c *PoolConfig) env() *config.Env {
	if c.Env == nil {
		return &envInherited
	}
	return c.Env
}

// sameEnv is equality in which a nil and an empty list are the same.
func sameEnv(a, b *config.Env) bool {
	if a.Inherit.IsOff() != b.Inherit.IsOff() || len(a.Set) != len(b.Set) {
		return false
	}
	for k, v := range a.Set {
		if w, ok := b.Set[k]; !ok || v != w {
			return false
		}
	}
	return sameStrings(a.Keep, b.Keep) && sameStrings(a.Files, b.Files)
}

func sameStrings(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// stopTimeout is the wait from SIGTERM to SIGKILL; "off" waits for ever.
func (c *PoolConfig) stopTimeout() time.Duration { return clockOf(c.StopTimeout) }

// readyTimeout is the wait from spawn to ready.
func (c *PoolConfig) readyTimeout() time.Duration { return clockOf(c.Ready.Timeout) }

// clockOf is d, or 0 for a clock that never rings.
func clockOf(d config.Duration) time.Duration {
	if d.IsOff() {
		return 0
	}
	return max(d.Std(), time.Nanosecond)
}

// watchdog is WATCHDOG_USEC of workers, as a duration; 0 for none.
func (c *PoolConfig) watchdog() time.Duration {
	if !c.Ping.Watchdog {
		return 0
	}
	return c.Ping.Timeout.Std()
}
