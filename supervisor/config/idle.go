package config

// Idle says what happens to a worker without requests.
type Idle struct {
	After    Duration   `json:"after"` // may be off
	Action   IdleAction `json:"action"`
	Pressure bool       `json:"pressure"` // After is shortened while memory is scarce
}

// IdleAction is what happens to an idle worker.
type IdleAction string

// Idle actions.
const (
	IdleTerminate IdleAction = "terminate" // down to workers.min; to none in a pool that starts on demand
	IdleSuspend   IdleAction = "suspend"   // stopped and paged out until a request waits
)
