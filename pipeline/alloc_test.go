//go:build !race

package pipeline_test

import (
	"testing"

	"weir/pipeline"
	"weir/pipeline/pipelinetest"
)

func TestTextAllocs(t *testing.T) {
	x := pipelinetest.Get(t, "/hello%20world", "Accept: */*\r\n")
	h := plaintextChain(t)
	exchange := func() {
		x.Serve(h)
		x.Complete()
	}
	exchange() // buffers grow once
	if got := testing.AllocsPerRun(1000, exchange); got != 0 {
		t.Errorf("allocations per exchange = %v; want 0", got)
	}
}

func TestFailAllocs(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	exchange := func() {
		x.Serve(pipeline.NotFoundHandler)
		x.Complete()
	}
	exchange() // buffers grow once
	if got := testing.AllocsPerRun(1000, exchange); got != 0 {
		t.Errorf("allocations per exchange = %v; want 0", got)
	}
}
