package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"weir/bench/costs"
)

// mainSupervisor is bench supervisor; it returns the exit code.
func mainSupervisor(args []string) int {
	o, err := costs.ParseFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: supervisor:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := runSupervisor(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func runSupervisor(ctx context.Context, o costs.Options, out io.Writer) (err error) {
	b := &bench{}
	if b.root, err = moduleRoot(ctx); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "weir-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if o.Weir, err = b.weir(ctx); err != nil {
		return err
	}
	if err := b.build(ctx, "worker", "./bench/peers/worker"); err != nil {
		return err
	}
	o.Worker, o.Dir = b.bin("worker"), b.dir
	return costs.Run(ctx, o, out)
}
