package supervisor

// lentSocket is a socket of a group that the first front accepts from, because the pool has no
// worker and takes no requests. The descriptor is the group's.
type lentSocket struct {
	address string
	fd      int
}

// lentTo is the first front as an acceptor.
type lentTo struct{ *frontSet }

// take implements acceptor. A front that starts anew is given it again.
func (l lentTo) take(s *groupSocket, address string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lent[s.id] = lentSocket{address, s.fd}
	l.lend(s.id)
	return nil
}

// part implements acceptor.
func (l lentTo) part(s *groupSocket, address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.lent, s.id)
	if q := l.fronts[0].queue; q != nil {
		q.put(kindReclaim, SiteSocket{s.id, address})
	}
}

// lend sends one socket. The caller holds mu.
func (s *frontSet) lend(id uint64) {
	q, l := s.fronts[0].queue, s.lent[id]
	if q == nil || s.ending {
		return
	}
	if _, ok := s.current.config.Listener(l.address); !ok {
		return // a reload has removed pool and address: nobody comes any more
	}
	fds, err := duplicates(l.fd)
	if err != nil {
		s.log.Error("a socket cannot be given to the front", "address", l.address, "error", err)
		return // its clients wait for a worker
	}
	q.give(kindLend, SiteSocket{id, l.address}, fds...)
}

// lendAll sends a new front what its predecessor had. The caller holds mu.
func (s *frontSet) lendAll() {
	for id := range s.lent {
		s.lend(id)
	}
}
