package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	yaml "go.yaml.in/yaml/v4"
)

// Reload says what a change of a key costs at reload.
type Reload uint8

// Costs of a change.
const (
	Live    Reload = iota // applied to the running front
	Workers               // the pool's workers are replaced, one after another
	Restart               // takes effect when the instance is started again
)

// String is live, workers or restart.
func (r Reload) String() string { return [...]string{"live", "workers", "restart"}[r] }

// MarshalText is String.
func (r Reload) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Key is one row of the schema. Rows exist for every value that a file may hold, and for nothing
// else.
type Key struct {
	Path    string   // a * stands for a name, [] for the items of a list
	Default string   // as a file would say it; "" = none
	Values  []string // accepted words; nil = see Expected
	Doc     string   // what it does, one or two sentences
	Reload  Reload

	allow    allow
	min, max int64 // bounds of numbers and sizes; max 0 = none
	expected string
	node     *yaml.Node // Default, parsed
}

// allow is a set of special values that a key accepts.
type allow uint8

const (
	offOK  allow = 1 << iota // no limit
	autoOK                   // worked out at start
	zeroOK                   // 0 has a meaning
)

// Expected says what the key takes: "a duration such as 30s or off", "on or off".
func (k *Key) Expected() string { return k.expected }

// Keys is the schema, in the order of the file.
func Keys() []Key { return slices.Clone(table().rows) }

type schema struct {
	rows   []Key
	byPath map[string]*Key
}

var table = sync.OnceValue(func() *schema {
	s := &schema{byPath: map[string]*Key{}}
	for _, rows := range [][]Key{
		processKeys, listenerKeys, siteKeys, sidecarKeys, poolKeys, balanceKeys, startKeys, healthKeys, scaleKeys,
		sendfileKeys, bufferKeys, gatewayKeys, upstreamKeys, recycleKeys, isolationKeys, afterKeys, frontKeys, spoolKeys,
	} {
		s.rows = append(s.rows, rows...)
	}
	types := leafTypes()
	for i := range s.rows {
		k := &s.rows[i]
		t, ok := types[k.Path]
		if !ok {
			panic("config: key " + k.Path + " has no field")
		}
		if s.byPath[k.Path] != nil {
			panic("config: key " + k.Path + " twice")
		}
		k.expected = k.expectation(t)
		if k.Default != "" {
			k.node = parseValue(k.Default)
		}
		s.byPath[k.Path] = k
		delete(types, k.Path)
	}
	for p := range maps.Keys(types) {
		panic("config: field " + p + " has no key")
	}
	return s
})

// row is the key of a pattern, nil for groups.
func row(pattern string) *Key { return table().byPath[pattern] }

func (k *Key) bounds() string {
	switch {
	case k.max > 0:
		return fmt.Sprintf("a number from %d to %d", k.min, k.max)
	case k.min > 0:
		return "a number from " + strconv.FormatInt(k.min, 10)
	}
	return "a number"
}

func (k *Key) orSpecial(s string) string {
	if k.allow&autoOK != 0 {
		s += ", or auto"
	}
	if k.allow&offOK != 0 {
		s += ", or off"
	}
	return s
}

var onOff = []string{"on", "off"}

var processKeys = []Key{
	{
		Path: "user", Reload: Restart, expected: "USER or USER:GROUP",
		Doc: "Account of fronts and workers. Only the supervisor keeps the invoking user's rights. " +
			"Without it everything runs as the invoking user.",
	},
	{
		Path: "runtime_dir", Reload: Restart, expected: "a directory",
		Doc: "Holds the lock, the admin socket and the workers' sockets. Without it: " +
			"$RUNTIME_DIRECTORY, /run/weir as root, $XDG_RUNTIME_DIR/weir, $TMPDIR/weir-UID.",
	},
	{
		Path: "loops", Default: "auto", Reload: Restart, allow: autoOK, min: 1, max: loopsMax,
		Doc: "Event loops per front. auto: the CPU quota divided by fronts.",
	},
	{
		Path: "fronts", Default: "1", Reload: Restart, min: 1, max: frontsMax,
		Doc: "Front processes, sharing ports by SO_REUSEPORT.",
	},
	{
		Path: "trusted_proxies", Reload: Live,
		Doc: "Peers whose forwarded fields and PROXY headers are believed.",
	},
	{
		Path: "unmatched", Default: "421", Values: []string{"421", "400", "close"},
		Doc: "Answer to requests that no binding matches; close: the connection, without an answer.",
	},
	{
		Path: "server_header", Default: "on", Values: onOff,
		Doc: "Server field: Weir on its own answers, the worker's on worker answers; off: none.",
	},
	{
		Path: "trust.trace", Default: "on", Values: onOff,
		Doc: "Propagate a client's valid traceparent.",
	},
}

