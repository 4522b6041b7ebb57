package supervisor

import "time"

// post hands e to the main loop. It does not block. Of refused connections one per worker waits at a
// time; when the inbox is full, these hints are what is dropped.
func (ps *Pools) post(e event) {
	ps.mu.Lock()
	if e.kind == evRefused && e.call == nil {
		_, waits := ps.refused[e.worker]
		if waits || len(ps.inbox) >= inboxEventsMax {
			ps.mu.Unlock()
			return
		}
		ps.refused[e.worker] = struct{}{}
	}
	if e.kind == evNotice && e.call == nil && len(ps.inbox) >= inboxEventsMax {
		ps.mu.Unlock() // a worker that talks too much is not heard
		return
	}
	ps.inbox = append(ps.inbox, e)
	ps.mu.Unlock()
	ps.kick()
}

func (ps *Pools) kick() {
	select {
	case ps.wake <- struct{}{}:
	default:
	}
}

// call runs f on the loop and waits for it. false: the loop has ended and f was not run.
func (ps *Pools) call(f func(now time.Time)) bool {
	ran := make(chan struct{})
	ps.post(event{call: func() {
		f(ps.env.now())
		close(ran)
	}})
	select {
	case <-ran:
		return true
	case <-ps.done:
	}
	select {
	case <-ran: // it was the last that ran
		return true
	default:
		return false
	}
}

// loop is the main loop: the only goroutine that reads the clock for pools and workers and changes
// them.
func (ps *Pools) loop() {
	defer close(ps.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ps.wake:
		case <-timer.C:
		}
		events, closing := ps.take()
		ps.turn(events)
		if closing {
			return
		}
		wait := time.Hour
		if at := ps.next(); !at.IsZero() {
			wait = max(0, at.Sub(ps.env.now()))
		}
		timer.Reset(wait)
	}
}

func (ps *Pools) take() (events []event, closing bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	events, ps.inbox = ps.inbox, nil
	clear(ps.refused)
	if ps.closing && len(events) > 0 {
		ps.kick() // once more, for what follows from these
	}
	return events, ps.closing && len(events) == 0
}

// turn handles what happened, then what time brought.
func (ps *Pools) turn(events []event) {
	for i := range events {
		if e := &events[i]; e.call != nil {
			e.call()
		} else {
			ps.dispatch(e, ps.env.now())
		}
	}
	now := ps.env.now()
	for _, p := range ps.pools {
		p.advance(now)
	}
	for _, p := range ps.far.pools {
		p.advance(now)
	}
	ps.serveLine(now)
	ps.audit(now)
}

// dispatch brings e to its worker. A worker that is gone has no events any more: fronts may be late.
func (ps *Pools) dispatch(e *event, now time.Time) {
	p := ps.pools[e.worker.Pool]
	if p == nil {
		ps.far.dispatch(e, now)
		return
	}
	w := p.workers[e.worker.N]
	if w == nil {
		ps.far.dispatch(e, now)
		return
	}
	if e.status != nil {
		w.status = *e.status
	}
	if e.recycle != nil {
		w.onRecycleAsked(*e.recycle)
	}
	if e.kind == evNotice && e.sign == signNone {
		return
	}
	if e.sign != signNone {
		w.onSign(e, now)
		p.settle(now)
		return
	}
	if e.kind == evHung {
		w.hung(e, now)
	} else {
		w.handle(e, now)
	}
	p.settle(now)
}

// next is when the loop must look at the clock again; zero for never.
func (ps *Pools) next() time.Time {
	at := ps.auditNext(ps.env.now())
	for _, p := range ps.pools {
		at = earlier(at, p.next())
	}
	for _, p := range ps.far.pools {
		at = earlier(at, p.next())
	}
	return at
}
