//go:build linux

package main

import (
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestPoolsOfTwoUsers: behind a front of one user, two pools of two others. Requests reach both; neither
// reaches what belongs to the other or to Weir, and no secret is where others can look.
func TestPoolsOfTwoUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may give its processes other users")
	}
	daemon, err := user.Lookup("daemon")
	if err != nil {
		t.Skipf("this machine has no second account: %v", err)
	}
	e := edit{
		top:  `user: "64003:64004"`,
		pool: `user: nobody, env: {set: {SECRET: of-p}}`,
		app:  `/r: {pool: r}`,
		pools: `r: {command: [testworker, -say, other], user: daemon, rlimits: {nofile: 99}, ` +
			`env: {inherit: false, keep: [PATH], set: {SECRET: of-r}}}`,
	}
	b := startBed(t, e)
	file := b.path("weir.yaml")
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	b.apply(t, e) // whoever needs the file is root
	s := b.status()
	p, r := poolOf(s, "p").Workers[0], poolOf(s, "r").Workers[0]
	for _, tt := range []struct {
		what string
		pid  int
		want string
	}{{"front", s.Fronts[0].PID, "64003"}, {"worker of p", p.PID, strconv.Itoa(nobodyID)},
		{"worker of r", r.PID, daemon.Uid}} {
		if got := uidOf(tt.pid); got != tt.want {
			t.Errorf("%s runs as user %s; want %s", tt.what, got, tt.want)
		}
	}
	if got, other := body("/")(b), body("/r")(b); got != "testworker" || other != "other" {
		t.Errorf("GET / = %q, GET /r = %q; want an answer of each pool", got, other)
	}
	for _, tt := range []struct{ what, path, want string }{
		{"connect", p.Address, "<nil>"}, // its own
		{"connect", r.Address, "permission denied"},
		{"list", filepath.Dir(r.Address), "permission denied"},
		{"list", b.dir, "permission denied"},
		{"connect", filepath.Join(b.dir, "admin.sock"), "permission denied"},
		{"read", file, "permission denied"},
		{"read", fmt.Sprintf("/proc/%d/environ", r.PID), "permission denied"},
		{"read", fmt.Sprintf("/proc/%d/environ", b.cmd.Process.Pid), "permission denied"},
		{"list", fmt.Sprintf("/proc/%d/fd", s.Fronts[0].PID), "permission denied"},
	} {
		query := url.Values{"to": {tt.what}, "path": {tt.path}}
		if got := body("/try?" + query.Encode())(b); got != tt.want {
			t.Errorf("a worker of p: %s %s = %q; want %q", tt.what, tt.path, got, tt.want)
		}
	}
	secretsKept(t, b, p.PID, r.PID, s.Fronts[0].PID)
}

// secretsKept wants each worker to have its own secret, and nobody any in arguments or in the log.
func secretsKept(t *testing.T, b *bed, p, r, front int) {
	t.Helper()
	for pid, want := range map[int]string{p: "SECRET=of-p", r: "SECRET=of-r", front: "",
		b.cmd.Process.Pid: ""} {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for kv := range strings.SplitSeq(string(env), "\x00") {
			if strings.Contains(kv, "of-p") || strings.Contains(kv, "of-r") {
				got += kv
			}
		}
		if got != want {
			t.Errorf("secrets in the environment of %d: %q; want %q", pid, got, want)
		}
		args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || strings.Contains(string(args), "of-") {
			t.Errorf("arguments of %d: %q, %v; want no secret", pid, args, err)
		}
	}
	if log := b.stderr.String(); strings.Contains(log, "of-p") || strings.Contains(log, "of-r") {
		t.Errorf("a secret is in the log:\n%s", log)
	}
}