var listenerKeys = []Key{
	{
		Path: "listeners.*.backlog", Default: "4096", min: 1, max: backlogMax,
		Doc: "Connections the kernel holds until they are accepted (capped by somaxconn).",
	},
	{
		Path: "listeners.*.proxy_protocol", Default: "off",
		Values: []string{"off", "optional", "required"},
		Doc: "Connections from trusted_proxies, and on Unix sockets, begin with a PROXY header, v1 or" +
			" v2; required closes all others.",
	},
	{
		Path: "listeners.*.mode", Default: `"0660"`,
		Doc: "Permissions of a Unix socket.",
	},
	{Path: "listeners.*.owner", expected: "a user", Doc: "Owner of a Unix socket."},
	{Path: "listeners.*.group", expected: "a group", Doc: "Group of a Unix socket."},
}

var frontKeys = []Key{
	{
		Path: "limits.connections", Default: "auto", allow: autoOK, min: 1, max: connectionsMax,
		Doc: "Client connections of a front; at the cap accepting pauses. auto: from RLIMIT_NOFILE.",
	},
	{
		Path: "limits.request_line", Default: "8KiB", min: headBytesMin, max: headBytesMax,
		Doc: "Longest request line; above: 414.",
	},
	{
		Path: "limits.head", Default: "32KiB", min: headBytesMin, max: headBytesMax,
		Doc: "Largest request head (request line and fields); above: 431.",
	},
	{
		Path: "limits.fields", Default: "100", min: 1, max: fieldsMax,
		Doc: "Most fields in a request head; above: 431.",
	},
	{
		Path: "limits.body", Default: "30MB", allow: offOK | zeroOK,
		Doc: "Largest request body; above: 413.",
	},
	{
		Path: "limits.half_close", Default: "200ms", allow: offOK | zeroOK,
		Doc: "How long a client that has closed its sending half gets answers without taking a byte. " +
			"0s: its requests are cancelled at once; off: they are always answered.",
	},
	{
		Path: "limits.buffers", Default: "256MiB", min: buffersMin,
		Doc: "All buffers of a front together; beyond it reading pauses, largest first.",
	},
	{
		Path: "limits.blocking", Default: "10000", min: 1, max: blockingMax,
		Doc: "Blocking handlers at once; above: 503 BlockingFull.",
	},
	{
		Path: "timeouts.header", Default: "30s", allow: offOK,
		Doc: "From the first byte of a request head to its last; then 408.",
	},
	{
		Path: "timeouts.keepalive", Default: "120s", allow: offOK,
		Doc: "How long an idle connection is kept.",
	},
	{
		Path: "timeouts.drain_delay", Default: "0s", allow: zeroOK,
		Doc: "How long a stopping instance goes on accepting, with readyz failing.",
	},
	{
		Path: "timeouts.drain", Default: "25s", allow: offOK,
		Doc: "How long a stopping instance waits for requests in flight before it cuts them.",
	},
	{
		Path: "min_rate.rate", Default: "240B/s", allow: offOK,
		Doc: "Slowest that a request body may come or a response be taken.",
	},
	{
		Path: "min_rate.grace", Default: "5s", allow: zeroOK,
		Doc: "How long a transfer may be slower than min_rate.rate.",
	},
	{
		Path: "log.level", Default: "info", Values: []string{"debug", "info", "warn", "error"},
		Doc: "Lowest level that is logged, to stderr.",
	},
	{
		Path: "log.format", Default: "text", Values: []string{"text", "json"},
		Doc: "Form of log lines; text: the access log is in combined format.",
	},
	{
		Path: "log.access", Default: "off", expected: "off, - (stdout) or a file",
		Doc: "Where the access log goes.",
	},
	{
		Path: "admin.listen", Default: `["unix:{runtime}/admin.sock"]`, Reload: Restart,
		expected: "a list of addresses such as unix:/run/weir/admin.sock",
		Doc:      "Where the admin API listens. {runtime} is the runtime directory.",
	},
	{
		Path: "admin.mode", Default: `"0600"`, Reload: Restart,
		Doc: "Permissions of the admin sockets.",
	},
}
