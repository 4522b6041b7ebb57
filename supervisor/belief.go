package supervisor

import (
	"strings"
	"time"
)

// belief is what is believed of what a member says that it has counted. The memory is the worker's to
// write, and a worker may be broken or hostile, while sums over all workers, and what outlives them, are
// nobody's to spoil: what it says never lowers a count, and raises it by no more than a worker could
// have done in the time.
type belief struct {
	from time.Time // of the first look
	at   time.Time // of the last
	most []uint64  // that it has said, by column
	sum  []uint64  // that is believed
	odd  string    // the first column about which it said what cannot be; "" for none
}

func newBelief(c *Counters, now time.Time) belief {
	return belief{from: now, at: now, most: make([]uint64, len(c.names)), sum: make([]uint64, len(c.names))}
}

// look takes in what c says now.
func (b *belief) look(c *Counters, now time.Time) {
	counts, bytes := bound(memberCountRate, now.Sub(b.at)), bound(memberBytesRate, now.Sub(b.from))
	b.at = now
	for i, name := range c.names {
		said := c.sum(i)
		switch {
		case ofOneLoop(name):
			continue
		case name == counterOpen: // a gauge
			b.sum[i] = min(said, memberOpenMax)
			b.doubt(name, said > memberOpenMax)
			continue
		case said < b.most[i]:
			b.doubt(name, true)
			continue
		}
		more, most := said-b.most[i], counts
		if strings.HasPrefix(name, "bytes_") { // counted at the end of what may have taken a day
			most = bytes - min(b.sum[i], bytes)
		}
		b.most[i] = said
		b.sum[i] += min(more, most)
		b.doubt(name, more > most)
	}
}

// bound is the most that is counted in a time at a rate.
func bound(perSecond float64, d time.Duration) uint64 {
	return uint64(perSecond*max(0, d.Seconds())) + memberCountsSlack
}

func (b *belief) doubt(name string, odd bool) {
	if odd && b.odd == "" {
		b.odd = name
	}
}

// of is what is believed of one counter of c; 0 for an unknown name.
func (b *belief) of(c *Counters, name string) uint64 {
	i, ok := c.index[name]
	if !ok {
		return 0
	}
	return b.sum[i]
}
