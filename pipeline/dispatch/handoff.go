package dispatch

import (
	"errors"

	"golang.org/x/sys/unix"

	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/handoff"
)

// giver is an exchange whose connection can be given away: that of pipeline/server.
type giver interface {
	// HandOff gives the client's connection away, as connection id, and ends the exchange; back takes
	// the connection when it returns, or is told by a negative fd that it does not.
	HandOff(k *netpoll.Link, id uint64) (back func(fd int, b []byte) error, err error)
}

// link is the way from one loop to one worker in handoff mode, in the messages of protocol/handoff. A
// connection that the worker has holds a slot and counts as one request in flight, whatever it does
// there: the front does not see its requests.
type link struct {
	to       *netpoll.Link
	lane     *lane
	waiting  []*job // to be given when the link stands and the turn has ended
	given    map[uint64]func(fd int, b []byte) error
	greeted  bool // HELLO has come
	recalled bool // RECALL was sent, and nothing given since
	retired  bool // nothing more is given: DRAIN was sent
	planned  bool // giveAll is posted
}

var _ netpoll.LinkHandler = (*link)(nil)

// give puts j on its lane's link, which is opened if there is none; the caller has taken the slot.
func (j *job) give(now int64) {
	l := j.lane
	if l.link == nil {
		k := &link{lane: l, given: map[uint64]func(int, []byte) error{}}
		to, err := l.s.loop.DialLink(l.address, k)
		if err != nil {
			j.unconnected(now, err)
			return
		}
		k.to, l.link = to, k
	}
	k := l.link
	k.waiting = append(k.waiting, j)
	j.stage, j.link = stageConnect, k
	j.arm(now)
	k.plan()
}

// plan has what waits given when the present event is over: the exchange is not to be ended below its
// own handler, and has taken its buffer then.
func (k *link) plan() {
	if k.greeted && !k.planned && len(k.waiting) > 0 {
		k.planned = true
		k.lane.s.loop.Post(k.giveAll) // false: the loop ends, and its exchanges
	}
}

func (k *link) giveAll() {
	k.planned = false
	waiting := k.waiting
	k.waiting = nil
	for _, j := range waiting {
		if j.link == k {
			j.handOver(k)
		}
	}
}

// forget takes j off the list.
func (k *link) forget(j *job) {
	for i, w := range k.waiting {
		if w == j {
			k.waiting = append(k.waiting[:i:i], k.waiting[i+1:]...)
			return
		}
	}
}

// handOver gives j's connection to the worker: j is over, its slot goes with the connection.
func (j *job) handOver(k *link) {
	defer j.guard(j.c)
	x, ok := j.x.(giver)
	if !ok {
		j.fail(500, pipeline.HandlerError, "")
		return
	}
	l, s, now := j.lane, j.s, j.s.loop.Now()
	w := l.w
	id := w.pool.handoffs.Add(1)
	j.link = nil
	back, err := x.HandOff(k.to, id)
	switch {
	case j.c == nil: // the connection broke, and j was told
	case err == nil:
		k.given[id], k.recalled = back, false
		l.held.Add(1)
		bump(&l.handedOff)
		l.removeBusy(j)
		j.lane = nil
		s.release(j)
		s.serve() // who still waits asks for this one, too
	case errors.Is(err, netpoll.ErrLinkFull):
		j.backlog(now)
	case errors.Is(err, handoff.ErrTooLong), errors.Is(err, unix.EMSGSIZE):
		j.fail(431, pipeline.ReasonRequestLength, "")
	case k.to.Closed(), errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET):
		j.lost(false, 502, reasonAbandoned)
	case j.c.Started() || j.c.Ended() || !j.keep:
		j.fail(500, pipeline.HandlerError, "")
	default:
		j.delayed(now, err)
	}
}

// delayed tries again later when earlier answers wait for the client: its time, not the worker's.
func (j *job) delayed(now int64, err error) {
	if t, ok := err.(interface{ Temporary() bool }); !ok || !t.Temporary() {
		j.fail(500, pipeline.HandlerError, "")
		return
	}
	j.moved = now
	j.backlog(now)
}

// OnPacket implements netpoll.LinkHandler: a message of the worker.
func (k *link) OnPacket(_ *netpoll.Link, b []byte, fd int) {
	var m handoff.Message
	err := handoff.Parse(b, &m)
	if err == nil && (m.Kind == handoff.Connection) != (fd >= 0) {
		err = handoff.ErrOrder
	}
	if err == nil {
		err = k.message(&m, fd)
	}
	if err != nil {
		if fd >= 0 {
			_ = unix.Close(fd) // the client sees it closed
		}
		k.ends(err)
	}
}

