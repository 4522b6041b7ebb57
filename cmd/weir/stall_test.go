package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"weir"
	"weir/pipeline"
	"weir/supervisor/admin"
)

// testapp is a program made with Weir: the handlers of testworker, and one that holds its loop up.
func testapp() {
	weir.Main(weir.App{Name: "testapp", Setup: hosted,
		Handlers: map[string]weir.Setup{"sluggish": sluggish}})
}

// hosted serves what testworker serves, wherever it runs.
func hosted(_ context.Context, b *pipeline.Builder) error {
	b.Run(pipeline.FromHTTP(noted(workerMux("testapp"))))
	return nil
}

// sluggish waits on the loop for somebody to open the FIFO that STALL_FIFO names; what it should be is
// Blocking.
func sluggish(_ context.Context, b *pipeline.Builder) error {
	b.Run(func(c *pipeline.Context) {
		f, err := os.Open(os.Getenv("STALL_FIFO"))
		if err != nil {
			c.Text(500, err.Error())
			return
		}
		_ = f.Close() // nothing is written to it
		c.Text(200, "at last")
	})
	return nil
}

// TestStalledLoop: a handler that waits on the loop is named in the log, once, and counted.
func TestStalledLoop(t *testing.T) {
	dir := shortDir(t)
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	file := fileOf(t, dir, `
loops: 1
sites:
  shop:
    bindings: ["127.0.0.1:0"]
    middleware: [request-id]
    apps: {/slow: {handler: sluggish}}
`)
	in := launchProgram(t, "testapp", filepath.Join(dir, "rt"), dir,
		append(os.Environ(), "STALL_FIFO="+fifo), "--config", file)
	defer in.stop()
	in.awaitReady()
	answered := make(chan string)
	go func() {
		resp, err := http.Get(in.url + "/slow/lane?q=1")
		if err != nil {
			answered <- err.Error()
			return
		}
		b, _ := io.ReadAll(resp.Body) // what is there is compared
		_ = resp.Body.Close()         // read to its end
		answered <- resp.Header.Get("X-Request-Id") + " " + string(b)
	}()
	line, ok := in.stderr.await(0, regexp.MustCompile(`msg="loop stalled"`))
	if !ok {
		t.Fatalf("no stall in the log:\n%s", &in.stderr)
	}
	if n := in.status().Counters["loop_stalls"]; n != 1 {
		t.Errorf("loop_stalls = %d while it lasts; want 1", n)
	}
	if l := in.status().Fronts[0].Loops; len(l) != 1 || l[0].LagMax < 0.4 || l[0].Lag < l[0].LagMax ||
		l[0].Looks < 5 {
		t.Errorf("loops %+v while it lasts; want the lag of one", l)
	}
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0) // ends the stall
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close() // nothing was written
	id, body, _ := strings.Cut(<-answered, " ")
	if body != "at last" {
		t.Fatalf("GET /slow/lane = %q %q; want an answer at last", id, body)
	}
	want := regexp.MustCompile(`level=WARN msg="loop stalled" loop=0 for=(5|6|7|8|9)\d\dms ` +
		`handler=sluggish site=shop app=/slow method=GET path=/slow/lane request_id=` + id + `$`)
	if !want.MatchString(line) && !strings.Contains(line, "for=1") { // a busy machine is late
		t.Errorf("log: %s\nwant %s", line, want)
	}
	in.until("requests counted", func(s *admin.Status) bool { return s.Counters["requests"] == 1 })
	if n := strings.Count(in.stderr.String(), "loop stalled"); n != 1 {
		t.Errorf("%d lines of one stall; want 1:\n%s", n, &in.stderr)
	}
}
