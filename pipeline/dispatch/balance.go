package dispatch

import (
	"bytes"
	"net/netip"

	"weir/protocol/http1"
)

// Rule says how a worker is chosen among those that can take a request.
type Rule uint8

// Rules. All of them skip workers without a free slot.
const (
	LeastInFlight Rule = iota // the fewest requests; ties take turns
	RoundRobin                // in turn, on each loop
	Random2                   // the one with fewer requests of two taken at random
	HashClient                // by the client's address
	HashHeader                // by a field of the request
	HashCookie                // by a cookie of the request
	Sticky                    // the one that a cookie of ours names
)

// Balance is a rule and what it needs. Requests that a rule has no opinion about, as those without
// the field that is hashed, go to the worker with the fewest.
type Balance struct {
	Rule Rule
	Name string // of the field or cookie that is hashed
}

// wish is which worker a request asks for by what it carries, and how soon by its route.
type wish struct {
	class  Priority
	key    uint64
	keyed  bool   // key is valid
	worker uint64 // of a sticky cookie that is ours; valid when sticks
	sticks bool
}

// choose is the lane of the worker that j goes to now; nil when none can take it.
//
// Hot path: once per request. No allocation: TestProxyAllocs.
func (s *shard) choose(j *job, workers []*worker, not *worker) *lane {
	switch j.set.Balance.Rule {
	case LeastInFlight:
	case RoundRobin:
		return s.nextInTurn(workers, not)
	case Random2:
		if l := s.lesserOfTwo(workers, not); l != nil {
			return l
		}
	case HashClient, HashHeader, HashCookie:
		if j.wish.keyed {
			return s.byHash(j.wish.key, workers, not)
		}
	case Sticky:
		if l := s.stuckTo(&j.wish, workers, not); l != nil {
			return l
		}
	}
	return s.leastLoaded(workers, not)
}

// candidate is w's lane when w can take a request of this loop now.
func (s *shard) candidate(w, not *worker) *lane {
	l := &w.lanes[s.index]
	if w.protocol != HTTP && w.protocol != s.wanted { // before or behind a reload: j is not prepared for it
		return nil
	}
	if w == not || l.idle == nil && w.free.Load() <= 0 || !w.usable() {
		return nil
	}
	return l
}

// weight is how loaded w is. A worker that starts slowly counts as if it had the requests of a full
// one; over is true when it has its share and gets more only when no other can take any.
func (w *worker) weight() (n int, over bool) {
	n = w.inFlight()
	if w.slowFrom.Load() == 0 {
		return n, false
	}
	share := w.share()
	return n * int(w.slots) / share, n >= share
}

// leastLoaded is the worker with the fewest requests.
func (s *shard) leastLoaded(workers []*worker, not *worker) (best *lane) {
	var fresh *lane
	i, load := s.rotate, 0
	for range workers {
		if i++; i >= len(workers) {
			i = 0
		}
		l := s.candidate(workers[i], not)
		if l == nil {
			continue
		}
		n, over := l.w.weight()
		if over {
			fresh = l
			continue
		}
		if best == nil || n < load {
			best, load = l, n
			s.rotate = i
		}
	}
	if best == nil {
		return fresh
	}
	return best
}

// nextInTurn is the worker after the last one.
func (s *shard) nextInTurn(workers []*worker, not *worker) (fresh *lane) {
	i := s.rotate
	for range workers {
		if i++; i >= len(workers) {
			i = 0
		}
		l := s.candidate(workers[i], not)
		if l == nil {
			continue
		}
		if _, over := l.w.weight(); over {
			fresh = l
			continue
		}
		s.rotate = i
		return l
	}
	return fresh
}

// lesserOfTwo is the less loaded of two workers taken at random; nil when a few throws find none.
func (s *shard) lesserOfTwo(workers []*worker, not *worker) *lane {
	var first *lane
	load := 0
	for range random2ThrowsMax {
		l := s.candidate(workers[s.random(len(workers))], not)
		if l == nil || l == first {
			continue
		}
		n, over := l.w.weight()
		switch {
		case over:
		case first == nil:
			first, load = l, n
		case n < load:
			return l
		default:
			return first
		}
	}
	return first
}

