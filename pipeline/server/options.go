package server

import (
	"io"
	"log/slog"
	"net/netip"
	"time"

	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/http1"
)

// Values of a limit beside a number of bytes.
const (
	Off    = -1 // no bound
	NoBody = -2 // of Limits.Body: a request with a body is refused
)

// Options configure a Server. Zero values mean the defaults named.
type Options struct {
	Limits   Limits
	Timeouts Timeouts
	MinRate  int // B/s that a peer must send or take after the grace; 0 = 240, Off = no bound
	// RateGrace is how long a transfer may fall short, and the window it is judged in; 0 = 5s.
	RateGrace time.Duration

	TrustedProxies []netip.Prefix
	ServerHeader   string // "" = "Weir"; "off" = none
	Unmatched      Unmatched

	Logger    *slog.Logger                // nil = none
	AccessLog *AccessLog                  // nil = off
	Blocking  func(f func()) bool         // the bounded pool for blocking work; false: full
	Pools     map[string]pipeline.Handler // what handlers may delegate to
	Counters  func(loop int) []uint64     // row of CounterCount values a loop counts into; nil = own memory
}

// Limits bound what a request may hold, unless its route says otherwise.
type Limits struct {
	Head http1.Limits
	Body int64 // bytes; 0 = 30 MB, Off = no bound, NoBody = none
}

const bodyDefault = 30_000_000

// Timeouts are the clocks of client connections. Zero means the default.
type Timeouts struct {
	Header    time.Duration // 30s: from the first byte of a head to its last
	KeepAlive time.Duration // 120s: between requests, and from accept to the first byte
	HalfClose time.Duration // 200ms: see HalfCloseOff
}

// Never switches a clock of Timeouts off.
const Never = time.Duration(1<<62 - 1)

// Values of Timeouts.HalfClose beside a duration.
const (
	HalfCloseCancel = time.Duration(-1) // a FIN with requests outstanding cancels them at once
	HalfCloseOff    = time.Duration(-2) // a FIN changes nothing: everything is answered
)

func (t Timeouts) resolved() Timeouts {
	if t.Header == 0 {
		t.Header = 30 * time.Second
	}
	if t.KeepAlive == 0 {
		t.KeepAlive = 120 * time.Second
	}
	if t.HalfClose == 0 {
		t.HalfClose = 200 * time.Millisecond
	}
	return t
}

// Unmatched is what a request gets whose host no site has.
type Unmatched uint8

// Answers to unmatched requests; never 503, which load balancers take for overload.
const (
	Unmatched421 Unmatched = iota
	Unmatched400
	UnmatchedClose
)

// ProxyProtocol is whether connections of a listener begin with a PROXY header.
type ProxyProtocol uint8

// PROXY protocol modes. The header is believed, and looked for, only from trusted proxies and on Unix
// sockets.
const (
	ProxyOff      ProxyProtocol = iota
	ProxyOptional               // anybody may connect; others than proxies speak HTTP at once
	ProxyRequired               // connections of others, and those without a header, are closed
)

// Listener is one address with its sockets.
type Listener struct {
	Address string // as configured; key of Routes
	FDs     []int  // one per loop (TCP), or one shared by all; the server takes them over
	Joined  bool   // its sockets come by Join alone; those of a former Apply are drained, with its routes
	Proxy   ProxyProtocol
}

// Site is a set of bindings with its apps.
type Site struct {
	Name     string
	Bindings []Binding
	Apps     []App
}

// Binding ties a site to a listener and a host.
//
// systems.md rows H10-H13.
type Binding struct {
	Address string     // of the listener
	Host    string     // "+" strong wildcard, "*" weak wildcard, "" the address itself, "name", "*.name"
	Local   netip.Addr // if valid: connections to this address of a wildcard listener only
}

// App is what answers below a path prefix of a site.
type App struct {
	Name    string // of the handler, in logs; "" is that of its function
	Prefix  string // "/" or "/shop": whole segments
	Handler pipeline.Handler
	Limits  Limits // what is zero is inherited
	// Connect: CONNECT goes to Handler, if Prefix is "/"; else, as everywhere, it is answered 405.
	Connect bool
	// Keeps: Handler is the way to a pool and nothing else, so that a worker to which a connection
	// was handed off may answer the requests that follow, too.
	Keeps bool
}

func (o *Options) resolved() Options {
	r := *o
	r.Timeouts = r.Timeouts.resolved()
	if r.Limits.Body == 0 {
		r.Limits.Body = bodyDefault
	}
	if r.MinRate == 0 {
		r.MinRate = 240
	}
	if r.RateGrace <= 0 {
		r.RateGrace = rateGraceDefault
	}
	if r.ServerHeader == "" {
		r.ServerHeader = "Weir"
	}
	if r.Logger == nil {
		r.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if r.Blocking == nil {
		r.Blocking = func(f func()) bool { go f(); return true }
	}
	return r
}

func (o *Options) trusts(a netip.Addr) bool {
	for _, p := range o.TrustedProxies {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

var _ netpoll.Acceptor = (*listener)(nil)
