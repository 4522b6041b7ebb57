//go:build linux

package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnreadLog: nobody reads the pipe that is our log, and the front has more to say than the pipe
// holds: loops serve on.
func TestUnreadLog(t *testing.T) {
	dir := shortDir(t)
	file := fileOf(t, dir, `
trusted_proxies: [127.0.0.1]
listeners: {"127.0.0.1:0": {proxy_protocol: optional}}
sites:
  s: {bindings: ["127.0.0.1:0"], apps: {/: {respond: {body: text}}}}
`)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // read from only
	size, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096)
	if err != nil {
		t.Fatal(err)
	}
	in := &instance{t: t, dir: filepath.Join(dir, "rt"), exited: make(chan struct{})}
	in.cmd = exec.Command(filepath.Join(bin, "weir"), "--config", file, "--runtime-dir", in.dir,
		"--loops", "1")
	in.cmd.Stderr = w
	in.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if err := in.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close() // the child's now
	go func() {
		if st, err := in.cmd.Process.Wait(); err == nil { // never fails for a child
			in.exit = st.ExitCode()
		}
		close(in.exited)
	}()
	defer in.stop()
	log := bufio.NewScanner(r)
	for in.url == "" {
		if !log.Scan() {
			t.Fatalf("no ready line: %v", log.Err())
		}
		if m := readyLine.FindStringSubmatch(log.Text()); m != nil {
			in.url = m[1]
		}
	}
	const refused = 200 // a line each
	for range refused {
		c := in.dial()
		_, _ = io.WriteString(c, "PROXY malformed\r\n") // may be reset at once
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the loop does not serve: %v", err)
		}
		_ = c.Close() // nothing else is asked of it
	}
	if got := in.get("/"); got.body != "text" {
		t.Errorf("GET / = %+v; want text", got)
	}
	said, bytes := 0, 0
	for said < refused && log.Scan() {
		if strings.Contains(log.Text(), "PROXY header refused") {
			said++
			bytes += len(log.Text())
		}
	}
	if bytes <= 2*size { // the pipe, and what a scanner may have read ahead
		t.Errorf("%d bytes in %d lines; want more than the pipe of %d holds", bytes, said, size)
	}
	go io.Copy(io.Discard, r) //nolint:errcheck // what it says at its end
}
