package supervisor

import "slices"

// loaded takes one front's report on a pool and passes on that of all fronts together: what is now is
// summed, what is since the last report is this front's.
func (f *front) loaded(l *PoolLoad) {
	s := f.set
	s.mu.Lock()
	if f.loads == nil {
		f.loads = map[string]*PoolLoad{}
	}
	if _, known := s.pools[l.Pool]; known {
		f.loads[l.Pool] = l
	}
	sum := f.withOthers(l)
	s.mu.Unlock()
	s.events.PoolLoad(sum)
}

// unload is what pools do after this front's process has ended. The caller holds set.mu.
func (f *front) unload() (now []PoolLoad) {
	for pool := range f.loads {
		now = append(now, f.withOthers(&PoolLoad{Pool: pool}))
	}
	f.loads = nil
	return now
}

// withOthers is l, of this front, and what the others hold now. The caller holds set.mu.
func (f *front) withOthers(l *PoolLoad) PoolLoad {
	sum := *l
	sum.Workers = slices.Clone(l.Workers)
	for _, other := range f.set.fronts {
		if o := other.loads[l.Pool]; other != f && o != nil {
			sum.add(o)
		}
	}
	return sum
}

// add adds what o's front holds now.
func (l *PoolLoad) add(o *PoolLoad) {
	l.Waiting += o.Waiting
	l.Oldest = max(l.Oldest, o.Oldest)
	for _, w := range o.Workers {
		found := false
		for i := range l.Workers {
			if l.Workers[i].N == w.N {
				l.Workers[i].InFlight += w.InFlight
				found = true
			}
		}
		if !found {
			l.Workers = append(l.Workers, WorkerLoad{N: w.N, InFlight: w.InFlight})
		}
	}
}
