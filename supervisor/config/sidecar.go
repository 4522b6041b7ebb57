package config

// Sidecar is a command without HTTP that runs beside the pools: started before them, restarted by its
// policy, stopped after them.
type Sidecar struct {
	Name        string       `json:"name" config:"name"`
	Command     []string     `json:"command"` // argv, no shell
	Dir         string       `json:"dir"`     // absolute working directory
	Env         Env          `json:"env"`
	User        string       `json:"user"` // USER[:GROUP]; "" = the instance's user
	Restart     Restarting   `json:"restart"`
	After       []string     `json:"after"` // sidecars that must be up first
	Ready       SidecarReady `json:"ready"`
	StopTimeout Duration     `json:"stop_timeout"` // SIGTERM to SIGKILL
	Output      Output       `json:"output"`

	// Program is the absolute path of the program that Command[0] names.
	Program string `json:"program" config:"derived"`
}

// Restarting says whether a sidecar that has ended is started again.
type Restarting string

// Restart policies.
const (
	RestartAlways    Restarting = "always"
	RestartOnFailure Restarting = "on-failure" // unless its exit status is 0
	RestartNever     Restarting = "never"
)

// SidecarReady says when a started sidecar is up.
type SidecarReady struct {
	Probe   ProbeKind `json:"probe"` // KindExec or KindNotify
	Timeout Duration  `json:"timeout"`
}

// Sidecar returns the sidecar of that name.
func (c *Config) Sidecar(name string) (*Sidecar, bool) {
	for i := range c.Sidecars {
		if c.Sidecars[i].Name == name {
			return &c.Sidecars[i], true
		}
	}
	return nil, false
}
