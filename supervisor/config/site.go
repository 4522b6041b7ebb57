package config

import (
	"encoding/json"
	"net/netip"
)

// Site is a set of bindings and the apps behind them.
type Site struct {
	Name       string       `json:"name" config:"name"`
	Bindings   []Binding    `json:"bindings"`
	Middleware []Middleware `json:"middleware"` // outermost first
	Apps       []App        `json:"apps"`       // any order; the longest matching prefix wins
}

// Binding ties a host pattern on an address to a site.
//
// systems.md rows H10-H13. Precedence on one listener: Strong, Exact, Suffix (the longest first),
// IP, Weak. A request whose best match is a site never falls through to a weaker one.
type Binding struct {
	// Address is where it listens, in the form of [Listener.Address].
	Address string `json:"address"`
	// Host is as written, in lower case: "+", "*", "*.example.org" or a name without port.
	Host  string `json:"host"`
	Mode  Mode   `json:"mode"`  // Unix sockets; 0 = the listener's
	Owner string `json:"owner"` // Unix sockets; "" = the listener's
	Group string `json:"group"` // Unix sockets; "" = the listener's

	// Kind is Host's category.
	Kind HostKind `json:"kind" config:"derived"`
	// Listener is the address of the listening socket that carries the binding: Address, or the
	// wildcard address of the same port when another binding listens there, because the kernel
	// refuses both. In the latter case Local is valid.
	Listener string `json:"listener" config:"derived"`
	// Local restricts the binding to connections accepted on this address; the zero Addr does not.
	Local netip.Addr `json:"local" config:"derived"`
}

// HostKind is the category of a binding's host, strongest first.
type HostKind string

// Host categories.
const (
	HostStrong HostKind = "strong" // +
	HostExact  HostKind = "exact"  // shop.example.org
	HostSuffix HostKind = "suffix" // *.example.org: exactly one more label on the left
	HostIP     HostKind = "ip"     // any host on one IP address
	HostWeak   HostKind = "weak"   // *
)

// Middleware is one item of a site's chain.
type Middleware struct {
	Name string `json:"use"`
	// Options is the JSON form of the options struct that the registry holds for Name, complete and
	// already validated.
	Options json.RawMessage `json:"options,omitempty"`
}

// App answers the requests below a path prefix. Exactly one of a pool, static files, a fixed
// response or a handler of this binary answers; Pool and Handler together host the handler
// out-of-process.
type App struct {
	Prefix   string           `json:"prefix" config:"name"` // "/", or "/a/b" without a trailing /
	Pool     string           `json:"pool"`
	Static   Static           `json:"static"`
	Respond  Respond          `json:"respond"`
	Handler  string           `json:"handler"`
	Connect  bool             `json:"connect"` // it gets CONNECT; "/" only
	Limits   AppLimits        `json:"limits"`
	Timeouts UpstreamTimeouts `json:"timeouts"` // pools only: the pool's, unless overridden
	Priority Priority         `json:"priority"` // pools only: in the pool's queue
	Buffer   Buffer           `json:"buffer"`   // pools only: the pool's, unless overridden
}

// Priority is a class of requests in a pool's queue.
type Priority string

// Priorities.
const (
	PriorityHigh   Priority = "high"
	PriorityNormal Priority = "normal"
	PriorityLow    Priority = "low"
)

// Static serves files.
type Static struct {
	Root string `json:"root"` // absolute directory
}

// Respond is a fixed response.
type Respond struct {
	Status      int    `json:"status"` // 0: the app has no fixed response
	Body        string `json:"body"`
	ContentType string `json:"content_type"`
}

// AppKind says what answers an app's requests.
type AppKind string

// App kinds.
const (
	AppPool    AppKind = "pool"    // workers of App.Pool; if App.Handler is set they host it
	AppStatic  AppKind = "static"  // files below App.Static.Root
	AppRespond AppKind = "respond" // App.Respond
	AppHandler AppKind = "handler" // App.Handler on the loop, in the front
)

// Kind says what answers.
func (a *App) Kind() AppKind {
	switch {
	case a.Pool != "":
		return AppPool
	case a.Static.Root != "":
		return AppStatic
	case a.Respond.Status != 0:
		return AppRespond
	}
	return AppHandler
}
