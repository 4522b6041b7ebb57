//go:build linux

package main

import (
	"testing"

	"weir/supervisor/admin"
)

// A pool that passes from workers to upstreams and back under load: whichever was there serves until the
// other one can.
func TestPoolPasses(t *testing.T) {
	t.Parallel()
	far := startFar(t, "far")
	upstreams := farEdit(far.URL, "check: {http: /up, every: 100ms}")
	workers := edit{app: "/far: {pool: far}", pools: "far: {command: [testworker]}"}
	bed := startBed(t, workers)
	seen := map[string]bool{}
	l := startLoad(bed.url + "/far")
	for range rounds(5, 2) {
		for _, e := range []edit{upstreams, workers} {
			bed.apply(t, e)
			l.passes(bed.instance, 20)
			seen[bed.get("/far").body] = true
			bed.until("one pool of that name", func(s *admin.Status) bool {
				n := 0
				for i := range s.Pools {
					if s.Pools[i].Name == "far" && s.Pools[i].Ready == 1 && len(s.Pools[i].Workers) == 1 {
						n++
					}
				}
				return n == 1
			})
		}
	}
	l.finish(t)
	if !seen["far\n"] || !seen["testworker\n"] || len(seen) != 2 {
		t.Errorf("answers of %v; want those of both", seen)
	}
}
