package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"weir/supervisor/admin"
)

// A supervisor that was killed can be started again at once: same address, same runtime directory.
func TestRestartAfterKill(t *testing.T) {
	t.Parallel()
	first := start(t, "--listen", "127.0.0.1:0")
	first.settled("demo", 2)
	if err := first.cmd.Process.Signal(syscall.SIGKILL); err != nil { // and not waited for
		t.Fatal(err)
	}
	next := launch(t, first.dir, "", os.Environ(), "--listen", first.address())
	defer next.stop()
	next.awaitReady()
	if next.url != first.url {
		t.Errorf("it listens on %s; want %s", next.url, first.url)
	}
	if got := next.get("/worker/hello"); got.status != 200 {
		t.Errorf("GET /worker/hello = %d %q; want 200", got.status, got.body)
	}
	<-first.exited
}

// Requests do not pass through the supervisor: while it stands still they are answered. What happened
// meanwhile is made good when it goes on.
func TestSupervisorStandsStill(t *testing.T) {
	t.Parallel()
	in := start(t, "--listen", "127.0.0.1:0")
	workers := in.settled("demo", 2)
	front := in.status().Fronts[0].PID
	in.signal(syscall.SIGSTOP)
	for range 20 {
		if got := in.get("/worker/hello"); got.status != 200 {
			t.Errorf("GET /worker/hello beside a stopped supervisor = %d %q; want 200", got.status, got.body)
		}
	}
	victim := any1(workers)
	for _, pid := range []int{victim, front} {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatalf("kill %d: %v", pid, err)
		}
	}
	c := in.dial()  // nobody accepts now, and nobody refuses
	defer c.Close() //nolint:errcheck // not asked anything
	in.signal(syscall.SIGCONT)
	in.until("front and worker replaced", func(s *admin.Status) bool {
		now := pids(s, "demo")
		return s.Fronts[0].State == "up" && s.Fronts[0].PID != front && len(now) == 2 && !now[victim]
	})
	if got := in.get("/worker/hello"); got.status != 200 {
		t.Errorf("GET /worker/hello after all = %d %q; want 200", got.status, got.body)
	}
}

// Reloads leave no descriptor behind, in the supervisor or in the front.
func TestReloadsKeepNothing(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	text := func(i int) string {
		more := ""
		if i%2 != 0 {
			more = `, "unix:DIR/more.sock"`
		}
		return fmt.Sprintf("sites: {a: {bindings: [\"127.0.0.1:0\"%s], apps: {/: {respond: {body: x%d}}}}}\n",
			more, i)
	}
	in := start(t, "--config", fileOf(t, dir, text(0)))
	front := in.status().Fronts[0].PID
	reload := func(i int) {
		fileOf(t, dir, text(i))
		if err := in.admin().Reload(t.Context(), true); err != nil {
			t.Fatalf("reload %d: %v", i, err)
		}
	}
	reload(1)
	reload(2)
	before := []int{descriptors(t, in.cmd.Process.Pid), descriptors(t, front)}
	last := 2 * rounds(500, 25)
	for i := 3; i <= last; i++ {
		reload(i)
	}
	if got, want := in.get("/").body, fmt.Sprintf("x%d", last); got != want {
		t.Errorf("GET / = %q; want %q", got, want)
	}
	for i, pid := range []int{in.cmd.Process.Pid, front} {
		// Connections to the admin socket come and go.
		if now := descriptors(t, pid); now > before[i]+2 {
			t.Errorf("pid %d holds %d descriptors after %d reloads; want %d", pid, now, last, before[i])
		}
	}
}

// descriptors is how many descriptors pid holds.
func descriptors(t *testing.T, pid int) int {
	t.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// A client's sticky cookie outlives the front that gave it.
func TestStickyAcrossFronts(t *testing.T) {
	t.Parallel()
	b := startBed(t, edit{pool: "workers: 3, balance: sticky"})
	first := b.get("/pid")
	cookie, _, _ := strings.Cut(first.header.Get("Set-Cookie"), ";")
	front := b.status().Fronts[0].PID
	if err := unix.Kill(front, unix.SIGKILL); err != nil {
		t.Fatalf("kill %d: %v", front, err)
	}
	b.until("front replaced", func(s *admin.Status) bool {
		return s.Fronts[0].State == "up" && s.Fronts[0].PID != front
	})
	for range 6 {
		got := b.get("/pid", "Cookie: "+cookie)
		if got.body != first.body || got.header.Get("Set-Cookie") != "" {
			t.Errorf("after the front's death: %q, Set-Cookie %q; want %q and none", got.body,
				got.header.Get("Set-Cookie"), first.body)
		}
	}
}
