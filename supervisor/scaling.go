package supervisor

import (
	"fmt"
	"time"

	"weir/supervisor/config"
)

// Scaling lets the number of a pool's workers follow its load. The zero value does not.
type Scaling struct {
	Min   int // 0: none while nothing is asked of the pool
	Max   int // 0: no scaling
	Spare int // ready workers without a request that are kept

	config.Scale // wait 0 is 100 ms, busy 0 is 80 %, step 0 is 1, cooldown 0 is 10 s, memory "" is on
}

// scalingFrom is the part of c that says how many workers there are.
func scalingFrom(c *config.Pool) Scaling {
	return Scaling{
		Min: c.Workers.Min, Max: int(c.Workers.Max), Spare: c.Workers.Spare, Scale: c.Scale,
	}
}

func (s Scaling) withDefaults() Scaling {
	setDefault(&s.Wait, config.Duration(defaultScaleWait))
	setDefault(&s.Busy, defaultScaleBusy)
	setDefault(&s.Step, 1)
	setDefault(&s.Cooldown, config.Duration(defaultScaleCooldown))
	setDefault(&s.Memory, config.SwitchOn)
	return s
}

// invalid says what is wrong with s; "" if nothing is.
func (s Scaling) invalid() string {
	switch {
	case s.Min < 0 || s.Max < 0 || s.Max > poolWorkersMax:
		return fmt.Sprintf("%d to %d workers are not in 0-%d", s.Min, s.Max, poolWorkersMax)
	case s.Max > 0 && s.Min > s.Max, s.Max == 0 && s.Min > 0:
		return fmt.Sprintf("min: %d is above max: %d", s.Min, s.Max)
	case s.Spare < 0 || s.Spare > s.Max:
		return fmt.Sprintf("spare: %d is not in 0-%d", s.Spare, s.Max)
	case s.Busy < 0 || s.Busy > 100:
		return fmt.Sprintf("busy: %d %% is not in 1-100 %%", int(s.Busy))
	case s.Step < 0:
		return fmt.Sprintf("step: %d is below 1", s.Step)
	}
	return ""
}

// bounds are the fewest and most workers by configuration alone.
func (c *PoolConfig) bounds() (low, high int) {
	if c.Scale.Max == 0 {
		return c.Workers, c.Workers
	}
	return c.Scale.Min, c.Scale.Max
}

// bounds are the fewest and most workers that load alone may lead to. A pool that starts on demand has
// none before it.
func (p *Pool) bounds() (low, high int) {
	low, high = p.conf.bounds()
	if low == high && p.scaled > 0 { // as asked for instead
		return p.scaled, p.scaled
	}
	return low, high
}

// floor is the fewest workers that may be left when nothing is asked of the pool.
func (p *Pool) floor() int {
	low, _ := p.bounds()
	if p.conf.Start == config.StartOnDemand {
		return 0
	}
	return low
}

// first is how many workers the first demand starts, and the start of a pool that does not wait for
// one.
func (p *Pool) first() int {
	low, _ := p.bounds()
	return max(low, p.scaled, 1)
}

// initial is how many workers are wanted when the pool is started.
func (p *Pool) initial() int {
	if p.conf.Start == config.StartOnDemand {
		return 0
	}
	return p.first()
}

// scaleView is all that decides about the number of workers.
type scaleView struct {
	target   int // workers wanted now
	low      int
	high     int
	ready    int // in rotation
	idle     int // of those, without a request
	parked   int // suspended, or about to be
	slots    int // of those that are ready
	inFlight int
	waiting  int
	oldest   time.Duration // how long the oldest of those has waited
	calm     time.Duration // for how long load has been low
	quiet    time.Duration // for how long nothing at all was held or completed
	keeps    bool          // idle workers are suspended, not ended
}

// scaleStep is what is to be done about the number of workers.
type scaleStep uint8

const (
	scaleStay scaleStep = iota
	scaleUp             // Step workers more
	scaleDown           // one fewer
	scaleWake           // one that is suspended back into rotation
)

// decide is the rule of scaling: up by the age of the queue, by the share of slots in use, or for want
// of spare workers; down when all that goes on would leave a worker fewer below Busy. No step is taken
// while an earlier one has not arrived in rotation.
func (s *Scaling) decide(v *scaleView) (step scaleStep, why string) {
	pending := v.target - v.ready - v.parked
	if why = s.needs(v); why != "" {
		switch {
		case v.parked > 0:
			return scaleWake, why
		case pending <= 0 && v.target < v.high:
			return scaleUp, why
		}
		return scaleStay, ""
	}
	if pending > 0 || v.keeps || v.target <= v.low || !s.calm(v) || v.calm < s.Cooldown.Std() {
		return scaleStay, ""
	}
	if v.target == 1 && v.quiet < s.Cooldown.Std() {
		return scaleStay, ""
	}
	return scaleDown, "low load for " + v.calm.Round(time.Second).String()
}

// needs says why more workers are needed; "" if they are not.
func (s *Scaling) needs(v *scaleView) string {
	switch {
	case v.waiting > 0 && !s.Wait.IsOff() && v.oldest > s.Wait.Std():
		return fmt.Sprintf("a request has waited for %v", v.oldest.Round(time.Millisecond))
	case v.slots > 0 && 100*v.inFlight > int(s.Busy)*v.slots:
		return fmt.Sprintf("%d of %d slots are in use", v.inFlight, v.slots)
	case v.idle < s.Spare:
		return fmt.Sprintf("%d idle workers, %d are kept", v.idle, s.Spare)
	}
	return ""
}

// calm reports whether one worker fewer would be enough, and leave Busy unreached.
func (s *Scaling) calm(v *scaleView) bool {
	if v.waiting > 0 || v.ready == 0 || v.idle <= s.Spare && s.Spare > 0 {
		return false
	}
	left := v.slots / v.ready * (v.ready - 1)
	return 100*v.inFlight <= int(s.Busy)*left
}
