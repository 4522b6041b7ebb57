package supervisor

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"weir/supervisor/admin"
	"weir/supervisor/config"
)

// farMachine drives a pool of upstreams without a network. The main loop is the test's goroutine.
type farMachine struct {
	*machine
	far   *upstreamPool
	names map[string][]netip.Addr // what a look-up finds; none: an error
	ill   map[string]string       // by address: what a check finds
}

func newFarMachine(t *testing.T, c UpstreamConfig) *farMachine {
	t.Helper()
	m := &farMachine{machine: newMachine(t, nil), names: map[string][]netip.Addr{}, ill: map[string]string{}}
	m.ps.far.net = upstreamNet{
		lookUp: func(_ context.Context, host string) ([]netip.Addr, error) {
			if a := m.names[host]; a != nil {
				return a, nil
			}
			return nil, errors.New("no such host")
		},
		ask: func(_ context.Context, at Endpoint, _, _ string, _ int) string { return m.ill[at.Address] },
	}
	t.Cleanup(m.ps.far.close)
	m.apply(c)
	return m
}

// apply is ApplyUpstreams on the test's goroutine.
func (m *farMachine) apply(c UpstreamConfig) {
	c.Name, c.Concurrency = "far", 8
	setDefault(&c.Resolve, config.Duration(30*time.Second))
	if m.far == nil {
		m.far = &upstreamPool{ps: m.ps, want: PoolRunning, told: Stopped}
		m.ps.far.pools["far"] = m.far
	}
	m.far.configure(&c, m.env.t)
	m.turn()
}

// turn lets clocks ring and takes in what was asked in the background, until nothing is left to do.
func (m *farMachine) turn() {
	for {
		m.far.advance(m.env.t)
		m.ps.far.running.Wait()
		events, _ := m.ps.take()
		if len(events) == 0 {
			return
		}
		m.ps.turn(events)
	}
}

func (m *farMachine) after(d time.Duration) {
	m.env.t = m.env.t.Add(d)
	m.turn()
}

func (m *farMachine) drained(n uint64) {
	m.ps.dispatch(&event{worker: WorkerRef{"far", n}, kind: evDrained}, m.env.t)
}

// wants compares what the fronts were told since the last time, in any order.
func (m *farMachine) wants(desc string, calls ...string) {
	m.Helper()
	slices.Sort(m.env.calls) // checks end in any order
	slices.Sort(calls)
	if !slices.Equal(m.env.calls, calls) {
		m.Errorf("%s: told %q; want %q", desc, m.env.calls, calls)
	}
	m.env.calls = nil
}

func upstreams(t *testing.T, urls ...string) (out []config.Upstream) {
	t.Helper()
	for _, s := range urls {
		u, err := config.ParseUpstream(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, u)
	}
	return out
}

func TestUpstreamsResolve(t *testing.T) {
	one, two := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	c := UpstreamConfig{
		Upstreams: upstreams(t, "http://api.test:81", "http://10.0.0.9"), StopTimeout: config.Duration(time.Minute),
	}
	m := newFarMachine(t, c)
	m.wants("an address, and a name without one", "available", "ready 1 8")
	m.names["api.test"] = []netip.Addr{two, one, two}
	m.after(5 * time.Second)
	m.wants("both addresses, once", "ready 2 8", "ready 3 8")
	if got := m.far.member(2).address.String(); got != "10.0.0.1:81" {
		t.Errorf("upstream 2 is %s; want 10.0.0.1:81", got)
	}
	delete(m.names, "api.test")
	m.after(30 * time.Second)
	m.wants("no answer: the last one holds")
	m.names["api.test"] = []netip.Addr{two}
	m.after(5 * time.Second)
	m.wants("one less", "drain 2")
	m.drained(2)
	m.wants("and drained", "gone 2")
	m.after(25 * time.Second)
	m.wants("nothing changed")
	c.Upstreams = c.Upstreams[1:]
	m.apply(c)
	m.wants("a reload without the name", "drain 3")
	m.after(time.Minute)
	m.wants("it holds something beyond stop_timeout", "gone 3")
	if a := m.far.availability(); a != Available || len(m.far.members) != 1 {
		t.Errorf("left: %v, %d members; want the address", a, len(m.far.members))
	}
}

// A pool that a reload removes is forgotten when its last upstream is drained, or when the time for that
// is over, whoever waits for it.
func TestUpstreamsDrop(t *testing.T) {
	m := newFarMachine(t, UpstreamConfig{
		Upstreams: upstreams(t, "http://10.0.0.1", "http://10.0.0.2"), StopTimeout: config.Duration(time.Minute),
	})
	m.wants("start", "available", "ready 1 8", "ready 2 8")
	m.far.removed, m.far.want = true, PoolStopped
	m.far.settle(m.env.t)
	m.drained(1)
	m.wants("one holds something", "drain 1", "drain 2", "stopped", "gone 1")
	if m.ps.upstreams("far") == nil {
		t.Error("forgotten although one holds something")
	}
	m.after(time.Minute)
	m.wants("its time is over", "gone 2")
	if m.ps.upstreams("far") != nil {
		t.Error("not forgotten")
	}
}

