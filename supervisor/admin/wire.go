package admin

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Instance is what the API is about: the supervisor.
type Instance interface {
	Status(ctx context.Context) Status
	// Act returns when a has happened; ErrUnknownPool or ErrUnknownWorker if there is none.
	Act(ctx context.Context, a Action) error
	// Reload returns when the new configuration is in force.
	Reload(ctx context.Context) error
	// Drain begins to end the instance.
	Drain()
	// Stopped is closed when everything but the API itself has ended.
	Stopped() <-chan struct{}
}

// Errors that an Instance wraps and the client returns.
var (
	ErrUnknownPool   = errors.New("unknown pool")              // 404
	ErrUnknownWorker = errors.New("unknown worker")            // 404
	ErrConflict      = errors.New("not possible now")          // 409
	ErrRefused       = errors.New("configuration not applied") // 422
)

// Status is an instance at one moment.
type Status struct {
	PID        int               `json:"pid"`
	Version    string            `json:"version"`
	State      string            `json:"state"` // starting, running or draining
	Started    time.Time         `json:"started"`
	Uptime     float64           `json:"uptime_s"`
	RuntimeDir string            `json:"runtime_dir"`
	ConfigFile string            `json:"config_file,omitempty"`
	Listeners  []Listener        `json:"listeners"`
	Fronts     []Front           `json:"fronts"`
	Sidecars   []Sidecar         `json:"sidecars"`
	Pools      []Pool            `json:"pools"`
	Counters   map[string]uint64 `json:"counters"` // sums over all loops of all fronts
}

// Listener is one address that the instance listens on.
type Listener struct {
	Address   string `json:"address"` // as configured
	URL       string `json:"url"`     // with the real port
	Sockets   int    `json:"sockets"`
	Inherited bool   `json:"inherited,omitempty"` // from systemd
}

// Front is one front process.
type Front struct {
	Slot     int             `json:"slot"`
	State    string          `json:"state"` // down, starting or up
	PID      int             `json:"pid"`   // 0 when down
	Started  time.Time       `json:"started"`
	Restarts int             `json:"restarts"`
	LastExit string          `json:"last_exit,omitempty"`
	Report   json.RawMessage `json:"report,omitempty"` // what it says of itself
}

// Sidecar is one command that runs beside the pools.
type Sidecar struct {
	Name     string   `json:"name"`
	State    string   `json:"state"` // stopped, starting (or to be started again) or running
	Want     string   `json:"want"`
	Restart  string   `json:"restart"`
	After    []string `json:"after"`
	HeldBy   string   `json:"held_by,omitempty"` // the sidecar that it waits for
	Ended    bool     `json:"ended"`             // not started again, by its policy
	Failures int      `json:"failures"`
	Error    string   `json:"error,omitempty"`
	Workers  []Worker `json:"processes"` // none or one
	Exits    []Exit   `json:"exits"`     // newest first
}

// Pool is one application pool.
type Pool struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind,omitempty"` // KindUpstreams, "" for workers
	State     string   `json:"state"`
	Want      string   `json:"want"`
	WantCount int      `json:"want_workers"`
	Min       int      `json:"min_workers"` // fewest and most that load may lead to
	Max       int      `json:"max_workers"`
	Ready     int      `json:"ready_workers"`
	Failures  int      `json:"failures"`
	Error     string   `json:"error,omitempty"`
	Workers   []Worker `json:"workers"`
	Exits     []Exit   `json:"exits"` // newest first

	Recycles  map[string]uint64 `json:"recycles"`                // workers that left to be replaced, by cause
	Watched   int               `json:"watched_files,omitempty"` // files that match recycle.files
	RecycleAt time.Time         `json:"recycle_at,omitzero"`     // the next of recycle.at
}

// KindUpstreams is the kind of a pool of servers that are not ours: its workers are those, without a
// process, and say by which URL they are known.
const KindUpstreams = "upstreams"

// Worker is one worker process.
type Worker struct {
	Name    string    `json:"name"` // POOL/N
	State   string    `json:"state"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Uptime  float64   `json:"uptime_s"`
	Network string    `json:"network,omitempty"`
	Address string    `json:"address,omitempty"`
	Reason  string    `json:"reason,omitempty"` // why it leaves
	Status  string    `json:"status,omitempty"` // what it says of itself
	Output  []string  `json:"output,omitempty"` // its last lines

	Stale       string `json:"stale,omitempty"`        // why it is to be replaced
	LastRecycle string `json:"last_recycle,omitempty"` // the last worker recycled in its place, and why
	RSS         int64  `json:"rss_bytes"`              // of its process group; 0: unknown
	PSS         int64  `json:"pss_bytes"`              // shared pages in proportion
	Dir         string `json:"dir,omitempty"`          // where it runs, symlinks resolved
}

// Exit is how a worker ended.
type Exit struct {
	Worker string    `json:"worker"`
	PID    int       `json:"pid"`
	At     time.Time `json:"at"`
	How    string    `json:"how"`
	Reason string    `json:"reason"`
	Output []string  `json:"output,omitempty"`
}

// Done is the answer to a change.
type Done struct {
	State string `json:"state"` // "done", or "begun" with ?wait=false
}

// failure is the body of an answer that is no success.
type failure struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}
