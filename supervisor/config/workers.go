package config

import "strconv"

// WorkerCount is how many workers a pool has: a number, auto, or bounds between which it is scaled.
type WorkerCount struct {
	Min   int   `json:"min"`   // 0: none while nothing is asked of the pool
	Max   Count `json:"max"`   // >= 1
	Spare int   `json:"spare"` // ready workers without a request that are kept
}

// minAuto is the Min of auto until it is resolved.
const minAuto = -1

// FixedWorkers is a fixed number of workers.
func FixedWorkers(n int) WorkerCount { return WorkerCount{Min: n, Max: Count(n)} }

// Fixed reports that there is nothing to scale.
func (w WorkerCount) Fixed() bool { return w.Min == int(w.Max) }

func (w *WorkerCount) setWord(k *Key, s string) *unitError {
	var n Count
	if err := special(k, s, &n, ParseCount, int64(CountOff)); err != nil {
		return err
	}
	*w = FixedWorkers(int(n))
	if n == Auto {
		w.Min = minAuto
	}
	return nil
}

func (w *WorkerCount) setMapped() *unitError { return nil }

func (w WorkerCount) words() []string {
	switch {
	case w.Min == minAuto:
		return []string{"auto"}
	case w.Fixed() && w.Spare == 0:
		return []string{strconv.Itoa(w.Min)}
	}
	return []string{"min", strconv.Itoa(w.Min), "max", w.Max.String(), "spare", strconv.Itoa(w.Spare)}
}

// String is the number, auto, or {min: 1, max: 8, spare: 0}.
func (w WorkerCount) String() string { return formText(&w) }

// resolve puts the CPU quota in the place of auto.
func (w *WorkerCount) resolve(cpus int) {
	if w.Max == Auto {
		w.Max = Count(max(1, cpus))
	}
	if w.Min == minAuto {
		w.Min = int(w.Max)
	}
}

// checkScaling finds bounds that contradict each other, and keys without effect.
func (r *resolver) checkScaling(key string, p *Pool) {
	w := p.Workers
	switch {
	case w.Min > int(w.Max):
		r.problem(key+".workers", "min: "+strconv.Itoa(w.Min)+" is above max: "+w.Max.String(),
			"min at most max", "")
	case w.Spare > int(w.Max):
		r.problem(key+".workers", "spare: "+strconv.Itoa(w.Spare)+" is above max: "+w.Max.String(),
			"spare at most max", "")
	case w.Spare > 0 && w.Fixed():
		r.problem(key+".workers", "spare has no effect on a fixed number of workers",
			"min below max", "")
	}
	if p.Idle.After.IsOff() && p.Idle.Pressure {
		r.problem(key+".idle.pressure", "has no effect while idle.after is off", "idle.after", "")
	}
	if !p.Idle.After.IsOff() && p.Idle.Action == IdleTerminate && w.Fixed() &&
		p.Start != StartOnDemand {
		r.problem(key+".idle.after", "has no effect: all "+w.String()+" workers are always wanted",
			"start: on-demand, workers: {min, max}, or idle.action: suspend", "")
	}
}
