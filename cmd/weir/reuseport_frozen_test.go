//go:build linux

package main

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A worker that does not run keeps nobody waiting while the instance ends, or its address goes: new
// clients are refused. At the end of the instance who waits at its socket is answered by the other one.
func TestReuseportFrozenRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		desc   string
		queued int
		ends   func(t *testing.T, in *instance, dir string)
	}{
		{"the instance ends", 12, func(_ *testing.T, in *instance, _ string) { in.signal(syscall.SIGTERM) }},
		{"the address goes", 0, func(t *testing.T, in *instance, dir string) {
			ownFile(t, dir, "127.0.0.2:0", "workers: 2, stop_timeout: 10m")
			in.signal(syscall.SIGHUP)
		}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			t.Parallel()
			in, dir := startOwn(t, 2, ", stop_timeout: 10m", "timeouts: {drain: 10m}")
			victim := any1(in.settled("p", 2))
			freeze(t, victim)
			waiting := queueUp(in, tc.queued)
			tc.ends(t, in, dir)
			waiting.answered(t, "HTTP/1.1 200 OK")
			in.refuses(t)
			if err := unix.Kill(victim, 0); err != nil {
				t.Errorf("worker %d: %v; want it to be there still", victim, err)
			}
			if err := unix.Kill(victim, unix.SIGKILL); err != nil {
				t.Error(err)
			}
		})
	}
}

// refuses waits until new connections are refused. One may be left without an answer for a while: the
// kernel drops what asks for a connection between two states.
func (in *instance) refuses(t *testing.T) {
	t.Helper()
	d := net.Dialer{Timeout: 2 * time.Second}
	for late := time.Now().Add(patience); ; {
		c, err := d.Dial("tcp", in.address())
		switch {
		case errors.Is(err, unix.ECONNREFUSED):
			return
		case err == nil:
			_ = c.Close() // it came before the end
		case time.Now().After(late):
			t.Fatalf("dial: %v; want it to be refused", err)
		}
	}
}
