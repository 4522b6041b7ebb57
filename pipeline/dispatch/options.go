package dispatch

import (
	"net/netip"
	"time"
)

// Off switches a duration off where zero means a default.
const Off = time.Duration(-1)

// Overload is what a request gets that cannot be served: the queue has no room, or the pool failed.
type Overload uint8

// Answers to overload.
const (
	Respond Overload = iota // 503 with Retry-After
	Reset                   // the connection is reset: cheapest for both sides
)

// Availability is what a pool does with requests.
type Availability uint8

// Availabilities; the order is that of supervisor.Availability.
const (
	Available Availability = iota // dispatch or queue, even with no ready worker
	Failed                        // 503 AppOffline, or a reset
	Stopped                       // 503 AppShutdown
	Disabled                      // 503 Disabled
	availabilityCount
)

// Options configure a Pool. The zero value works; zero durations mean the defaults named.
type Options struct {
	Name string

	QueueLength  int           // waiters over all loops; 0 = 1000, < 0 = none
	QueueTimeout time.Duration // 30s, Off: 503 Timer_AppPool when it has passed
	ReadyTimeout time.Duration // 90s: takes its place while no worker is ready, if longer
	Overload     Overload
	Policy       Policy
	Offline      Overload // what a request gets while the pool is Failed
	Timeouts     Timeouts
	HangAfter    time.Duration // 60s, Off
	HangOnly     bool          // a hung worker is told of and left alone, and so are its requests

	Limit   Limit
	Balance Balance
	Secret  []byte // signs sticky cookies; nil: one of this pool's own. Not changed by Update

	ReplayRate  float64 // replays per second; 0 = 10, < 0 = none
	ReplayShare float64 // and this share of all requests; 0 = 0.2, < 0 = none
	ReplayMax   int     // of one request; 0 = 2, < 0 = none; at most 10
	Circuit     Circuit

	Spool  *Spool // for bodies that are kept until they are whole; nil: none is
	Buffer bool   // they are, unless a route says otherwise

	Protocol Protocol // that requests are prepared for; it should be that of the workers
	Scripts  *Scripts // of FastCGI workers; nil: each runs one program

	Files *Files // that workers may name in place of a body; nil: none

	HideServer     bool // the worker's Server field is not passed on
	TrustedProxies []netip.Prefix
	DistrustTrace  bool // clients' traceparent and tracestate are dropped
}

// Timeouts bound what a worker may take for a request. Zero means the default, Off none.
type Timeouts struct {
	Connect   time.Duration // 5s: until a connection stands
	FirstByte time.Duration // 60s: from the last byte of the request to the first of the response
	Idle      time.Duration // 60s: without progress, while sending the request and within the response
	Total     time.Duration // 0 = Off: from the dispatch to the end; not of a tunnel
	Tunnel    time.Duration // 1h: without a byte either way, once a 101 was answered; then Idle counts no more
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return max(d, 0) // from here on 0 is off
}

// over returns t with what is zero taken from base, which is not resolved.
func (t Timeouts) over(base Timeouts) Timeouts {
	for _, f := range [...]struct{ d, b *time.Duration }{
		{&t.Connect, &base.Connect}, {&t.FirstByte, &base.FirstByte},
		{&t.Idle, &base.Idle}, {&t.Total, &base.Total},
		{&t.Tunnel, &base.Tunnel},
	} {
		if *f.d == 0 {
			*f.d = *f.b
		}
	}
	return t
}

func (t Timeouts) resolved() Timeouts {
	return Timeouts{
		Connect:   orDefault(t.Connect, connectDefault),
		FirstByte: orDefault(t.FirstByte, firstByteDefault),
		Idle:      orDefault(t.Idle, idleDefault),
		Total:     max(t.Total, 0),
		Tunnel:    orDefault(t.Tunnel, tunnelDefault),
	}
}

// settings are resolved Options: 0 is off everywhere. They are replaced, never changed.
type settings struct {
	Options
	own Timeouts // as given, for routes to inherit from
}

func (o Options) resolved() *settings {
	s := &settings{Options: o, own: o.Timeouts}
	switch {
	case o.QueueLength == 0:
		s.QueueLength = queueLengthDefault
	case o.QueueLength < 0:
		s.QueueLength = 0
	}
	s.QueueTimeout = orDefault(o.QueueTimeout, queueTimeoutDefault)
	s.ReadyTimeout = orDefault(o.ReadyTimeout, readyTimeoutDefault)
	s.HangAfter = orDefault(o.HangAfter, hangDefault)
	s.Timeouts = o.Timeouts.resolved()
	if o.ReplayRate == 0 {
		s.ReplayRate = replayRateDefault
	}
	if o.ReplayShare == 0 {
		s.ReplayShare = replayShareDefault
	}
	if o.Limit.Min <= 0 {
		s.Limit.Min = limitMinDefault
	}
	if o.ReplayMax == 0 {
		s.ReplayMax = replaysDefault
	}
	s.ReplayMax = min(max(s.ReplayMax, 0), replaysMax)
	if o.Circuit.Failures == 0 {
		s.Circuit.Failures = circuitFailuresDefault
	}
	s.Circuit.Failures = max(s.Circuit.Failures, 0)
	if o.Circuit.Open <= 0 {
		s.Circuit.Open = circuitOpenDefault
	}
	s.ReplayRate, s.ReplayShare = max(s.ReplayRate, 0), max(s.ReplayShare, 0)
	return s
}

// trusts says whether a is one of the trusted proxies.
func (s *settings) trusts(a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range s.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Events is told what happens to workers. The methods run on loops and must not block.
type Events interface {
	// Drained comes once after DrainWorker, when no request and no connection of n is left. Not when
	// RemoveWorker comes first.
	Drained(pool string, n uint64)
	// Hung: n held a request for Options.HangAfter without a byte and finished nothing meanwhile, or
	// FailWorker was called; detail says so, and what n held.
	// It gets no more requests, unless Options.HangOnly is set. Once, or with HangOnly at most once
	// per HangAfter.
	Hung(pool string, n uint64, detail string)
	// Refused: n did not take a connection.
	Refused(pool string, n uint64, err string)
	// Circuit: n failed Options.Circuit.Failures times in a row, or was tried again and failed, and
	// gets no requests for a while; why is the last failure. Or, why being empty, it gets them again.
	Circuit(pool string, n uint64, why string)
	// Failing: what n says is nothing that Weir understands, or it failed Options.Circuit.Failures times
	// in a row and goes on getting requests, as it is the last. Once until it answers.
	Failing(pool string, n uint64, why string)
	// Reported: n, which speaks FastCGI, said this on STDERR; lines, as they came.
	Reported(pool string, n uint64, text string)
	// Served comes once, when n has completed its first request.
	Served(pool string, n uint64)
	// Audited: the free slots of n were found wrong, and corrected.
	Audited(pool string, n uint64, detail string)
	// Waiting: a request waits and no worker is in rotation. Once until one is added.
	Waiting(pool string)
}
