package supervisor

import (
	"context"
	"fmt"
	"time"
)

// scale is a count of workers set by an operator. It holds until the configuration changes its own.
type scale struct{ to, from int } // to 0: none

// over is the count that is wanted when the configuration says count.
func (s *scale) over(count int) int {
	if s.to == 0 || count != s.from {
		*s = scale{}
		return count
	}
	return s.to
}

// Scale makes the pool have n workers until an Apply changes the configured count. It returns when
// there are as many ready ones, or none too many; a pool that does not run keeps the count for its next
// start. If a new worker does not become ready the pool goes on trying; the error says why.
func (p *Pool) Scale(ctx context.Context, n int) error {
	if n < 1 || n > poolWorkersMax {
		return fmt.Errorf("supervisor: pool %s: scale: %d is not in 1-%d", p.name, n, poolWorkersMax)
	}
	return p.wait(ctx, func(now time.Time) *waiter { return p.scale(n, now) }, nil)
}

func (p *Pool) scale(n int, now time.Time) *waiter {
	old := p.conf.Workers
	if p.scaled.to == 0 {
		p.scaled.from = old
	}
	p.scaled.to = n
	d := *p.conf
	d.Workers = n
	p.conf = &d
	p.maintain(now)
	return &waiter{
		done: func() bool { return p.want != PoolRunning || p.filled() && p.leaving() == 0 },
		fail: func() error {
			for _, s := range p.slots[min(old, len(p.slots)):] {
				if s.cur.w == nil && s.cur.fails > 0 {
					return fmt.Errorf("supervisor: pool %s: scale: %w", p.name, p.lastErr)
				}
			}
			return p.changeFailed()
		},
	}
}

// leaving counts the workers that have no slot any more.
func (p *Pool) leaving() int {
	n := len(p.workers)
	for _, s := range p.slots {
		for _, w := range []*worker{s.cur.w, s.next.w} {
			if w != nil {
				n--
			}
		}
	}
	return n
}
