package admin

import (
	"strings"
	"testing"
	"time"
)

// Every sample of a status, in the words of the format.
func TestMetrics(t *testing.T) {
	s := Status{
		Version: "1.0\"\\\n", Started: time.UnixMilli(1500),
		Fronts:   []Front{{State: "up", Restarts: 2, Loops: []Loop{{}, {1.5, 30, 0.25}}}, {Slot: 1, State: "down"}},
		Sidecars: []Sidecar{{Name: "cache", State: "running", Starts: 3}},
		Counters: map[string]uint64{
			"requests": 1 << 40, "connections_open": 2, "reason_QueueFull": 5, "responses_2xx": 7,
		},
		Pools: []Pool{{
			Name: "a b", State: "running", WantCount: 2, Waiting: 3, Oldest: 0.25, Held: 4,
			Workers:  []Worker{{State: "ready", RSS: 10, LoopLag: 0.5}, {State: "ready", RSS: 20}, {State: "draining"}},
			Recycles: map[string]uint64{"age": 1, "command": 0},
			Totals: PoolTotals{
				Requests: 11, Queued: 12, QueueFull: 13, QueueTimeout: 14, Timeouts: 15, Refused: 16,
				Replays: 17, Completed: 18, Errors: 19, Started: 20, Failed: 21, Corrections: 22,
				Mishaps: map[string]uint64{"hang": 23}, LastMishap: time.Unix(24, 0),
			},
		}},
	}
	text := string(AppendMetrics(nil, &s))
	for _, want := range []string{
		`weir_info{version="1.0\"\\\n"} 1`,
		`weir_start_time_seconds 1.5`,
		`weir_requests_total 1099511627776`,
		`weir_connections_open 2`,
		`weir_reasons_total{reason="QueueFull"} 5`,
		`weir_responses_total{class="2xx"} 7`,
		`weir_front_up{front="0"} 1`,
		`weir_front_up{front="1"} 0`,
		`weir_front_restarts_total{front="0"} 2`,
		`weir_loop_lag_seconds_total{front="0",loop="0"} 0`,
		`weir_loop_lag_seconds_total{front="0",loop="1"} 1.5`,
		`weir_loop_lag_looks_total{front="0",loop="1"} 30`,
		`weir_loop_lag_max_seconds{front="0",loop="1"} 0.25`,
		`weir_pool_loop_lag_max_seconds{pool="a b"} 0.5`,
		`weir_sidecar_up{sidecar="cache"} 1`,
		`weir_sidecar_starts_total{sidecar="cache"} 3`,
		`weir_pool_state{pool="a b",state="running"} 1`,
		`weir_pool_state{pool="a b",state="failed"} 0`,
		`weir_pool_workers{pool="a b",state="ready"} 2`,
		`weir_pool_workers{pool="a b",state="draining"} 1`,
		`weir_pool_workers{pool="a b",state="suspended"} 0`,
		`weir_pool_workers_wanted{pool="a b"} 2`,
		`weir_pool_rss_bytes{pool="a b"} 30`,
		`weir_pool_queue_length{pool="a b"} 3`,
		`weir_pool_queue_oldest_seconds{pool="a b"} 0.25`,
		`weir_pool_in_flight{pool="a b"} 4`,
		`weir_pool_requests_total{pool="a b"} 11`,
		`weir_pool_queued_total{pool="a b"} 12`,
		`weir_pool_queue_full_total{pool="a b"} 13`,
		`weir_pool_queue_timeouts_total{pool="a b"} 14`,
		`weir_pool_worker_timeouts_total{pool="a b"} 15`,
		`weir_pool_connects_refused_total{pool="a b"} 16`,
		`weir_pool_replays_total{pool="a b"} 17`,
		`weir_pool_completed_total{pool="a b"} 18`,
		`weir_pool_errors_total{pool="a b"} 19`,
		`weir_pool_worker_starts_total{pool="a b"} 20`,
		`weir_pool_failed_total{pool="a b"} 21`,
		`weir_pool_books_corrected_total{pool="a b"} 22`,
		`weir_pool_worker_failures_total{pool="a b",kind="hang"} 23`,
		`weir_pool_last_worker_failure_time_seconds{pool="a b"} 24`,
		`weir_pool_recycles_total{pool="a b",reason="age"} 1`,
		`weir_pool_recycles_total{pool="a b",reason="command"} 0`,
	} {
		if n := strings.Count(text, "\n"+want+"\n"); n != 1 {
			t.Errorf("%d lines %q; want one, in\n%s", n, want, text)
		}
	}
	wantFamilies(t, text)
}

// wantFamilies wants every sample below the head of its family, and every family once.
func wantFamilies(t *testing.T, text string) {
	t.Helper()
	seen := map[string]bool{}
	family := ""
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "# HELP "):
			family = words[2]
			if seen[family] || len(words) < 4 {
				t.Errorf("%q: seen before, or without a word", line)
			}
			seen[family] = true
		case strings.HasPrefix(line, "# TYPE "):
			if words[2] != family || strings.HasSuffix(family, "_total") != (words[3] == "counter") {
				t.Errorf("%q below the help of %s; want its type, and counters to end in _total", line, family)
			}
		default:
			if name, _, _ := strings.Cut(words[0], "{"); name != family {
				t.Errorf("%q among samples of %s", line, family)
			}
		}
	}
}
