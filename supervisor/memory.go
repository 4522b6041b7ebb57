package supervisor

import (
	"time"

	"weir/supervisor/config"
)

// usage is the memory of a worker's process group in bytes; 0: unknown.
type usage struct{ rss, pss int64 }

// of is what counts.
func (u usage) of(s config.MemorySource) int64 {
	if s == config.MemoryPSS {
		return u.pss
	}
	return u.rss
}

func (u usage) describe(s config.MemorySource) string { return string(s) + " " + sizeText(u.of(s)) }

// sizeText is n in the largest unit of which it has at least one, without fractions below it.
func sizeText(n int64) string {
	switch {
	case n >= 10<<30:
		return config.Size(n >> 30 << 30).String()
	case n >= 10<<20:
		return config.Size(n >> 20 << 20).String()
	}
	return config.Size(n >> 10 << 10).String()
}

// memory is one look at a pool's workers.
type memory struct {
	workers map[uint64]usage
	free    int64 // what could still be used here; -1: unknown
	err     error // why workers is empty
}

// sampling is recycle.memory's clock.
type sampling struct {
	at   time.Time
	busy bool
	said bool // that it is unsupported here
}

// sample measures workers for the memory limits, when it is time.
func (p *Pool) sample(now time.Time) {
	s, c := &p.rec.samples, &p.conf.Recycle
	if c.Memory <= 0 && c.MemoryMax <= 0 {
		*s = sampling{}
		return
	}
	every := time.Duration(c.SampleEvery)
	if s.at.After(now.Add(every)) { // it was longer
		s.at = now
	}
	if !s.busy && !now.Before(s.at) {
		s.busy, s.at = true, now.Add(every)
		p.ps.env.measure(p.live(), c.MemorySource == config.MemoryPSS, p.onSample)
	}
	p.rec.wake(s.at)
}

// live are the workers that have a process.
func (p *Pool) live() []WorkerRef {
	var refs []WorkerRef
	for _, n := range p.sortedWorkers() {
		if w := p.workers[n]; w.pid != 0 {
			refs = append(refs, w.ref)
		}
	}
	return refs
}

// onSample holds a sample against the limits.
func (p *Pool) onSample(m memory) {
	now, s, c := p.ps.env.now(), &p.rec.samples, &p.conf.Recycle
	s.busy = false
	p.noteUse(m)
	if m.err != nil && !s.said {
		s.said = true
		p.ps.log.Warn("unsupported here: recycle.memory", "pool", p.name, "source",
			string(c.MemorySource), "error", m.err)
	}
	for _, sl := range p.slots {
		w := sl.cur.w
		if w == nil || w.state != WorkerReady || m.workers[w.ref.N].of(c.MemorySource) == 0 {
			continue
		}
		used := w.rec.use.of(c.MemorySource)
		if c.Memory > 0 && used > int64(c.Memory) {
			w.rec.above++
		} else {
			w.rec.above = 0
		}
		if c.MemoryMax <= 0 || used <= int64(c.MemoryMax) {
			w.rec.over = time.Time{}
			continue
		}
		if w.rec.over.IsZero() {
			w.rec.over = now
		}
		p.takeOut(sl, now)
	}
	p.settle(now)
}

func (p *Pool) noteUse(m memory) {
	for n, u := range m.workers {
		if w := p.workers[n]; w != nil {
			w.rec.use.rss = u.rss
			if u.pss > 0 {
				w.rec.use.pss = u.pss
			}
		}
	}
}

// largest is the memory of the largest worker as last measured; 0: unknown.
func (p *Pool) largest() (n int64) {
	for _, w := range p.workers {
		n = max(n, w.rec.use.rss)
	}
	return n
}

// takeOut ends the worker in s, which is above the hard limit, without waiting for another. A fresh
// worker that is above it, too, stays while recycling has proved useless.
func (p *Pool) takeOut(s *slot, now time.Time) {
	w, c := s.cur.w, &p.conf.Recycle
	if now.Before(p.rec.notBefore) && w.early(causeMemoryMax) {
		return
	}
	o := order{causeMemoryMax, "memory_max: " + w.rec.use.describe(c.MemorySource) + " above " +
		c.MemoryMax.String()}
	p.recycled(w, s, o, now)
	p.dismiss(w, o.reason, now)
}
