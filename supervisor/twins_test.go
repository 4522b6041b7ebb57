package supervisor

import (
	"slices"
	"testing"
	"time"

	"weir/supervisor/config"
)

// Workers make room for upstreams that are ill: requests go to the workers for as long as there are any,
// and no number is used twice.
func TestTwins(t *testing.T) {
	m := started(t, nil)
	m.happens(1, evReady)
	m.env.calls = nil
	far := &upstreamPool{ps: m.ps, want: PoolRunning, told: Stopped}
	m.ps.far.pools["shop"] = far
	m.ps.replace("shop", false)
	told := func(desc string, want ...string) {
		t.Helper()
		if !slices.Equal(m.env.calls, want) {
			t.Errorf("%s: told %q; want %q", desc, m.env.calls, want)
		}
		m.env.calls = nil
	}
	far.configure(&UpstreamConfig{
		Name: "shop", Concurrency: 8, Upstreams: upstreams(t, "http://10.0.0.1", "http://10.0.0.2"),
		StopTimeout: config.Duration(time.Minute),
		Check:       config.Check{HTTP: "/up", Fall: 1, Rise: 1, Every: config.Duration(time.Hour)},
	}, m.env.t)
	told("nothing is known of them", "available")
	if got := []uint64{far.members[0].ref.N, far.members[1].ref.N, m.ps.number("shop")}; !slices.Equal(got,
		[]uint64{2, 3, 4}) {
		t.Errorf("numbers of two upstreams and the next of either kind: %v; want 2, 3, 4", got)
	}
	far.members[0].checked(&far.conf.Check, "ill", m.env.t)
	far.members[1].checked(&far.conf.Check, "ill", m.env.t)
	far.settle(m.env.t)
	told("they are ill: the worker serves", "available")
	m.p.beginRemove(m.env.t)
	told("it leaves: nobody is left", "failed", "drain 1")
	if m.ps.upstreams("shop") != far || !m.p.replaced {
		t.Error("the pool of that name is not the one of upstreams")
	}
	far.members[1].checked(&far.conf.Check, "", m.env.t)
	far.settle(m.env.t)
	told("one is well", "ready 3 8", "available")
}
