package config

import (
	"slices"
	"strings"
)

// FlagGroup says what a flag describes.
type FlagGroup uint8

// Flag groups. With --config, flags of a site or a pool are refused: the file describes those.
const (
	GroupProcess FlagGroup = iota
	GroupContent           // picks the content: exactly one of them, or a command
	GroupSite
	GroupPool
)

// Flag is one row of the table that command line and environment are made from.
type Flag struct {
	Name        string // without dashes
	Placeholder string // what its value is called in help
	Help        string // one line
	// Key is the key path it sets; "" for --config, --hosting and --set. In the demo, pools.default
	// stands for pools.demo.
	Key        string
	Group      FlagGroup
	Repeatable bool
}

// Env is the variable that sets the flag: WEIR_LISTEN; "" for --set.
func (f Flag) Env() string {
	if f.Name == "set" {
		return ""
	}
	return "WEIR_" + strings.ReplaceAll(strings.ToUpper(f.Name), "-", "_")
}

// FlagValue is a flag as given; a repeatable one may occur several times.
type FlagValue struct{ Name, Value string }

// DefaultListen is where an instance without a file listens.
const DefaultListen = "127.0.0.1:8080"

// hostingModes are the values of --hosting.
var hostingModes = []string{"in-process", "out-of-process"}

// Flags is the table of flags, in the order of help.
func Flags() []Flag { return slices.Clone(flagTable) }

var flagTable = []Flag{
	{"config", "FILE", "configuration file (YAML)", "", GroupContent, false},
	{"respond", "TEXT", "answer every request with TEXT",
		"sites.default.apps./.respond.body", GroupContent, false},
	{"root", "DIR", "serve the files below DIR",
		"sites.default.apps./.static.root", GroupContent, false},
	{"listen", "ADDR", "listen on ADDRESS:PORT, :PORT, unix:PATH or http://HOST:PORT (default " +
		DefaultListen + ")", "sites.default.bindings", GroupSite, true},
	{"workers", "N|auto", "worker processes", "pools.default.workers", GroupPool, false},
	{"concurrency", "N", "requests a worker holds at once",
		"pools.default.concurrency", GroupPool, false},
	{"hosting", "MODE", "where a Go application runs: in-process or out-of-process",
		"", GroupPool, false},
	{"dispatch", "MODE", "how requests reach workers: http, mux, reuseport",
		"pools.default.dispatch", GroupPool, false},
	{"queue-length", "N", "requests that may wait for a worker",
		"pools.default.queue.length", GroupPool, false},
	{"queue-timeout", "DURATION", "how long a request waits for a worker",
		"pools.default.queue.timeout", GroupPool, false},
	{"start", "MODE", "when workers start: always, on-demand or manual", "pools.default.start", GroupPool, false},
	{"loops", "N|auto", "event loops per front", "loops", GroupProcess, false},
	{"fronts", "N", "front processes", "fronts", GroupProcess, false},
	{"user", "USER[:GROUP]", "account of front and workers", "user", GroupProcess, false},
	{"max-connections", "N|auto", "client connections per front",
		"limits.connections", GroupProcess, false},
	{"header-timeout", "DURATION", "for a whole request head", "timeouts.header", GroupProcess, false},
	{"keepalive-timeout", "DURATION", "for idle connections",
		"timeouts.keepalive", GroupProcess, false},
	{"drain-timeout", "DURATION", "for requests in flight at stop",
		"timeouts.drain", GroupProcess, false},
	{"drain-delay", "DURATION", "go on accepting so long at stop",
		"timeouts.drain_delay", GroupProcess, false},
	{"min-rate", "RATE", "slowest transfer of a body", "min_rate.rate", GroupProcess, false},
	{"max-header-bytes", "SIZE", "largest request head", "limits.head", GroupProcess, false},
	{"max-body-bytes", "SIZE", "largest request body", "limits.body", GroupProcess, false},
	{"trusted-proxies", "NET,…", "peers whose forwarded fields are believed",
		"trusted_proxies", GroupProcess, true},
	{"runtime-dir", "DIR", "lock, admin socket and worker sockets",
		"runtime_dir", GroupProcess, false},
	{"access-log", "FILE|-|off", "access log", "log.access", GroupProcess, false},
	{"log-format", "text|json", "form of log lines", "log.format", GroupProcess, false},
	{"log-level", "LEVEL", "debug, info, warn or error", "log.level", GroupProcess, false},
	{"set", "KEY=VALUE", "set any key of the configuration", "", GroupProcess, true},
}

// given is one flag with the values of its layer.
type given struct {
	flag   Flag
	values []string
	origin Origin
}

// name is the flag as typed, or its variable.
func (g given) name() string { return g.origin.Name }

// gather merges flags over environment: a flag hides its variable altogether, and an empty variable
// counts as unset.
func gather(s Sources) (env, flags []given) {
	for _, f := range flagTable {
		g := given{flag: f, origin: Origin{Kind: FromFlag, Name: "--" + f.Name}}
		for _, v := range s.Flags {
			if v.Name == f.Name {
				g.values = append(g.values, v.Value)
			}
		}
		if len(g.values) > 0 {
			flags = append(flags, g)
			continue
		}
		if v, ok := lookupEnv(s.Environ, f.Env()); ok && v != "" {
			g.origin = Origin{Kind: FromEnv, Name: f.Env()}
			g.values = []string{v}
			env = append(env, g)
		}
	}
	return env, flags
}

// lookupEnv finds the last setting of name; "" is never set.
func lookupEnv(environ []string, name string) (string, bool) {
	if name == "" {
		return "", false
	}
	for _, kv := range slices.Backward(environ) {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v, true
		}
	}
	return "", false
}
