package admin

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// metrics answers GET /metrics: what status says, in numbers. Labels are names of the configuration and
// words of fixed lists, never of a request or of a worker, so that there is a bound to how many series
// there are.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	st := s.inst.Status(r.Context())
	s.write(w, http.StatusOK, MetricsType, AppendMetrics(nil, &st))
}

// MetricsType is the media type of AppendMetrics.
const MetricsType = "text/plain; version=0.0.4; charset=utf-8"

// AppendMetrics appends all of an instance's metrics, in the text format of Prometheus.
func AppendMetrics(dst []byte, s *Status) []byte {
	x := &exposition{dst}
	x.family("weir_info", gauge, "Always 1; the version is a label.")
	x.sample("weir_info", 1, "version", s.Version)
	x.family("weir_start_time_seconds", gauge, "When the instance was started, Unix time.")
	x.sample("weir_start_time_seconds", unixSeconds(s.Started))
	x.counters(s.Counters)
	x.fronts(s.Fronts)
	x.sidecars(s.Sidecars)
	for _, f := range poolFamilies {
		x.family(f.name, f.kind, f.help)
		for i := range s.Pools {
			f.samples(x, f.name, &s.Pools[i])
		}
	}
	return x.b
}

func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// counters are those of the fronts' loops: NAME is weir_NAME_total, but for what is open now, and
// "reason_" and "responses_" are families with a label.
func (x *exposition) counters(all map[string]uint64) {
	const reasons, classes = "reason_", "responses_"
	names := slices.Sorted(maps.Keys(all))
	labelled := func(prefix, family, label, help string) {
		x.family(family, counter, help)
		for _, n := range names {
			if word, ok := strings.CutPrefix(n, prefix); ok {
				x.sample(family, float64(all[n]), label, word)
			}
		}
	}
	labelled(reasons, "weir_reasons_total", "reason", "Exchanges that Weir itself answered or cut, by reason.")
	labelled(classes, "weir_responses_total", "class", "Responses, by class of status.")
	for _, n := range names {
		switch {
		case strings.HasPrefix(n, reasons), strings.HasPrefix(n, classes):
		case strings.HasSuffix(n, "_open"):
			x.family("weir_"+n, gauge, frontHelp[n])
			x.sample("weir_"+n, float64(all[n]))
		default:
			x.family("weir_"+n+"_total", counter, frontHelp[n])
			x.sample("weir_"+n+"_total", float64(all[n]))
		}
	}
}

// frontHelp says what counters of fronts are.
var frontHelp = map[string]string{
	"connections":        "Connections of clients that were accepted.",
	"connections_open":   "Connections of clients that are open now.",
	"requests":           "Requests, those refused before routing included.",
	"requests_completed": "Requests whose response is complete or given up.",
	"bytes_in":           "Bytes of request bodies.",
	"bytes_out":          "Bytes of responses, heads included.",
	"panics":             "Handlers that panicked.",
	"log_dropped":        "Lines of the access log that were dropped.",
	"loop_stalls":        "Turns of an event loop that lasted too long.",
}

func (x *exposition) fronts(fronts []Front) {
	x.family("weir_front_up", gauge, "1 while the front process accepts connections.")
	for _, f := range fronts {
		x.sample("weir_front_up", boolean(f.State == "up"), "front", strconv.Itoa(f.Slot))
	}
	x.family("weir_front_restarts_total", counter, "Front processes that replaced another one.")
	for _, f := range fronts {
		x.sample("weir_front_restarts_total", float64(f.Restarts), "front", strconv.Itoa(f.Slot))
	}
	for _, lag := range loopFamilies {
		x.family(lag.name, lag.kind, lag.help)
		for _, f := range fronts {
			for i := range f.Loops {
				x.sample(lag.name, lag.of(&f.Loops[i]), "front", strconv.Itoa(f.Slot), "loop", strconv.Itoa(i))
			}
		}
	}
}

// loopFamilies are the metrics of the event loops of fronts.
var loopFamilies = []struct {
	name string
	kind metricKind
	help string
	of   func(*Loop) float64
}{
	{"weir_loop_lag_seconds_total", counter, "How long what comes waits for the event loop, summed over looks at it.",
		func(l *Loop) float64 { return l.Lag }},
	{"weir_loop_lag_looks_total", counter, "Those looks, ten a second: lag by looks is the mean lag.",
		func(l *Loop) float64 { return float64(l.Looks) }},
	{"weir_loop_lag_max_seconds", gauge, "The largest lag that they saw in the last 10 seconds.",
		func(l *Loop) float64 { return l.LagMax }},
}

