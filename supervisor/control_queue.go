package supervisor

import (
	"fmt"
	"sync"
	"time"
)

// controlQueue sends messages in order from a goroutine of its own, so that those who put them never
// block. It ends with the first error: a peer that does not read for frontWriteMax, or lets
// frontQueueMax messages pile up, is as bad as one that is gone.
type controlQueue struct {
	conn *ControlConn
	slow time.Duration // the longest wait for the peer to read
	wake chan struct{} // capacity 1
	done chan struct{} // closed when the goroutine has ended: nothing touches the descriptors any more

	mu     sync.Mutex
	items  []queued // guarded by mu
	err    error    // guarded by mu; why it ended
	closed bool     // guarded by mu
}

type queued struct {
	m   Message
	fds []int
	own bool // fds are to be closed
}

// drop closes what is the queue's.
func (it *queued) drop() {
	if it.own {
		closeFDs(it.fds)
	}
}

func newControlQueue(c *ControlConn) *controlQueue {
	q := &controlQueue{conn: c, slow: frontWriteMax, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// put queues kind with the JSON form of body. The descriptors must stay open until it is sent or the
// queue is done. After the end of the queue it does nothing.
func (q *controlQueue) put(kind string, body any, fds ...int) { q.add(kind, body, queued{fds: fds}) }

// give is put with descriptors that are the queue's from here on.
func (q *controlQueue) give(kind string, body any, fds ...int) {
	q.add(kind, body, queued{fds: fds, own: true})
}

func (q *controlQueue) add(kind string, body any, it queued) {
	m, err := NewMessage(kind, body)
	it.m = m
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed || q.err != nil:
		it.drop()
		return
	case err != nil:
		q.err = err
		it.drop()
	case len(q.items) >= frontQueueMax:
		q.err = fmt.Errorf("supervisor: control: %d messages wait for the peer", len(q.items))
		it.drop()
	default:
		q.items = append(q.items, it)
	}
	q.kick()
}

// close ends the queue. With flush what is queued is still sent.
func (q *controlQueue) close(flush bool) {
	q.mu.Lock()
	q.closed = true
	if !flush {
		q.dropAll()
	}
	q.mu.Unlock()
	q.kick()
}

// dropAll forgets what is queued. The caller holds mu.
func (q *controlQueue) dropAll() {
	for i := range q.items {
		q.items[i].drop()
	}
	q.items = nil
}

func (q *controlQueue) kick() {
	select {
	case q.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// run sends until close or an error; then it closes the channel unless the queue was closed by us.
func (q *controlQueue) run() {
	defer close(q.done)
	for range q.wake {
		for {
			it, more, end := q.next()
			if end {
				return
			}
			if !more {
				break
			}
			err := q.conn.SetWriteDeadline(time.Now().Add(q.slow))
			if err == nil {
				err = q.conn.Send(&it.m, it.fds)
			}
			it.drop()
			if err != nil {
				q.fail(err)
			}
		}
	}
}

func (q *controlQueue) next() (it queued, more, end bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.err != nil:
		q.dropAll()
		_ = q.conn.Close() // wakes the reader, which ends the session; q.err says why
		return queued{}, false, true
	case len(q.items) > 0:
		it = q.items[0]
		q.items = q.items[1:]
		return it, true, false
	}
	return queued{}, false, q.closed
}

func (q *controlQueue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
}

// cause is the error that ended the queue, if any.
func (q *controlQueue) cause() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}
