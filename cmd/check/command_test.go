package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestCommandOutput(t *testing.T) {
	var out output
	err := command(t.Context(), &out, []string{"WHO=me"},
		"sh", "-c", "echo $WHO; echo err >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "WHO=me sh -c") ||
		!strings.HasSuffix(err.Error(), "exit status 3") {
		t.Errorf("command = %v; want the command and its exit status", err)
	}
	if got, want := out.text(), "me\nerr\n"; got != want {
		t.Errorf("output %q; want %q", got, want)
	}
}

// TestCommandEndsTree interrupts a shell that waits for a child: both are gone when command has
// returned.
func TestCommandEndsTree(t *testing.T) {
	for _, cause := range []error{context.Canceled, errTimeout} {
		ctx, cancel := context.WithCancelCause(t.Context())
		r, w := io.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- command(ctx, w, nil, "sh", "-c", "sleep 600 & echo $!; wait")
			w.Close()
		}()
		lines := bufio.NewReader(r)
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		cancel(cause)
		if _, err := io.Copy(io.Discard, lines); err != nil { // until command has returned
			t.Error(err)
		}
		if err := <-done; err == nil {
			t.Errorf("%v: command = nil; want an error", cause)
		}
		if !gone(pid) {
			t.Errorf("%v: the child %d still runs", cause, pid)
		}
	}
}

// gone reports whether pid has ended; as its parent has too, it may still wait for init to reap it.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	var out output
	_ = command(context.Background(), &out, nil, "ps", "-o", "stat=", "-p", strconv.Itoa(pid))
	state := strings.TrimSpace(out.text())
	return state == "" || strings.HasPrefix(state, "Z")
}
