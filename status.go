package weir

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"time"

	"weir/pipeline"
	"weir/pipeline/dispatch"
	"weir/pipeline/server"
	"weir/supervisor/admin"
)

// States of a Server in its Status.
const (
	stateRunning  = "running"
	stateDraining = "draining"
	stateStopped  = "stopped"
)

// serving is a Server between its start and its end; replaced, never changed.
type serving struct {
	server   *server.Server // nil when it has stopped
	began    time.Time
	state    string
	counters []uint64 // when it has stopped: what they came to
}

// frontReport is what a front says of itself.
type frontReport struct {
	Connections int                  `json:"connections"`
	Loops       int                  `json:"loops"`
	LogLost     uint64               `json:"log_lost"` // lines of our own log that nobody took
	Spool       dispatch.SpoolStatus `json:"spool"`
	Pools       []dispatch.Status    `json:"pools"`
}

func reportOf(srv *server.Server, loops int, sp *dispatch.Spool, ps []*dispatch.Pool) frontReport {
	r := frontReport{Connections: srv.Connections(), Loops: loops, Pools: []dispatch.Status{}}
	if sp != nil {
		r.Spool = sp.Snapshot()
	}
	for _, p := range ps {
		r.Pools = append(r.Pools, p.Snapshot())
	}
	return r
}

// Status is what the server is now, in the words and numbers of weir status --json: it is an instance
// with one front, whose report holds what dispatch knows of the pools. Before Start it is empty. Not on
// a loop: it waits for them.
func (s *Server) Status() admin.Status {
	now := s.state.Load()
	if now == nil {
		return admin.Status{State: stateStopped}
	}
	st := admin.Status{
		PID: os.Getpid(), Version: version(), State: now.state, Started: now.began,
		Uptime: time.Since(now.began).Seconds(), RuntimeDir: s.runtimeDir(),
		Listeners: []admin.Listener{}, Fronts: []admin.Front{}, Sidecars: []admin.Sidecar{},
		Pools: []admin.Pool{}, Counters: map[string]uint64{},
	}
	counters := now.counters
	if now.server != nil {
		counters = now.server.Counters()
		st.Fronts = append(st.Fronts, s.frontStatus(now))
	}
	for i, name := range server.CounterNames() {
		st.Counters[name] = counters[i]
	}
	for _, a := range s.addrs {
		st.Listeners = append(st.Listeners, admin.Listener{
			Address: addressOf(a), URL: urlOf(a), Sockets: 1,
		})
	}
	for _, p := range s.Pools {
		st.Pools = append(st.Pools, p.Status())
	}
	return st
}

func (s *Server) frontStatus(now *serving) admin.Front {
	f := admin.Front{State: "up", PID: os.Getpid(), Started: now.began}
	r := reportOf(now.server, len(s.loops), s.spool, s.dispatchers())
	f.Report, _ = json.Marshal(r) // numbers and names
	return f
}

// Metrics is a handler of all that /metrics of the admin API says, in the text format of Prometheus.
func (s *Server) Metrics() pipeline.Handler {
	return pipeline.Blocking(func(c *pipeline.Context) {
		st := s.Status()
		_ = c.SetHeader("Content-Type", admin.MetricsType) // well-formed, and nothing has started
		c.SetStatus(200)
		_, _ = c.Write(admin.AppendMetrics(nil, &st)) // a client that goes has no use for the rest
	})
}

func addressOf(a net.Addr) string {
	if a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return a.String()
}

func urlOf(a net.Addr) string {
	if a.Network() == "unix" {
		return addressOf(a)
	}
	return fmt.Sprintf("http://%s", a)
}