// message takes one message. The error says that the worker does not keep to the format; fd is not
// taken then.
func (k *link) message(m *handoff.Message, fd int) error {
	switch {
	case m.Kind == handoff.Hello && !k.greeted:
		if m.Max < handoff.VersionMin || m.Min > handoff.VersionMax {
			return handoff.ErrVersion
		}
		k.greeted = true
		k.lane.accepted()
		k.plan()
		return nil
	case !k.greeted:
		return handoff.ErrOrder
	}
	switch m.Kind {
	case handoff.Connection:
		return k.returned(m, fd)
	case handoff.Closed:
		back := k.given[m.ID]
		if back == nil {
			return handoff.ErrID
		}
		_ = back(-1, nil) // says so
		k.over(m)
	case handoff.Drain:
		if m.Flags != 0 {
			return handoff.ErrFlags
		}
		k.lane.refuse(errDraining)
		k.retire(0)
	default:
		return handoff.ErrOrder
	}
	return nil
}

// returned takes a connection back.
func (k *link) returned(m *handoff.Message, fd int) error {
	back := k.given[m.ID]
	if back == nil {
		return handoff.ErrID
	}
	if err := back(fd, m.Bytes); err != nil {
		return err
	}
	k.over(m)
	return nil
}

// over closes the books on a connection: its slot is free.
func (k *link) over(m *handoff.Message) {
	delete(k.given, m.ID)
	l := k.lane
	l.held.Add(-1)
	l.errors.Store(l.errors.Load() + uint64(m.Errors))
	if m.Requests > 0 {
		l.w.load.Add(uint64(m.Requests-1) * loadDone) // completed counts one
		l.w.completed()
	} else {
		l.w.abandoned()
	}
	l.w.giveBack()
	k.maybeClose()
	l.s.serve()
}

// recall asks for what the worker holds, once until it gets more.
func (l *lane) recall() {
	if k := l.link; k != nil && k.greeted && !k.recalled && len(k.given) > 0 {
		k.recalled = true
		k.say(&handoff.Message{Kind: handoff.Recall})
	}
}

// retire gives nothing more over k and asks for what it holds back, or, with FlagEnding, to be closed.
func (k *link) retire(flags uint16) {
	if k.retired {
		return
	}
	k.retired = true
	if k.lane.link == k {
		k.lane.link = nil
	}
	k.say(&handoff.Message{Kind: handoff.Drain, Flags: flags})
	waiting := k.waiting
	k.waiting = nil
	for _, j := range waiting {
		if j.link == k {
			j.link = nil
			j.refusedStream()
		}
	}
	k.maybeClose()
}

func (k *link) say(m *handoff.Message) {
	b, _ := handoff.Append(nil, m) // nothing in it is long
	k.to.Say(b)
}

// maybeClose closes a retired link when the worker has nothing of it any more.
func (k *link) maybeClose() {
	if k.retired && len(k.given) == 0 {
		k.to.Close()
	}
}

// OnRoom implements netpoll.LinkHandler: who waits comes back by its own timer.
func (k *link) OnRoom(*netpoll.Link) {}

// OnEnd implements netpoll.LinkHandler.
func (k *link) OnEnd(_ *netpoll.Link, err error) { k.ends(err) }

// ends gives the link up: the connections that the worker had are gone, or its own now.
func (k *link) ends(err error) {
	k.to.Close()
	l, s := k.lane, k.lane.s
	if l.link == k {
		l.link = nil
	}
	stopped := errors.Is(err, netpoll.ErrStopped)
	for id, back := range k.given {
		_ = back(-1, nil) // says so
		delete(k.given, id)
		l.held.Add(-1)
		if !stopped {
			bump(&l.errors)
			bump(&l.broken)
		}
		l.w.abandoned()
		l.w.giveBack()
	}
	waiting := k.waiting
	k.waiting = nil
	for _, j := range waiting {
		if j.link != k {
			continue
		}
		j.link = nil
		if stopped {
			j.stop()
		} else {
			j.refused(err)
		}
	}
	if !stopped {
		s.serve()
	}
}

// Recall asks all workers of a handoff pool for the connections that they hold: routes have changed.
func (p *Pool) Recall() { p.eachLink((*lane).recall) }

// Leave says that this front ends: workers of a handoff pool close connections behind the answers that
// they are at.
func (p *Pool) Leave() {
	p.eachLink(func(l *lane) {
		if l.link != nil {
			l.link.retire(handoff.FlagEnding)
		}
	})
}

func (p *Pool) eachLink(f func(*lane)) {
	p.each(func(s *shard) {
		for _, w := range *p.workers.Load() {
			f(&w.lanes[s.index])
		}
	})
}
