//go:build !race

package middleware_test

import (
	"testing"

	"weir/pipeline"
	"weir/pipeline/middleware"
	"weir/pipeline/pipelinetest"
)

func TestChainAllocs(t *testing.T) {
	h := pipeline.Handler(func(c *pipeline.Context) { c.Text(200, "hi") })
	for _, o := range []middleware.Options{
		middleware.Headers{Set: map[string]string{"X-A": "1"}, Remove: []string{"X-B"}},
		middleware.Recoverer{Page: "sorry"}, middleware.RequestID{Trust: "all"},
	} {
		h = build(t, o, h)
	}
	x := pipelinetest.Get(t, "/", "X-Request-Id: abc\r\n")
	exchange := func() {
		x.Serve(h)
		x.Complete()
	}
	exchange() // buffers grow once
	if got := testing.AllocsPerRun(1000, exchange); got != 0 {
		t.Errorf("allocations per exchange = %v; want 0", got)
	}
}