func (x *exposition) sidecars(sidecars []Sidecar) {
	x.family("weir_sidecar_up", gauge, "1 while the sidecar runs.")
	for _, c := range sidecars {
		x.sample("weir_sidecar_up", boolean(c.State == "running"), "sidecar", c.Name)
	}
	x.family("weir_sidecar_starts_total", counter, "Processes of the sidecar that were started.")
	for _, c := range sidecars {
		x.sample("weir_sidecar_starts_total", float64(c.Starts), "sidecar", c.Name)
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// poolFamily is one family of metrics of pools.
type poolFamily struct {
	name    string
	kind    metricKind
	help    string
	samples func(x *exposition, name string, p *Pool)
}

// number is a family with one value for each pool.
func number[N int | int64 | uint64 | float64](name string, kind metricKind, help string,
	of func(*Pool) N) poolFamily {
	return poolFamily{name, kind, help, func(x *exposition, name string, p *Pool) {
		x.sample(name, float64(of(p)), "pool", p.Name)
	}}
}

// byWord is a family with a value for each word of a list, for each pool.
func byWord[N int | uint64](name string, kind metricKind, label, help string,
	of func(*Pool) map[string]N) poolFamily {
	return poolFamily{name, kind, help, func(x *exposition, name string, p *Pool) {
		values := of(p)
		for _, word := range slices.Sorted(maps.Keys(values)) {
			x.sample(name, float64(values[word]), "pool", p.Name, label, word)
		}
	}}
}

var poolFamilies = []poolFamily{
	byWord("weir_pool_state", gauge, "state", "1 for the state that the pool is in.", poolStates),
	byWord("weir_pool_workers", gauge, "state", "Worker processes, by state.", workerStates),
	number("weir_pool_workers_wanted", gauge, "Workers wanted now.",
		func(p *Pool) int { return p.WantCount }),
	number("weir_pool_rss_bytes", gauge, "Resident memory of all workers.", residentBytes),
	number("weir_pool_loop_lag_max_seconds", gauge,
		"The largest lag of workers that accept for themselves in the last 10 seconds; 0 for others.", loopLag),
	number("weir_pool_queue_length", gauge, "Requests that wait for a worker.",
		func(p *Pool) int { return p.Waiting }),
	number("weir_pool_queue_oldest_seconds", gauge, "How long the oldest of them has waited.",
		func(p *Pool) float64 { return p.Oldest }),
	number("weir_pool_in_flight", gauge, "Requests that workers hold.",
		func(p *Pool) int { return p.Held }),
	number("weir_pool_requests_total", counter, "Requests that came while the pool was available.",
		func(p *Pool) uint64 { return p.Totals.Requests }),
	number("weir_pool_queued_total", counter, "Of them, those that had to wait.",
		func(p *Pool) uint64 { return p.Totals.Queued }),
	number("weir_pool_queue_full_total", counter, "Requests refused because the queue was full.",
		func(p *Pool) uint64 { return p.Totals.QueueFull }),
	number("weir_pool_queue_timeouts_total", counter, "Requests that waited too long.",
		func(p *Pool) uint64 { return p.Totals.QueueTimeout }),
	number("weir_pool_worker_timeouts_total", counter, "Requests that took a worker too long.",
		func(p *Pool) uint64 { return p.Totals.Timeouts }),
	number("weir_pool_connects_refused_total", counter, "Attempts to connect to a worker that failed.",
		func(p *Pool) uint64 { return p.Totals.Refused }),
	number("weir_pool_replays_total", counter, "Requests sent once more after a worker took a byte.",
		func(p *Pool) uint64 { return p.Totals.Replays }),
	number("weir_pool_completed_total", counter, "Requests that workers finished.",
		func(p *Pool) uint64 { return p.Totals.Completed }),
	number("weir_pool_errors_total", counter, "Of them, answers of 500 and above, and broken exchanges.",
		func(p *Pool) uint64 { return p.Totals.Errors }),
	number("weir_pool_worker_starts_total", counter, "Workers that were started.",
		func(p *Pool) uint64 { return p.Totals.Started }),
	byWord("weir_pool_worker_failures_total", counter, "kind",
		"Workers that left or were killed though nobody asked them to go.",
		func(p *Pool) map[string]uint64 { return p.Totals.Mishaps }),
	number("weir_pool_last_worker_failure_time_seconds", gauge, "When the last of them did, Unix time; 0: none.",
		func(p *Pool) float64 { return unixSeconds(p.Totals.LastMishap) }),
	byWord("weir_pool_recycles_total", counter, "reason", "Workers that left to be replaced.",
		func(p *Pool) map[string]uint64 { return p.Recycles }),
	number("weir_pool_failed_total", counter, "Times that rapid-fail protection took the pool offline.",
		func(p *Pool) uint64 { return p.Totals.Failed }),
	number("weir_pool_books_corrected_total", counter, "Workers whose end an audit noticed first.",
		func(p *Pool) uint64 { return p.Totals.Corrections }),
}

// poolStates has every state that a pool may be in.
func poolStates(p *Pool) map[string]int {
	all := map[string]int{"stopped": 0, "starting": 0, "running": 0, "failed": 0, "disabled": 0}
	all[p.State] = 1
	return all
}

// workerStates has every state that a worker with a process may be in.
func workerStates(p *Pool) map[string]int {
	all := map[string]int{
		"starting": 0, "ready": 0, "suspending": 0, "suspended": 0, "disabling": 0, "disabled": 0,
		"draining": 0, "orphaned": 0, "stopping": 0,
	}
	for _, w := range p.Workers {
		all[w.State]++
	}
	return all
}

func loopLag(p *Pool) (most float64) {
	for _, w := range p.Workers {
		most = max(most, w.LoopLag)
	}
	return most
}

func residentBytes(p *Pool) (sum int64) {
	for _, w := range p.Workers {
		sum += w.RSS
	}
	return sum
}
