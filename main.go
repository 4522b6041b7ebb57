package weir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"weir/supervisor/worker"
)

// Hidden subcommands: the roles in which this binary starts itself.
const (
	frontRole  = "__front"
	workerRole = "__worker"
)

// Main is the main function of a program that serves app: command line, supervision, both hostings.
// It ends the process.
//
// SIGTERM and SIGINT drain (a second one ends at once), SIGHUP reloads, SIGUSR1 reopens log files.
func Main(app App) {
	args := os.Args[1:]
	if len(args) > 0 {
		switch args[0] {
		case frontRole:
			os.Exit(frontMain(&app))
		case workerRole:
			os.Exit(workerMain(&app, args[1:]))
		}
	}
	c := &cli{app: &app, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(),
		signals: takeSignals, started: time.Now()}
	os.Exit(c.run(context.Background(), args))
}

// takeSignals is where an instance gets its signals from. Every other command leaves them to end it.
func takeSignals() <-chan os.Signal {
	ch := make(chan os.Signal, signalsQueued)
	signal.Notify(ch, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1)
	return ch
}

// Run is Main without signals, for tests and for programs with a command line of their own: args are
// those behind the program's name. An instance that it starts drains when ctx ends. The program must
// hand the arguments of its own process over when they begin with "__": use Main for that.
func Run(ctx context.Context, app App, args []string) (exit int) {
	c := &cli{app: &app, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(),
		started: time.Now()}
	return c.run(ctx, args)
}

// workerMain hosts one of the binary's applications as a worker: weir __worker NAME.
func workerMain(app *App, args []string) int {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "weir: worker: want the name of a handler")
		return exitUsage
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := serveWorker(ctx, app, args[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, "weir:", err)
		if errors.Is(err, errNoHandler) || errors.Is(err, worker.ErrNotWorker) {
			return exitUsage
		}
		return exitFailed
	}
	return exitOK
}

func serveWorker(ctx context.Context, app *App, name string) error {
	if worker.Accepts() {
		return siteMain(ctx, app, name)
	}
	h, err := app.build(ctx, name)
	if err != nil {
		return err
	}
	return worker.Serve(ctx, h)
}

// cli is one run of the command line.
type cli struct {
	app     *App
	stdout  io.Writer
	stderr  io.Writer
	environ []string
	signals func() <-chan os.Signal // nil: none are taken
	started time.Time
}

// fail prints an error and returns the exit code.
func (c *cli) fail(code int, err error) int {
	fmt.Fprintln(c.stderr, "weir:", err)
	return code
}
