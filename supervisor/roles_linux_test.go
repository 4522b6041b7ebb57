package supervisor

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

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

// greed takes of what, once SIGUSR1 has come, and says how much it got.
func greed(what string) {
	usr1 := make(chan os.Signal, 1)
	signal.Notify(usr1, syscall.SIGUSR1)
	fmt.Println("waiting for SIGUSR1")
	<-usr1
	switch what {
	case "memory":
		var kept [][]byte
		for len(kept) < 256 {
			kept = append(kept, bytes.Repeat([]byte{1}, 1<<20))
		}
		fmt.Println("got", len(kept), "MiB")
	case "pids":
		n := 0
		for ; n < 100; n++ {
			c := exec.Command("/proc/self/exe")
			c.Env = []string{"TEST_ROLE=mute"}
			if err := c.Start(); err != nil {
				break
			}
		}
		fmt.Println("got", n, "children")
	case "cpu":
		var before, after unix.Rusage
		_ = unix.Getrusage(unix.RUSAGE_SELF, &before)
		for end := time.Now().Add(time.Second); time.Now().Before(end); {
		}
		_ = unix.Getrusage(unix.RUSAGE_SELF, &after)
		used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
		fmt.Println("got", used/int64(time.Millisecond), "ms of a second")
	}
}
