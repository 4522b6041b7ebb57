package netpoll

// turn is one round: wait, take events, timers, posts, what was left over, then send.
//
// Hot path: once per wait. No allocation: TestTurnAllocs.
func (l *Loop) turn() {
	n := l.poller.wait(l.events[:], l.waitMS())
	l.now = l.clock()
	l.awake.Store(l.now + 1)
	l.counters.Turns++
	for i := range l.events[:n] {
		l.dispatch(&l.events[i])
	}
	l.wheel.advance(l.now)
	l.runPosts()
	l.runReady()
	l.hurried = false
	for _, f := range l.turnEnd {
		f()
	}
	l.flushDirty()
	if len(l.starved) > 0 {
		l.feedStarved()
	}
}

// waitMS is how long the next wait may last. The loop counts as asleep before it looks at its posts
// for the last time, so that none is missed.
func (l *Loop) waitMS() int {
	if len(l.ready) > 0 || len(l.dirty) > 0 || l.hurried {
		return 0
	}
	ms := l.wheel.waitMS(l.now)
	l.awake.Store(asleep)
	if l.posted.Load() > 0 || l.stopping.Load() {
		l.awake.Store(l.now + 1)
		return 0
	}
	return ms
}

func (l *Loop) dispatch(ev *event) {
	fd := int(ev.fd)
	if c := l.conns.at(fd); c != nil {
		if c.gen == ev.gen { // else: an event of a connection that used this fd before
			c.onEvent(ev)
		}
		return
	}
	if k := l.links[fd]; k != nil {
		if k.gen == ev.gen {
			k.onEvent(ev)
		}
		return
	}
	for _, ln := range l.listeners {
		if ln.fd == fd && ln.gen == ev.gen {
			ln.accept()
			return
		}
	}
}

// runReady goes on with connections whose last read ended by budget, pause or want of memory.
func (l *Loop) runReady() {
	batch := l.ready
	l.ready, l.spare = l.spare[:0], nil
	for i, c := range batch {
		batch[i] = nil
		c.flags &^= flagReady
		switch {
		case c.fd < 0:
		case c.flags&flagPaused != 0:
			c.tellHangup()
		case c.flags&(flagAgain|flagPending) == 0: // its own event went on with it
		default:
			c.deliver()
		}
	}
	l.spare = batch[:0]
}

func (l *Loop) queueReady(c *Conn) {
	if c.flags&flagReady == 0 {
		c.flags |= flagReady
		l.ready = append(l.ready, c)
	}
}

// flushDirty sends what was written to connections outside their own events: one send each. What
// drain callbacks write meanwhile waits for the next turn, or one fast reader could hold the loop.
func (l *Loop) flushDirty() {
	n := len(l.dirty)
	for i := range n {
		c := l.dirty[i]
		c.flags &^= flagDirty
		if c.fd >= 0 {
			c.flush()
		}
	}
	rest := copy(l.dirty, l.dirty[n:])
	clear(l.dirty[rest:])
	l.dirty = l.dirty[:rest]
}

func (l *Loop) queueDirty(c *Conn) {
	if c.flags&flagDirty == 0 {
		c.flags |= flagDirty
		l.dirty = append(l.dirty, c)
	}
}

// over reports whether a read that needs a fresh buffer must wait, because the loop's buffers are at
// their bound. Connections that hold much already wait first, those that hold nothing last.
func (l *Loop) over(c *Conn) bool {
	if l.free.used < l.BufferBytes {
		return false
	}
	return c.held() >= classBytes[outClass] || l.free.used >= l.BufferBytes+l.BufferBytes/8
}

func (l *Loop) starve(c *Conn) {
	if c.flags&flagStarved == 0 {
		c.flags |= flagStarved
		l.starved = append(l.starved, c)
		l.counters.BufferWaits++
	}
}

func (l *Loop) feedStarved() {
	if len(l.starved) == 0 || l.free.used >= l.BufferBytes {
		return
	}
	for i, c := range l.starved {
		l.starved[i] = nil
		c.flags &^= flagStarved
		if c.fd >= 0 {
			l.queueReady(c)
		}
	}
	l.starved = l.starved[:0]
}

// release gives a buffer back and sees to it that a burst's surplus is trimmed.
func (l *Loop) release(b *Buffer) {
	l.free.release(b)
	class := int(b.class)
	if class <= maxClass && l.free.count[class] > freeKeep[class] && !l.trim.timer.Scheduled() {
		l.wheel.schedule(&l.trim.timer, l.now+int64(trimEvery))
	}
}
