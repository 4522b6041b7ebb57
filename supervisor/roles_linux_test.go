package supervisor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

func fcntlGetFlags(fd uintptr) (int, error) { return unix.FcntlInt(fd, unix.F_GETFL, 0) }

// superviseRole runs one pool in TEST_DIR, prints its worker's pid and waits to be killed.
func superviseRole() int {
	ps, err := NewPools(PoolsOptions{Link: nopLink{}, RuntimeDir: os.Getenv("TEST_DIR"), Process: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	p, err := ps.Add(testConfig("doomed", "serve"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := p.Start(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(p.Status().Workers[0].PID)
	select {}
}

// familyRole starts a child in its own group or, as a runaway, in a session of its own, and serves.
func familyRole(runaway bool) int {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), "TEST_ROLE=mute")
	if os.Getenv("TEST_FORGET") != "" { // whose child it is
		c.Env = []string{"TEST_ROLE=mute"}
	}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: runaway}
	if err := c.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("child", c.Process.Pid)
	return serveRole("unix", os.Getenv("WEIR_SOCKET"), true)
}
