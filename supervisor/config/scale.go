package config

// Scale says when a pool gets more workers, and when fewer, between the bounds of its workers.
type Scale struct {
	Wait     Duration `json:"wait"`     // of the oldest request in the queue; may be off
	Busy     Percent  `json:"busy"`     // of the slots of ready workers
	Step     int      `json:"step"`     // workers at a time
	Cooldown Duration `json:"cooldown"` // of low load, for one worker fewer
	Memory   Switch   `json:"memory"`
}
