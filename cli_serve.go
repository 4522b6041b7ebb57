package weir

import (
	"context"
	"errors"
	"log/slog"
	"os"
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
	log := newOwnLog(c.stderr, loaded.Config.Log)
	for _, w := range loaded.Warnings {
		log.Warn(w.Error())
	}
	exe, err := os.Executable()
	if err != nil {
		return exitWith(exitFailed, err)
	}
	sup, err := supervisor.New(supervisor.Options{
		Config: loaded,
		Load: func() (*config.Loaded, error) {
			l, err := c.load(s)
			if err == nil {
				log.follow(l.Config.Log)
			}
			return l, err
		},
		WorkerCommand: func(p *config.Pool) []string { return []string{exe, workerRole, p.Handler} },
		Counters:      server.CounterNames(),
		Exe:           exe, FrontArgs: []string{frontRole}, Logger: log.Logger,
		Status: c.stderr, Started: c.started, Version: version(),
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
	done := make(chan struct{})
	go func() {
		draining := false
		for {
			select {
			case <-done:
				return
			case sig := <-c.signals:
				switch sig {
				case syscall.SIGHUP:
					go reload(sup, log)
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

// reload is what SIGHUP asks for; the outcome is in the log.
func reload(sup *supervisor.Supervisor, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), reloadTimeout)
	defer cancel()
	if err := sup.Reload(ctx); err != nil {
		log.Error("reload", "error", err)
	}
}
