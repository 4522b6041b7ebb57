package supervisor

import (
	"slices"

	"weir/supervisor/config"
)

// seatCPUs chooses the processors of a worker: nil for all. Of the units that spread and nodes hand
// out it takes the one with the fewest of the pool's workers; among equals that of the oldest, which a
// rolling replacement takes away next.
func seatCPUs(word config.CPUs, own []int, nodes func([]int) [][]int, taken []seatedWorker) []int {
	var units [][]int
	switch word {
	case "", config.CPUsAll:
		return nil
	case config.CPUsSpread:
		for _, n := range own {
			units = append(units, []int{n})
		}
	case config.CPUsNodes:
		units = nodes(own)
	default:
		return word.List()
	}
	var best []int
	var bestCount, bestOldest uint64
	for _, u := range units {
		count, oldest := uint64(0), ^uint64(0)
		for _, t := range taken {
			if slices.Equal(t.cpus, u) {
				count, oldest = count+1, min(oldest, t.n)
			}
		}
		if best == nil || count < bestCount || count == bestCount && oldest < bestOldest {
			best, bestCount, bestOldest = u, count, oldest
		}
	}
	return best
}

// seatedWorker is a worker that has its processors.
type seatedWorker struct {
	n    uint64
	cpus []int
}
