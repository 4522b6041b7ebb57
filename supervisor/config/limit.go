package config

// Limit is a limit on a pool's requests in flight that is found by how long answers take.
type Limit struct {
	Adaptive Adaptive `json:"adaptive"`
	Min      int      `json:"min"` // over all fronts
	Max      Count    `json:"max"` // off: the workers' slots
}

// Adaptive is what is made of the limit.
type Adaptive string

// Modes of the limit.
const (
	AdaptiveOff    Adaptive = "off"
	AdaptiveShadow Adaptive = "shadow" // found and reported only
	AdaptiveOn     Adaptive = "on"     // what is beyond it waits
)

// checkLimit refuses a Min that Max contradicts.
func (r *resolver) checkLimit(key string, l *Limit) {
	if l.Max > 0 && Count(l.Min) > l.Max {
		r.problem(key+".max", "is below limit.min", "at least as many as limit.min", "")
	}
}
