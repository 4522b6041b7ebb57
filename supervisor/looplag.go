package supervisor

import (
	"strings"
	"time"

	"weir/supervisor/admin"
)

// Names of counters, as pipeline/server has them, of how late event loops are. They are of single loops:
// a sum over all of them would say nothing.
const (
	counterLag     = "loop_lag_ns"
	counterLooks   = "loop_lag_looks"
	counterLagMax  = "loop_lag_max_ns" // a gauge
	counterLagWord = "loop_lag_"
)

// ofOneLoop reports that a counter has no sum.
func ofOneLoop(name string) bool { return strings.HasPrefix(name, counterLagWord) }

// loopLags is what c says of the lag of each loop.
func (c *Counters) loopLags() (out []admin.Loop) {
	for i := range c.rows {
		out = append(out, admin.Loop{
			Lag: seconds(c.cell(i, counterLag)), Looks: c.cell(i, counterLooks),
			LagMax: seconds(c.cell(i, counterLagMax)),
		})
	}
	return out
}

func seconds(ns uint64) float64 { return time.Duration(ns).Seconds() }

// lags is by worker the largest lag of the loop of each member of pool. A worker writes what it likes:
// no lag is longer than its life, which the caller holds it against.
func (gs *groups) lags(pool string) map[string]float64 {
	out := map[string]float64{}
	gs.group(pool, func(g *group) {
		for _, m := range g.members {
			out[m.ref.String()] = seconds(m.counters.cell(0, counterLagMax))
		}
	})
	return out
}