func TestUpstreamsCheck(t *testing.T) {
	c := UpstreamConfig{
		Upstreams: upstreams(t, "http://10.0.0.1", "http://10.0.0.2"),
		Check: config.Check{HTTP: "/up", Status: 200, Rise: 2, Fall: 3,
			Every: config.Duration(time.Second), Timeout: config.Duration(time.Second)},
	}
	m := newFarMachine(t, c)
	m.wants("one check is not enough, and requests queue", "available")
	m.after(time.Second)
	m.wants("two are", "ready 1 8", "ready 2 8")
	m.ill["10.0.0.1:80"] = "status 500"
	m.after(time.Second)
	m.after(time.Second)
	m.wants("two failures")
	m.after(time.Second)
	m.wants("three: nothing new", "drain 1")
	m.ill["10.0.0.2:80"] = "refused"
	for range 3 {
		m.after(time.Second)
	}
	m.wants("nobody is left", "drain 2", "failed")
	if s := m.far.status(m.env.t); s.State != "failed" || s.Ready != 0 || s.Workers[1].Reason != "refused" ||
		s.Workers[1].State != "down" {
		t.Errorf("status %+v; want why it failed", s)
	}
	m.ill = map[string]string{"10.0.0.2:80": "refused"}
	m.after(time.Second)
	m.after(time.Second)
	m.wants("one is back", "ready 1 8", "available")
	c.Check.HTTP = ""
	m.apply(c)
	m.wants("without checks all are", "ready 2 8")
	m.after(time.Hour)
	m.wants("and stay")
}

func TestUpstreamsVerbs(t *testing.T) {
	m := newFarMachine(t, UpstreamConfig{Upstreams: upstreams(t, "http://10.0.0.1", "http://10.0.0.2")})
	m.wants("start", "available", "ready 1 8", "ready 2 8")
	go m.ps.loop()
	act := func(verb admin.Verb, n uint64) error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- m.far.act(ctx, admin.Action{Verb: verb, Pool: "far", Worker: n}) }()
		for {
			select {
			case err := <-done:
				return err
			default: // fronts hold nothing
				for i := range uint64(4) {
					m.ps.WorkerDrained(WorkerRef{"far", i + 1})
				}
			}
		}
	}
	told := func(desc string, calls ...string) {
		t.Helper()
		m.ps.call(func(time.Time) { m.wants(desc, calls...) })
	}
	for _, err := range []error{act(admin.VerbDrain, 1), act(admin.VerbStart, 0)} {
		if err != nil {
			t.Error(err)
		}
	}
	told("one drained, and back with the pool", "drain 1", "ready 1 8")
	for _, n := range []uint64{1, 2} {
		if err := act(admin.VerbDisable, n); err != nil {
			t.Error(err)
		}
	}
	told("every one disabled: no check would bring one back", "drain 1", "drain 2", "disabled")
	if s := m.ps.Upstreams()[0]; s.State != "disabled" || s.Want != "running" {
		t.Errorf("every one is disabled: %+v; want the pool disabled, though it should run", s)
	}
	for _, n := range []uint64{2, 1, 1} {
		if err := act(admin.VerbStart, n); err != nil {
			t.Error(err)
		}
	}
	told("one by one back", "ready 2 8", "available", "ready 1 8")
	if err := act(admin.VerbDisable, 0); err != nil {
		t.Error(err)
	}
	told("disabled", "drain 1", "drain 2", "disabled", "gone 1", "gone 2")
	if err := act(admin.VerbStart, 0); err != nil {
		t.Error(err)
	}
	told("enabled", "available", "ready 3 8", "ready 4 8")
	for _, v := range []admin.Verb{admin.VerbDrain, admin.VerbStart} {
		if err := act(v, 9); !errors.Is(err, ErrNoWorker) {
			t.Errorf("%s of none = %v; want ErrNoWorker", v, err)
		}
	}
	for _, v := range []admin.Verb{admin.VerbRecycle, admin.VerbScale} {
		if err := act(v, 0); !errors.Is(err, admin.ErrConflict) {
			t.Errorf("%s = %v; want ErrConflict", v, err)
		}
	}
	m.ps.mu.Lock()
	m.ps.closing = true
	m.ps.mu.Unlock()
	m.ps.kick()
	<-m.ps.done
}
