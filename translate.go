package weir

import (
	"time"

	"weir/pipeline"
	"weir/pipeline/dispatch"
	"weir/pipeline/server"
	"weir/protocol/http1"
	"weir/supervisor"
	"weir/supervisor/config"
)

// This file turns configuration into the options of the packages that serve.

// serverOptions are the options of a front's server.
func serverOptions(c *config.Config) server.Options {
	o := server.Options{
		Limits:         serverLimits(limitsOf(c)),
		TrustedProxies: c.TrustedProxies,
		MinRate:        rateOf(c.MinRate.Rate),
		RateGrace:      time.Duration(c.MinRate.Grace),
		Timeouts: server.Timeouts{
			Header:    durationOr(c.Timeouts.Header, server.Never),
			KeepAlive: durationOr(c.Timeouts.Keepalive, server.Never),
			HalfClose: halfClose(c.Limits.HalfClose),
		},
	}
	if !c.ServerHeader {
		o.ServerHeader = "off"
	}
	switch c.Unmatched {
	case config.Unmatched400:
		o.Unmatched = server.Unmatched400
	case config.UnmatchedClose:
		o.Unmatched = server.UnmatchedClose
	}
	return o
}

func limitsOf(c *config.Config) config.AppLimits {
	l := c.Limits
	return config.AppLimits{RequestLine: l.RequestLine, Head: l.Head, Fields: l.Fields, Body: l.Body}
}

func serverLimits(l config.AppLimits) server.Limits {
	out := server.Limits{Head: http1.Limits{
		RequestLineBytes: int(l.RequestLine.Bytes()), HeadBytes: int(l.Head.Bytes()),
		Fields: l.Fields,
	}}
	switch out.Body = l.Body.Bytes(); {
	case l.Body.IsOff():
		out.Body = server.Off
	case l.Body == 0:
		out.Body = server.NoBody
	}
	return out
}

func rateOf(r config.Rate) int {
	if r.IsOff() {
		return server.Off
	}
	return int(r)
}

func durationOr(d config.Duration, off time.Duration) time.Duration {
	if d.IsOff() {
		return off
	}
	return time.Duration(d)
}

func halfClose(d config.Duration) time.Duration {
	switch {
	case d.IsOff():
		return server.HalfCloseOff
	case d == 0:
		return server.HalfCloseCancel
	}
	return time.Duration(d)
}

var proxyModes = map[config.ProxyProtocol]server.ProxyProtocol{
	config.ProxyOptional: server.ProxyOptional,
	config.ProxyRequired: server.ProxyRequired,
}

// bindings are a site's for the router.
func bindings(s *config.Site) []server.Binding {
	out := make([]server.Binding, 0, len(s.Bindings))
	for _, b := range s.Bindings {
		host := b.Host
		if b.Kind == config.HostIP {
			host = ""
		}
		out = append(out, server.Binding{Address: b.Listener, Host: host, Local: b.Local})
	}
	return out
}

// poolOptions are the options of dispatch to p. fronts is how many share its queue.
func poolOptions(c *config.Config, p *config.Pool, fronts int) dispatch.Options {
	o := dispatch.Options{
		Name:           p.Name,
		QueueLength:    queueLength(p.Queue.Length, fronts),
		QueueTimeout:   durationOr(p.Queue.Timeout, dispatch.Off),
		ReadyTimeout:   durationOr(p.Ready.Timeout, dispatch.Off),
		Timeouts:       dispatchTimeouts(p.Timeouts),
		HideServer:     !c.ServerHeader,
		TrustedProxies: c.TrustedProxies,
		DistrustTrace:  !c.Trust.Trace,
		Balance:        balanceOf(p.Balance),
		ReplayRate:     float64(p.Retry.Rate),
		ReplayShare:    float64(p.Retry.Share) / 100,
		ReplayMax:      int(p.Retry.Max),
		Circuit: dispatch.Circuit{
			Failures: int(p.Circuit.Failures), Open: p.Circuit.Open.Std(),
		},
	}
	o.Limit = dispatch.Limit{
		Adaptive: adaptiveModes[p.Limit.Adaptive], Min: max(1, p.Limit.Min/max(1, fronts)),
	}
	if !p.Limit.Max.IsOff() {
		o.Limit.Max = max(1, int(p.Limit.Max)/max(1, fronts))
	}
	if p.Queue.Policy == config.PolicyLIFO {
		o.Policy = dispatch.LIFO
	}
	if p.Queue.Overload == config.OverloadReset {
		o.Overload = dispatch.Reset
	}
	healthOptions(&o, p.Hang, p.RapidFail)
	if len(p.Upstreams) > 0 {
		o.HangAfter = dispatch.Off // nobody could end such a server
	}
	return o
}

