package config

import "net/netip"

// Config is a whole, resolved configuration. Field tags name the YAML keys; keys.go holds each
// key's default, accepted values and meaning. Lists of named things keep the order of the file.
type Config struct {
	Loops          Count          `json:"loops"`           // event loops per front, >= 1
	Fronts         int            `json:"fronts"`          // front processes, >= 1
	RuntimeDir     string         `json:"runtime_dir"`     // absolute; "" = chosen at start
	User           string         `json:"user"`            // USER[:GROUP]; "" = the invoking user
	TrustedProxies []netip.Prefix `json:"trusted_proxies"` // peers whose forwarded fields are believed
	Unmatched      Unmatched      `json:"unmatched"`       // answer when no binding matches
	ServerHeader   bool           `json:"server_header"`   // false: no Server field from anyone
	Trust          Trust          `json:"trust"`
	Listeners      []Listener     `json:"listeners"` // every address that a binding uses, once
	Sites          []Site         `json:"sites"`
	Sidecars       []Sidecar      `json:"sidecars"`
	Pools          []Pool         `json:"pools"`
	Limits         Limits         `json:"limits"`
	Timeouts       Timeouts       `json:"timeouts"`
	MinRate        MinRate        `json:"min_rate"`
	Spool          Spool          `json:"spool"`
	Log            Log            `json:"log"`
	Admin          Admin          `json:"admin"`
}

// Trust says which fields of any client are believed.
type Trust struct {
	Trace bool `json:"trace"` // propagate a valid traceparent
}

// Unmatched is the answer to a request that no binding matches.
type Unmatched string

// Answers to unmatched requests.
const (
	Unmatched421   Unmatched = "421"
	Unmatched400   Unmatched = "400"
	UnmatchedClose Unmatched = "close" // close without an answer
)

// Listener is one listening socket. In a file, listeners are options of addresses used by bindings.
type Listener struct {
	// Address is canonical: ":8080" (dual-stack), "[::]:8080" (IPv6 only), "127.0.0.1:8080" or
	// "unix:/absolute/path".
	Address       string        `json:"address" config:"name"`
	Backlog       int           `json:"backlog"`
	ProxyProtocol ProxyProtocol `json:"proxy_protocol"`
	Mode          Mode          `json:"mode"`  // Unix sockets only, else 0
	Owner         string        `json:"owner"` // Unix sockets only; "" = unchanged
	Group         string        `json:"group"` // Unix sockets only; "" = unchanged

	// Pool is the pool whose workers accept here themselves (DispatchReuseport); "": the fronts do.
	Pool string `json:"pool,omitempty" config:"derived"`
}

// ProxyProtocol says whether connections begin with a PROXY header (v1 or v2). It is taken from
// trusted_proxies and on Unix sockets only; where it is required, others are closed.
type ProxyProtocol string

// PROXY protocol settings.
const (
	ProxyOff      ProxyProtocol = "off"
	ProxyOptional ProxyProtocol = "optional"
	ProxyRequired ProxyProtocol = "required"
)

// Limits are the bounds of a front. An app may narrow or widen the first four for its requests.
type Limits struct {
	Connections Count    `json:"connections"`  // Auto = from RLIMIT_NOFILE
	RequestLine Size     `json:"request_line"` // 414 above
	Head        Size     `json:"head"`         // request line and fields, 431 above
	Fields      int      `json:"fields"`       // 431 above
	Body        Size     `json:"body"`         // 413 above; may be off
	HalfClose   Duration `json:"half_close"`   // 0 = cancel at once; Off = always answer
	Buffers     Size     `json:"buffers"`      // all buffers of a front together
	Blocking    int      `json:"blocking"`     // blocking handlers at once; 503 above
	Starts      Count    `json:"starts"`       // workers that start at once, of all pools
	Workers     Count    `json:"workers"`      // that load may lead to, of all pools; may be off
}

// AppLimits are the limits in force for requests of one app, whether its own or inherited.
type AppLimits struct {
	RequestLine Size `json:"request_line"`
	Head        Size `json:"head"`
	Fields      int  `json:"fields"`
	Body        Size `json:"body"`
}

// Timeouts are the clocks of client connections and of the drain.
type Timeouts struct {
	Header     Duration `json:"header"`      // from the first byte of a head to its last
	Keepalive  Duration `json:"keepalive"`   // between requests
	DrainDelay Duration `json:"drain_delay"` // from SIGTERM to closing the listeners
	Drain      Duration `json:"drain"`       // from closing the listeners to cutting the rest
}

// MinRate is the slowest that a body or a response may move, measured after Grace.
type MinRate struct {
	Rate  Rate     `json:"rate"`
	Grace Duration `json:"grace"`
}

// Log configures Weir's own log and the access log.
type Log struct {
	Level  LogLevel  `json:"level"`
	Format LogFormat `json:"format"`
	Access string    `json:"access"` // "off", "-" (stdout) or an absolute path
}

// LogLevel is the lowest level that is logged.
type LogLevel string

// Log levels.
const (
	LevelDebug LogLevel = "debug"
	LevelInfo  LogLevel = "info"
	LevelWarn  LogLevel = "warn"
	LevelError LogLevel = "error"
)

// LogFormat is the form of log lines: both logs use it (text: the access log is combined).
type LogFormat string

// Log formats.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// Admin says where the admin API listens.
type Admin struct {
	// Listen holds "unix:PATH" addresses; {runtime} stands for the runtime directory, which is known
	// only at start.
	Listen []string `json:"listen"`
	Mode   Mode     `json:"mode"`
}

// Pool returns the pool of that name.
func (c *Config) Pool(name string) (*Pool, bool) {
	for i := range c.Pools {
		if c.Pools[i].Name == name {
			return &c.Pools[i], true
		}
	}
	return nil, false
}

// Site returns the site of that name.
func (c *Config) Site(name string) (*Site, bool) {
	for i := range c.Sites {
		if c.Sites[i].Name == name {
			return &c.Sites[i], true
		}
	}
	return nil, false
}

// Listener returns the listener of that canonical address.
func (c *Config) Listener(address string) (*Listener, bool) {
	for i := range c.Listeners {
		if c.Listeners[i].Address == address {
			return &c.Listeners[i], true
		}
	}
	return nil, false
}

// WidestLimits is, for each limit that an app may set, the largest in force anywhere: what the
// parser must let through before a request's app is known.
func (c *Config) WidestLimits() AppLimits {
	l := c.Limits
	w := AppLimits{RequestLine: l.RequestLine, Head: l.Head, Fields: l.Fields, Body: l.Body}
	for _, s := range c.Sites {
		for _, a := range s.Apps {
			w.RequestLine = w.RequestLine.widest(a.Limits.RequestLine)
			w.Head = w.Head.widest(a.Limits.Head)
			w.Fields = max(w.Fields, a.Limits.Fields)
			w.Body = w.Body.widest(a.Limits.Body)
		}
	}
	return w
}
