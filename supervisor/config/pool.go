package config

// Pool is an application pool: a command, or a handler of this binary, run by supervised workers.
type Pool struct {
	Name          string           `json:"name" config:"name"`
	Command       []string         `json:"command"`        // argv, no shell; empty: this binary hosts Handler
	Upstreams     []string         `json:"upstreams"`      // instead of workers; see ParseUpstream
	Resolve       Duration         `json:"resolve"`        // of names among Upstreams
	Check         Check            `json:"check"`          // of Upstreams
	ProxyProtocol ProxyOut         `json:"proxy_protocol"` // to Upstreams
	Dir           string           `json:"dir"`            // absolute working directory
	Env           Env              `json:"env"`
	Dispatch      Dispatch         `json:"dispatch"`
	Socket        Socket           `json:"socket"`
	Start         Start            `json:"start"`
	Workers       WorkerCount      `json:"workers"`
	Scale         Scale            `json:"scale"`
	Concurrency   int              `json:"concurrency"` // slots per worker, over all fronts and loops
	Balance       Balance          `json:"balance"`
	Retry         Retry            `json:"retry"`
	Circuit       Circuit          `json:"circuit"`
	Queue         Queue            `json:"queue"`
	Limit         Limit            `json:"limit"`
	Ready         Ready            `json:"ready"`
	Warmup        []Warmup         `json:"warmup"`
	SlowStart     Duration         `json:"slow_start"`
	Idle          Idle             `json:"idle"`
	Ping          Ping             `json:"ping"`
	Hang          Hang             `json:"hang"`
	Recycle       Recycle          `json:"recycle"`
	RapidFail     RapidFail        `json:"rapid_fail"`
	Timeouts      UpstreamTimeouts `json:"timeouts"`
	Sendfile      Sendfile         `json:"sendfile"`
	Buffer        Buffer           `json:"buffer"`
	StopTimeout   Duration         `json:"stop_timeout"` // SIGTERM to SIGKILL
	Output        Output           `json:"output"`
	User          string           `json:"user"` // USER[:GROUP]; "" = Config.User
	Umask         Mode             `json:"umask"`
	Nice          int              `json:"nice"` // added to Weir's own
	CPUs          CPUs             `json:"cpus"`
	NoNewPrivs    Switch           `json:"no_new_privs"`
	Rlimits       Rlimits          `json:"rlimits"`
	Cgroup        Cgroup           `json:"cgroup"`
	CPULimit      CPULimit         `json:"cpu_limit"`
	After         []string         `json:"after"` // sidecars that must be up before the first workers start

	// Program is the absolute path of the program that Command[0] names; "" when Command is empty.
	Program string `json:"program" config:"derived"`
	// Handler is what workers of a pool without command host: the one handler its apps name.
	Handler string `json:"handler" config:"derived"`
}

// Env is how a worker's environment is made. Weir's own variables never leak into it.
type Env struct {
	Inherit Switch            `json:"inherit"` // start from the supervisor's environment
	Keep    []string          `json:"keep"`    // names taken over though Inherit is false
	Set     map[string]string `json:"set"`     // wins over Files, which win over inherited
	Files   []string          `json:"files"`   // absolute; NAME=VALUE lines, later files win
}

// Dispatch is how requests reach workers.
type Dispatch string

// Dispatch modes.
const (
	DispatchHTTP Dispatch = "http" // HTTP/1.1 keep-alive over the worker's socket
	DispatchMux  Dispatch = "mux"  // frames of protocol/frame: Go workers
	// DispatchHandoff gives client connections away, in the messages of protocol/handoff.
	DispatchHandoff Dispatch = "handoff"
	// DispatchReuseport: the workers accept from sockets of their own; no front is in between.
	DispatchReuseport Dispatch = "reuseport"
)

// Socket is how a worker gets its socket.
type Socket string

// Socket kinds.
const (
	SocketPath    Socket = "path"    // WEIR_SOCKET or PORT, the worker binds
	SocketInherit Socket = "inherit" // a listening socket as fd 3
)

// Start is when a pool's workers start.
type Start string

// Start modes.
const (
	StartAlways   Start = "always"
	StartOnDemand Start = "on-demand" // with the first request, which waits for it
	StartManual   Start = "manual"    // by "weir start POOL"; until then 503 AppShutdown
)

// Queue bounds the requests that wait for a slot.
type Queue struct {
	Length   int      `json:"length"`
	Timeout  Duration `json:"timeout"`
	Overload Overload `json:"overload"`
	Policy   Policy   `json:"policy"`
}

// Policy is who of those who wait is next.
type Policy string

// Queue policies.
const (
	PolicyFIFO Policy = "fifo"
	PolicyLIFO Policy = "lifo" // under overload
)

// Overload is what happens to a request that cannot be served: the queue is full, the pool failed.
type Overload string

// Overload actions.
const (
	OverloadRespond Overload = "respond" // 503
	OverloadReset   Overload = "reset"   // the connection is reset
)

// RapidFail is rapid-fail protection: Failures within Window and no ready worker fail the pool.
type RapidFail struct {
	Failures Count    `json:"failures"` // may be off
	Window   Duration `json:"window"`
	Then     Then     `json:"then"`
	Answer   Overload `json:"answer"` // to requests while the pool is failed
	Hook     []string `json:"hook"`   // argv, no shell; run when the pool fails
}

// Then is what follows a pool's failure.
type Then string

// What follows a pool's failure.
const (
	ThenRetry    Then = "retry"     // half-open probes with back-off
	ThenStayDown Then = "stay-down" // until told to start
	ThenExit     Then = "exit"      // the instance exits 1
)

// UpstreamTimeouts are the clocks of one request to a worker.
type UpstreamTimeouts struct {
	Connect   Duration `json:"connect"`
	FirstByte Duration `json:"first_byte"` // from the last request byte to the answer's first
	Idle      Duration `json:"idle"`       // between bytes, either way
	Total     Duration `json:"total"`
	Tunnel    Duration `json:"tunnel"` // between bytes, either way, once a 101 was answered
}

// Output is what happens to a worker's stdout and stderr.
type Output struct {
	Format OutputFormat `json:"format"`
	Lines  LineRate     `json:"lines"` // per worker; above, lines are dropped and counted
}

// OutputFormat is the form in which worker output reaches the log.
type OutputFormat string

// Output formats.
const (
	OutputPrefixed OutputFormat = "prefixed" // POOL/N: line (text), msg (json)
	OutputRaw      OutputFormat = "raw"      // as it came
	OutputJSON     OutputFormat = "json"     // lines that are JSON objects are merged into the record
)
