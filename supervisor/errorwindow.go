package supervisor

import "time"

// tally is requests and those of them that went wrong.
type tally struct{ completed, errors uint64 }

func (n *tally) add(m tally) { n.completed, n.errors = n.completed+m.completed, n.errors+m.errors }

// size is the number of requests: exchanges that broke may not have completed.
func (n tally) size() uint64 { return max(n.completed, n.errors) }

// share is what went wrong, in [0, 1].
func (n tally) share() float64 {
	if n.size() == 0 {
		return 0
	}
	return float64(n.errors) / float64(n.size())
}

// errorWindow is a worker's tally of about the last minute, in steps.
type errorWindow struct {
	steps [errorWindowSteps]tally
	at    int64 // number of the newest step since the epoch
	seen  tally // of the worker, in all
}

func stepAt(now time.Time) int64 {
	return now.UnixNano() / int64(errorWindowLength/errorWindowSteps)
}

// advance forgets steps that have left the window.
func (e *errorWindow) advance(now time.Time) {
	at := stepAt(now)
	for i := max(e.at+1, at-errorWindowSteps+1); i <= at; i++ {
		e.steps[i%errorWindowSteps] = tally{}
	}
	e.at = max(e.at, at) // a clock that is put back goes on in the newest step
}

// note adds what t has more than at the last call.
func (e *errorWindow) note(t *traffic, now time.Time) {
	if t.completed == e.seen.completed && t.errors == e.seen.errors {
		return
	}
	e.advance(now)
	e.steps[e.at%errorWindowSteps].add(tally{t.completed - e.seen.completed, t.errors - e.seen.errors})
	e.seen = tally{t.completed, t.errors}
}

// sum is the tally of the window that ends now.
func (e *errorWindow) sum(now time.Time) (n tally) {
	e.advance(now)
	for _, s := range e.steps {
		n.add(s)
	}
	return n
}
