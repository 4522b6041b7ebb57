package weir

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime/debug"
	"syscall"

	"weir/pipeline/server"
	"weir/supervisor"
	"weir/supervisor/config"
)

// serve runs an instance until it is told to end.
func (c *cli) serve(ctx context.Context, s config.Sources) error {
	loaded, err := c.load(s)
	if err != nil {
		return exitWith(exitUsage, err)
	}
	stderr := supervisor.NewQueuedLog(c.stderr)
	defer stderr.Close()
	log := newOwnLog(stderr, loaded.Config.Log)
	for _, w := range loaded.Warnings {
		log.Warn(w.Error())
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercentCold)
	}
	exe, err := os.Executable()
	if err != nil {
		return exitWith(exitFailed, err)
	}
	sup, err := supervisor.New(supervisor.Options{
		Config:        loaded,
		Load:          func() (*config.Loaded, error) { return c.load(s) },
		Applied:       func(l *config.Loaded) { log.follow(l.Config.Log) },
		WorkerCommand: func(p *config.Pool) []string { return []string{exe, workerRole, p.Handler} },
		Counters:      server.CounterNames(),
		Hosts:         registry{c.app}.hosts,
		Exe:           exe, FrontArgs: []string{frontRole}, Logger: log.Logger,
		Status: stderr, Started: c.started, Version: version(),
	})
	if err != nil {
		return exitWith(exitUsage, err)
	}
	stop := c.obey(sup, log.Logger)
	defer stop()
	return exitWith(exitCodeOf(sup.Run(ctx)))
}

// exitCodeOf is the exit code for the end of an instance.
func exitCodeOf(err error) (int, error) {
	switch {
	case err == nil:
		return exitOK, nil
	case errors.Is(err, supervisor.ErrCommandNotFound):
		return exitUsage, err
	}
	return exitFailed, err
}

// obey passes signals on to the instance until stop is called.
func (c *cli) obey(sup *supervisor.Supervisor, log *slog.Logger) (stop func()) {
	if c.signals == nil {
		return func() {}
	}
	done, signals := make(chan struct{}), c.signals()
	hup := make(chan struct{}, 1) // signals that come while one waits ask for the same
	go reloads(sup, hup, done)
	go func() {
		draining := false
		for {
			select {
			case <-done:
				return
			case sig := <-signals:
				switch sig {
				case syscall.SIGHUP:
					select {
					case hup <- struct{}{}:
					default:
					}
				case syscall.SIGUSR1:
					sup.ReopenLogs()
				default:
					if draining {
						sup.Shutdown()
						continue
					}
					draining = true
					log.Info("drain begins", "signal", sig.String())
					sup.Drain()
				}
			}
		}
	}()
	return func() { close(done) }
}

// reloads is what SIGHUP asks for, one after the other; the outcome is in the log.
func reloads(sup *supervisor.Supervisor, asked, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-asked:
		}
		ctx, cancel := context.WithTimeout(context.Background(), reloadTimeout)
		_ = sup.Reload(ctx) // it has logged why
		cancel()
	}
}
