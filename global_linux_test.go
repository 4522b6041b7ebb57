package weir

import (
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// Children that the program starts are its own to wait for, also while workers end beside them.
func TestServerWaitsForItsOwn(t *testing.T) {
	s, p := inFront(t, PoolConfig{})
	started(t, s)
	for range 3 {
		child := exec.Command("/bin/sh", "-c", "exit 7")
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// It is dead, and nobody has waited for it, when a worker ends that the Server waits for.
		eventually(t, "a dead child", func() bool {
			var si unix.Siginfo
			err := unix.Waitid(unix.P_PID, child.Process.Pid, &si, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
			return err == nil && si.Signo != 0
		})
		if err := p.Recycle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(); err == nil || child.ProcessState.ExitCode() != 7 {
			t.Errorf("Wait = %v, status %v; want 7", err, child.ProcessState)
		}
	}
}
