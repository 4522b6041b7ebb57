package main

import (
	"strings"
	"testing"
	"time"

	"weir/bench/costs"
)

// TestSupervisor is the short form of "bench supervisor": everything is measured once. Whether the targets
// are met says nothing on a machine that runs other tests.
func TestSupervisor(t *testing.T) {
	var out strings.Builder
	err := runSupervisor(t.Context(), costs.Options{
		Rounds: 1, Window: 200 * time.Millisecond, Workers: 3, Kills: 2,
	}, &out)
	if err != nil && !strings.Contains(err.Error(), "above the target") {
		t.Fatal(err)
	}
	for _, want := range []string{"crash loop: supervisor", "3 workers at rest", "until the death is logged",
		"until it can be connected to"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no row %q in\n%s", want, out.String())
		}
	}
}
