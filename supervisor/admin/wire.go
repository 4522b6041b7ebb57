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
	// Requests are those under way, as far as fronts say so in time.
	Requests(ctx context.Context, q RequestsQuery) Requests
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
	Counters   map[string]uint64 `json:"counters"` // sums over all loops of fronts and of workers that accept
}

// Listener is one address that the instance listens on.
type Listener struct {
	Address   string `json:"address"` // as configured
	URL       string `json:"url"`     // with the real port
	Sockets   int    `json:"sockets"`
	Inherited bool   `json:"inherited,omitempty"` // from systemd
	Pool      string `json:"pool,omitempty"`      // whose workers accept here themselves
}

// Front is one front process.
type Front struct {
	Slot     int             `json:"slot"`
	State    string          `json:"state"` // down, starting or up
	PID      int             `json:"pid"`   // 0 when down
	Started  time.Time       `json:"started"`
	Restarts int             `json:"restarts"`
	LastExit string          `json:"last_exit,omitempty"`
	Loops    []Loop          `json:"loops"`            // by number
	Report   json.RawMessage `json:"report,omitempty"` // what it says of itself
}

// Loop says how late one event loop is: how long something that comes waits for what it is at. It is looked
// at ten times a second; while it waits for events the lag is 0.
type Loop struct {
	Lag    float64 `json:"lag_s"`     // sum of what all looks saw, since the instance was started
	Looks  uint64  `json:"lag_looks"` // how many they were
	LagMax float64 `json:"lag_max_s"` // the most that they saw in the last 10 seconds
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
	Starts   uint64   `json:"starts"`            // of processes
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

	Waiting int        `json:"waiting"`   // requests in the queue
	Oldest  float64    `json:"oldest_s"`  // how long the oldest of them has waited
	Held    int        `json:"in_flight"` // requests that workers hold
	Totals  PoolTotals `json:"totals"`

	Recycles  map[string]uint64 `json:"recycles"`                // workers that left to be replaced, by cause
	Watched   int               `json:"watched_files,omitempty"` // files that match recycle.files
	RecycleAt time.Time         `json:"recycle_at,omitzero"`     // the next of recycle.at
}

// PoolTotals are what happened to a pool since it was added, whatever fronts and workers came and went.
type PoolTotals struct {
	Requests     uint64 `json:"requests"`         // that came while it was available
	Queued       uint64 `json:"queued"`           // of them, those that had to wait
	QueueFull    uint64 `json:"queue_full"`       // refused
	QueueTimeout uint64 `json:"queue_timeout"`    // waited too long
	Timeouts     uint64 `json:"worker_timeouts"`  // took a worker too long
	Refused      uint64 `json:"connects_refused"` // attempts to connect to a worker that failed
	Replays      uint64 `json:"replays"`          // sent once more after a worker took a byte
	Completed    uint64 `json:"completed"`        // that workers finished
	Errors       uint64 `json:"errors"`           // of those, answers of 500 and above; broken exchanges

	Started     uint64            `json:"workers_started"`
	Mishaps     map[string]uint64 `json:"worker_failures"` // left or were killed unasked, by kind
	LastMishap  time.Time         `json:"last_worker_failure,omitzero"`
	Failed      uint64            `json:"failed"`          // times that rapid-fail protection acted
	Corrections uint64            `json:"books_corrected"` // by audits
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

	InFlight int    `json:"in_flight"` // requests it holds
	Requests uint64 `json:"requests"`  // completed
	Errors   uint64 `json:"errors"`    // of those, answers of 500 and above; broken exchanges

	// The largest lag of its event loop in the last 10 seconds; of one that accepts for itself.
	LoopLag float64 `json:"loop_lag_max_s,omitempty"`

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
