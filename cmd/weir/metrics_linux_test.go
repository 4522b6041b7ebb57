package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/admin"
)

// Metrics say what a scripted load did, to the last request, and go on counting when front and workers
// are replaced.
func TestMetrics(t *testing.T) {
	t.Parallel()
	in := start(t, "--config", fileOf(t, shortDir(t), `
sites: {s: {bindings: ["127.0.0.1:0"], apps: {/: {pool: p}, /hold: {pool: q}, /text: {respond: {body: x}}}}}
pools:
  p: {command: [testworker], workers: 2}
  q: {command: [testworker], concurrency: 1, queue: {length: 1}}
`))
	in.settled("p", 2)
	b := &bed{instance: in, t: t}
	for range 7 {
		in.get("/pid")
	}
	for range 3 {
		in.get("/answer?code=500")
	}
	in.get("/text")
	holding(b, "/hold", func() string {
		c := in.dial()  // waits
		defer c.Close() //nolint:errcheck // leaves the queue
		if _, err := io.WriteString(c, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		in.metrics(map[string]string{
			`weir_pool_in_flight{pool="q"}`: "1", `weir_pool_queue_length{pool="q"}`: "1",
		})
		if got := in.get("/hold").status; got != 503 {
			t.Errorf("beside one that waits: %d; want 503", got)
		}
		if err := c.(*net.TCPConn).SetLinger(0); err != nil { // a reset: it leaves the queue at once
			t.Fatal(err)
		}
		_ = c.Close()
		in.metrics(map[string]string{`weir_pool_queue_length{pool="q"}`: "0"})
		return ""
	})
	in.metrics(map[string]string{
		`weir_requests_total`:                                      "14",
		`weir_responses_total{class="2xx"}`:                        "9",
		`weir_responses_total{class="5xx"}`:                        "4",
		`weir_reasons_total{reason="QueueFull"}`:                   "1",
		`weir_pool_requests_total{pool="p"}`:                       "10",
		`weir_pool_completed_total{pool="p"}`:                      "10",
		`weir_pool_errors_total{pool="p"}`:                         "3",
		`weir_pool_requests_total{pool="q"}`:                       "3",
		`weir_pool_queued_total{pool="q"}`:                         "1",
		`weir_pool_queue_full_total{pool="q"}`:                     "1",
		`weir_pool_in_flight{pool="q"}`:                            "0",
		`weir_pool_queue_length{pool="q"}`:                         "0",
		`weir_pool_worker_starts_total{pool="p"}`:                  "2",
		`weir_pool_workers{pool="p",state="ready"}`:                "2",
		`weir_pool_recycles_total{pool="p",reason="command"}`:      "0",
		`weir_pool_worker_failures_total{pool="p",kind="exit"}`:    "0",
		`weir_pool_last_worker_failure_time_seconds{pool="p"}`:     "0",
		`weir_pool_state{pool="p",state="running"}`:                "1",
		`weir_pool_state{pool="p",state="stopped"}`:                "0",
		`weir_front_restarts_total{front="0"}`:                     "0",
		`weir_pool_worker_failures_total{pool="q",kind="unserve"}`: "",
	})

	victim := any1(in.settled("p", 2))
	for _, pid := range []int{victim, in.status().Fronts[0].PID} {
		if err := unix.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	in.until("both replaced", func(s *admin.Status) bool {
		now := pids(s, "p")
		return len(now) == 2 && !now[victim] && s.Fronts[0].State == "up" && s.Fronts[0].Restarts == 1
	})
	if code, _, stderr := in.weir("recycle", "p"); code != 0 {
		t.Fatalf("weir recycle: %d, %s", code, stderr)
	}
	in.get("/pid")
	if code, _, stderr := in.weir("stop", "q"); code != 0 {
		t.Fatalf("weir stop: %d, %s", code, stderr)
	}
	in.metrics(map[string]string{
		`weir_requests_total`:                                   "15",
		`weir_pool_completed_total{pool="p"}`:                   "11",
		`weir_pool_requests_total{pool="p"}`:                    "11",
		`weir_pool_worker_failures_total{pool="p",kind="exit"}`: "1",
		`weir_pool_recycles_total{pool="p",reason="command"}`:   "2",
		`weir_pool_worker_starts_total{pool="p"}`:               "5",
		`weir_front_restarts_total{front="0"}`:                  "1",
		`weir_pool_state{pool="q",state="stopped"}`:             "1",
		`weir_pool_workers{pool="q",state="ready"}`:             "0",
	})
}

// metrics waits until GET /metrics has these values; "" is no sample.
func (in *instance) metrics(want map[string]string) {
	c := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(in.dir, admin.SocketName))
		}}}
	wrong := ""
	for late := time.Now().Add(patience); time.Now().Before(late); {
		resp, err := c.Get("http://weir/metrics")
		if err != nil {
			in.t.Fatalf("GET /metrics: %v", err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close() // read to its end
		if err != nil || resp.Header.Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
			in.t.Fatalf("GET /metrics: %v, %v", resp.Header, err)
		}
		got := map[string]string{}
		for line := range strings.Lines(string(text)) {
			if head, help, ok := strings.Cut(line, " "); ok && head == "#" {
				if len(strings.Fields(help)) < 3 {
					in.t.Fatalf("%q: says nothing", line)
				}
				continue
			}
			at := strings.LastIndexByte(line, ' ')
			got[line[:at]] = strings.TrimSpace(line[at:])
		}
		wrong = ""
		for name, value := range want {
			if got[name] != value {
				wrong += name + " " + got[name] + ", want " + value + "\n"
			}
		}
		if wrong == "" {
			return
		}
	}
	in.t.Fatalf("metrics:\n%s", wrong)
}
