package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"weir/bench/chaos"
)

// mainChaos is bench chaos; it returns the exit code.
func mainChaos(args []string) int {
	o, err := chaos.ParseFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: chaos:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := runChaos(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func runChaos(ctx context.Context, o chaos.Options) (err error) {
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
	if err := b.build(ctx, "chaosworker", "./bench/peers/chaosworker"); err != nil {
		return err
	}
	o.Worker, o.Dir = b.bin("chaosworker"), b.dir
	return chaos.Run(ctx, o, os.Stdout)
}