// random is below n. xorshift64*: a loop's own, so it takes no lock.
func (s *shard) random(n int) int {
	x := s.seed
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	s.seed = x
	return int((x * 0x2545f4914f6cdd1d >> 32) * uint64(n) >> 32)
}

// byHash is rendezvous hashing with bounded load: of the workers, each weighed together with key,
// the heaviest that has no more than 5/4 of the mean. Every key has its own order of workers, so
// one that comes or goes moves the keys that are, or become, its own and no others.
func (s *shard) byHash(key uint64, workers []*worker, not *worker) *lane {
	total, count := 1, 0 // this request counts
	for _, w := range workers {
		if w != not && w.usable() {
			total += w.inFlight()
			count++
		}
	}
	var best, spare *lane
	var bestWeight, spareWeight uint64
	for _, w := range workers {
		l := s.candidate(w, not)
		if l == nil {
			continue
		}
		weight := mix(key ^ mix(w.n))
		if spare == nil || weight > spareWeight {
			spare, spareWeight = l, weight
		}
		_, over := w.weight()
		if over || !withinBound(w.inFlight()+1, total, count) {
			continue
		}
		if best == nil || weight > bestWeight {
			best, bestWeight = l, weight
		}
	}
	if best == nil { // those below the bound have no slot
		return spare
	}
	return best
}

// withinBound says whether load requests are no more than 5/4 of the mean, rounded up.
func withinBound(load, total, count int) bool {
	return load <= (total*hashLoadShare+100*count-1)/(100*count)
}

// mix spreads the bits of x over the result: the finalizer of MurmurHash3.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// FNV-1a, 64 bits.
const (
	fnvOffset = 0xcbf29ce484222325
	fnvPrime  = 0x100000001b3
)

func hashOf(b []byte) uint64 {
	h := uint64(fnvOffset)
	for _, c := range b {
		h = (h ^ uint64(c)) * fnvPrime
	}
	return h
}

// makeWish finds out which worker the request asks for.
func (j *job) makeWish() {
	b, r := &j.set.Balance, j.c.Request()
	switch b.Rule {
	case HashClient:
		if a := j.client(); a.IsValid() {
			b := a.As16()
			j.wish.key, j.wish.keyed = hashOf(b[:]), true
		}
	case HashHeader:
		if v := r.Lookup(b.Name); len(v) > 0 {
			j.wish.key, j.wish.keyed = hashOf(v), true
		}
	case HashCookie:
		if v := cookieOf(r, b.Name); len(v) > 0 {
			j.wish.key, j.wish.keyed = hashOf(v), true
		}
	case Sticky:
		j.askSticky()
	}
}

// client is whom the request comes from: the peer, or what a trusted proxy says of it, nearest
// first beyond those that are trusted, too. Not valid when nobody knows.
func (j *job) client() netip.Addr {
	a := j.c.Peer().Addr().Unmap()
	r := j.c.Request()
	if !r.Has(http1.XForwardedFor) || !j.trusted() {
		return a
	}
	var last, stranger netip.Addr // of the whole list
	for v := range r.Values(http1.XForwardedFor) {
		for len(v) > 0 {
			var item []byte
			item, v = cutComma(v)
			said, err := netip.ParseAddr(view(item))
			if err != nil {
				continue
			}
			if last = said.Unmap(); !j.set.trusts(last) {
				stranger = last
			}
		}
	}
	switch {
	case stranger.IsValid():
		return stranger
	case last.IsValid():
		return last
	}
	return a
}

// cookieOf is the value of the first cookie called name, nil if there is none. RFC 6265 section
// 4.2: pairs are separated by semicolons.
func cookieOf(r *http1.Request, name string) []byte {
	for v := range r.Values(http1.Cookie) {
		for more := true; more; {
			var pair []byte
			pair, v, more = bytes.Cut(v, semicolon)
			key, value, ok := bytes.Cut(bytes.TrimLeft(pair, " \t"), equals)
			if ok && view(key) == name {
				return value
			}
		}
	}
	return nil
}

var semicolon, equals = []byte(";"), []byte("=")