var balanceRules = map[config.Balance]dispatch.Rule{
	config.BalanceLeastInFlight: dispatch.LeastInFlight,
	config.BalanceRoundRobin:    dispatch.RoundRobin,
	config.BalanceRandom2:       dispatch.Random2,
	config.BalanceSticky:        dispatch.Sticky,
}

func balanceOf(b config.Balance) dispatch.Balance {
	switch by, name := b.Hash.Parts(); by {
	case "client":
		return dispatch.Balance{Rule: dispatch.HashClient}
	case "header":
		return dispatch.Balance{Rule: dispatch.HashHeader, Name: name}
	case "cookie":
		return dispatch.Balance{Rule: dispatch.HashCookie, Name: name}
	}
	return dispatch.Balance{Rule: balanceRules[b]}
}

// healthOptions are what dispatch does about workers that hang and pools that fail.
func healthOptions(o *dispatch.Options, h config.Hang, r config.RapidFail) {
	o.HangAfter, o.HangOnly = durationOr(h.After, dispatch.Off), h.Action == config.HangLog
	if r.Answer == config.OverloadReset {
		o.Offline = dispatch.Reset
	}
}

func queueLength(n, fronts int) int {
	if n == 0 {
		return -1 // none
	}
	return max(1, n/max(1, fronts))
}

var adaptiveModes = map[config.Adaptive]dispatch.Adaptive{
	config.AdaptiveOff:    dispatch.AdaptiveOff,
	config.AdaptiveShadow: dispatch.AdaptiveShadow,
	config.AdaptiveOn:     dispatch.AdaptiveOn,
}

var priorities = map[config.Priority]dispatch.Priority{
	config.PriorityHigh:   dispatch.High,
	config.PriorityNormal: dispatch.Normal,
	config.PriorityLow:    dispatch.Low,
}

// routeTo is the way of a to p.
func routeTo(p *dispatch.Pool, a *config.App) pipeline.Handler {
	return p.RouteAt(priorities[a.Priority], routeOptions(a))
}

func routeOptions(a *config.App) dispatch.RouteOptions {
	o := dispatch.RouteOptions{Timeouts: dispatchTimeouts(a.Timeouts), Buffer: dispatch.BufferOff}
	if a.Buffer == config.BufferRequest {
		o.Buffer = dispatch.BufferRequest
	}
	return o
}

// spoolOptions are those of a front's spool. fronts is how many share the disk.
func spoolOptions(c *config.Config, fronts int) dispatch.SpoolOptions {
	return dispatch.SpoolOptions{
		Dir: c.Spool.Dir, Memory: c.Spool.Memory.Bytes(),
		Disk: c.Spool.Disk.Bytes() / int64(max(1, fronts)),
	}
}

func dispatchTimeouts(t config.UpstreamTimeouts) dispatch.Timeouts {
	return dispatch.Timeouts{
		Connect:   durationOr(t.Connect, dispatch.Off),
		FirstByte: durationOr(t.FirstByte, dispatch.Off),
		Idle:      durationOr(t.Idle, dispatch.Off),
		Total:     durationOr(t.Total, dispatch.Off),
		Tunnel:    durationOr(t.Tunnel, dispatch.Off),
	}
}

func dispatchEndpoint(e supervisor.Endpoint) dispatch.Endpoint {
	return dispatch.Endpoint{
		Network: e.Network, Address: e.Address, Concurrency: e.Concurrency, Mux: e.Mux,
		Handoff:   e.Handoff,
		SlowStart: e.SlowStart, Proxy: e.Proxy,
	}
}

// availabilities translates; the two enumerations are of two packages that do not know each other.
var availabilities = map[supervisor.Availability]dispatch.Availability{
	supervisor.Available: dispatch.Available,
	supervisor.Failed:    dispatch.Failed,
	supervisor.Stopped:   dispatch.Stopped,
	supervisor.Disabled:  dispatch.Disabled,
}

// respond is the handler of a fixed response.
func respond(r config.Respond) (pipeline.Handler, error) {
	status, body := r.Status, r.Body
	var contentType pipeline.Line
	if r.ContentType != "" {
		var err error
		if contentType, err = pipeline.NewLine("Content-Type", r.ContentType); err != nil {
			return nil, err
		}
	}
	return func(c *pipeline.Context) {
		_ = c.Fields().AddLine(contentType) // nothing has started yet
		c.Text(status, body)
	}, nil
}
