package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// command runs argv with env added to ours, its output going to out.
//
// The command gets a process group of its own, and the group is what ends with ctx: SIGTERM on an
// interrupt, SIGQUIT on a timeout (a Go program then prints its goroutines), SIGKILL after
// graceKill. What is left of the group of a command that failed is killed too; one that ended well
// and left a process holding its output fails by WaitDelay.
func command(ctx context.Context, out io.Writer, env []string, argv ...string) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env = append(os.Environ(), env...)
	c.Stdout, c.Stderr = out, out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.WaitDelay = graceKill
	c.Cancel = func() error {
		signal := syscall.SIGTERM
		if errors.Is(context.Cause(ctx), errTimeout) {
			signal = syscall.SIGQUIT
		}
		return syscall.Kill(-c.Process.Pid, signal)
	}
	if err := c.Start(); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	err := c.Wait()
	if err == nil {
		return nil
	}
	_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // ESRCH: the usual case, nothing is left
	return fmt.Errorf("check: %s: %w", strings.Join(slices.Concat(env, argv), " "), err)
}
