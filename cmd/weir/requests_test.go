//go:build linux

package main

import (
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
)

// weir requests lists what is under way, by worker and in the queue, oldest first; what is over is not
// there.
func TestRequests(t *testing.T) {
	t.Parallel()
	in := start(t, "--config", fileOf(t, shortDir(t), `
sites: {s: {bindings: ["127.0.0.1:0"], middleware: [request-id], apps: {/: {pool: p}, /hold: {pool: q}}}}
pools: {p: {command: [testworker]}, q: {command: [testworker], concurrency: 1}}
`))
	in.settled("q", 1)
	send := func(request string) net.Conn {
		t.Helper()
		c := in.dial()
		t.Cleanup(func() { _ = c.Close() }) // again, where the test has not come so far
		if _, err := io.WriteString(c, request+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return c
	}
	list := func(args ...string) string {
		t.Helper()
		code, out, stderr := in.weir(append([]string{"requests"}, args...)...)
		if code != 0 {
			t.Fatalf("weir requests %q: %d, %s", args, code, stderr)
		}
		_, rows, _ := strings.Cut(out, "\n")
		return rows
	}
	if got := list(); got != "" {
		t.Errorf("nothing is under way: %s", got)
	}
	held := send("GET /hold?token=secret")
	in.until("one is held", inFlight)
	queued := send("GET /hold/queue?d")
	in.until("one waits", waiting)
	other := send("POST /trickle")
	row := func(worker, stage, method, path string) string {
		return worker + ` +\d\S* +(` + stage + `) +` + method + ` +` + path + ` +[0-9a-zA-Z-]+\n`
	}
	const begun = "sent|answering"
	hold, wait := row("q/1", begun, "GET", "/hold"), row("q", "queued", "GET", "/hold/queue")
	trickle := row("p/1", begun, "POST", "/trickle")
	for deadline := 200; ; deadline-- { // until the last one is there
		got := list()
		if regexp.MustCompile("^" + hold + wait + trickle + "$").MatchString(got) {
			break
		}
		if deadline == 0 {
			t.Fatalf("weir requests:\n%s", got)
		}
	}
	for _, tc := range []struct {
		want string
		args []string
	}{
		{hold + wait, []string{"q"}}, {hold, []string{"q/1"}}, {trickle, []string{"p/1", "--older", "1ms"}},
		{"", []string{"--older", "1h"}},
	} {
		if got := list(tc.args...); !regexp.MustCompile("^" + tc.want + "$").MatchString(got) {
			t.Errorf("weir requests %q:\n%swant %s", tc.args, got, tc.want)
		}
	}
	for _, tc := range []struct {
		code int
		text string
		args []string
	}{
		{2, "has no unit", []string{"--older", "5"}}, {2, "neither POOL nor POOL/N", []string{"q/x"}},
		{2, "want POOL", []string{"q", "p"}}, {1, "unknown pool", []string{"r"}},
		{1, "unknown worker q/9", []string{"q/9"}},
	} {
		code, _, stderr := in.weir(append([]string{"requests"}, tc.args...)...)
		if code != tc.code || !strings.Contains(stderr, tc.text) {
			t.Errorf("weir requests %q: %d, %s; want %d, %q", tc.args, code, stderr, tc.code, tc.text)
		}
	}
	for _, c := range []net.Conn{held, queued, other} {
		_ = c.Close()
	}
	for deadline := 200; list() != ""; deadline-- {
		if deadline == 0 {
			t.Fatalf("all have left, and weir requests says:\n%s", list())
		}
	}
}
