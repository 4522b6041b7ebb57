//go:build !race

package static_test

import (
	"testing"

	"weir/pipeline/pipelinetest"
)

func TestHitAllocs(t *testing.T) {
	s := newSite(t)
	etag := s.do("GET /a.txt").Fields.Get("ETag")
	for desc, fields := range map[string]string{
		"whole": "", "not modified": "If-None-Match: \"x\", " + etag + "\r\n",
	} {
		x := pipelinetest.Get(t, "/a.txt", "Accept: */*\r\n"+fields)
		exchange := func() {
			x.Serve(s.f.Handle)
			x.Complete()
		}
		exchange() // buffers grow once
		if got := testing.AllocsPerRun(1000, exchange); got != 0 {
			t.Errorf("%s: allocations per hit = %v; want 0", desc, got)
		}
		if !x.Ended || x.Held {
			t.Errorf("%s: not a hit", desc)
		}
	}
}

func BenchmarkHit(b *testing.B) {
	x := pipelinetest.Get(b, "/static_test.go", "Accept: */*\r\n")
	f := openHere(b)
	x.Run(f.Handle)
	x.Complete()
	b.ReportAllocs()
	for b.Loop() {
		x.Serve(f.Handle)
		x.Complete()
	}
}
