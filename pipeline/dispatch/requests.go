package dispatch

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// RequestQuery says which requests are asked for.
type RequestQuery struct {
	Worker uint64        // of this one; 0: of all, and those in the queue
	Older  time.Duration // that came at least so long ago
	Max    int           // the oldest ones, per loop
}

// RequestStatus is one request under way.
type RequestStatus struct {
	Worker  uint64 // 0: in the queue
	Method  string
	Path    string // the first reportPathBytesMax bytes, without a query
	ID      string
	Stage   string
	Elapsed time.Duration // since it came to the pool
}

// Requests lists requests that the pool has under way, oldest first, and says how many there are. Those
// whose bodies are being kept before they wait, and those of connections that were handed off, are not
// among them. A loop that has not answered when ctx ends is silent: it is held up.
func (p *Pool) Requests(ctx context.Context, q RequestQuery) (list []RequestStatus, all, silent int) {
	type part struct {
		list []RequestStatus
		all  int
	}
	parts := make(chan part, len(p.shards))
	for _, s := range p.shards {
		if s != nil && s.loop.Post(func() {
			l, n := s.underWay(q)
			parts <- part{l, n}
		}) {
			silent++
		}
	}
	for silent > 0 {
		select {
		case a := <-parts:
			list, all = append(list, a.list...), all+a.all
			silent--
			continue
		case <-ctx.Done():
		}
		break
	}
	slices.SortStableFunc(list, func(a, b RequestStatus) int { return cmp.Compare(b.Elapsed, a.Elapsed) })
	return list[:min(len(list), q.Max)], all, silent
}

// underWay is one loop's part. It is for people who ask, and walks all that there is.
func (s *shard) underWay(q RequestQuery) (list []RequestStatus, all int) {
	var found []*job
	late := s.loop.Now() - int64(q.Older)
	add := func(j *job) {
		if j.c != nil && j.since() <= late {
			found = append(found, j)
		}
	}
	for _, w := range *s.pool.workers.Load() {
		if q.Worker != 0 && q.Worker != w.n {
			continue
		}
		for j := w.lanes[s.index].busy; j != nil; j = j.nextBusy {
			add(j)
		}
	}
	for i := range s.waiting {
		for j := s.waiting[i].first; j != nil && q.Worker == 0; j = j.next {
			add(j)
		}
	}
	slices.SortStableFunc(found, func(a, b *job) int { return cmp.Compare(a.since(), b.since()) })
	for _, j := range found[:min(len(found), q.Max)] {
		list = append(list, j.status())
	}
	return list, len(found)
}

// since is when j came to the pool.
func (j *job) since() int64 {
	if j.waitFrom != 0 {
		return j.waitFrom
	}
	return j.start
}

// status is j for an operator.
func (j *job) status() RequestStatus {
	r := j.c.Request()
	path := j.path()
	if len(path) > reportPathBytesMax {
		path = path[:reportPathBytesMax]
	}
	st := RequestStatus{
		Method: string(r.Method()), Path: string(path), ID: string(j.c.RequestID()), Stage: stageNames[j.stage],
		Elapsed: time.Duration(j.s.loop.Now() - j.since()).Round(time.Millisecond),
	}
	if j.lane != nil {
		st.Worker = j.lane.w.n
	}
	return st
}
