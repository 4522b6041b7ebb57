package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

// fakeFrontAcceptor is the front, which has nothing to do here.
type fakeFrontAcceptor struct{}

func (fakeFrontAcceptor) take(*groupSocket, string) error { return nil }
func (fakeFrontAcceptor) part(*groupSocket, string)       {}

// gathering is a group with sockets of its own and workers that hear what they are told.
type gathering struct {
	*testing.T
	gs       *groups
	g        *group
	env      *fakeEnv
	programs [][]int // attached, in order
	refuse   error   // of attach
	peers    map[uint64]*ControlConn
	now      time.Time
}

func gather(t *testing.T, shared bool) *gathering {
	t.Helper()
	x := &gathering{T: t, env: &fakeEnv{}, peers: map[uint64]*ControlConn{}}
	log := slog.New(slog.DiscardHandler)
	x.gs = newGroups(nil, []string{counterRequests, counterCompleted, counterErrors}, nil, log)
	x.gs.Link, x.gs.front, x.gs.shared = x.env, fakeFrontAcceptor{}, &shared
	x.gs.events = newPools(PoolsOptions{Link: x.env}) // an inbox
	x.now = time.Unix(1e9, 0)
	x.gs.now = func() time.Time { return x.now }
	x.gs.attach = func(_ int, owned []int) error {
		x.programs = append(x.programs, slices.Clone(owned))
		return x.refuse
	}
	l, err := listen(config.Listener{Address: "127.0.0.1:0", Pool: "shop"}, 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	x.gs.add("shop", l, &config.Config{})
	x.g = x.gs.by["shop"]
	t.Cleanup(func() {
		x.gs.close()
		for _, c := range x.peers {
			_ = c.Close() // a socket pair
		}
	})
	return x
}

// joins makes worker n a member that is not in rotation yet.
func (x *gathering) joins(n uint64) {
	x.Helper()
	ours, theirs, err := socketPair(controlSocketType)
	if err != nil {
		x.Fatal(err)
	}
	conn, err := NewControlConn(ours)
	if err != nil {
		x.Fatal(err)
	}
	if x.peers[n], err = NewControlConn(theirs); err != nil {
		x.Fatal(err)
	}
	q := newControlQueue(conn)
	x.Cleanup(func() {
		q.close(false)
		_ = conn.Close() // ends what it sends
		<-q.done
	})
	c, err := NewCounters(x.gs.counters, 1)
	if err != nil {
		x.Fatal(err)
	}
	x.g.members[n] = &member{ref: x.ref(n), queue: q, counters: c, belief: newBelief(c, x.now)}
}

// said wants worker n to have been told these.
func (x *gathering) said(n uint64, want ...string) {
	x.Helper()
	for _, kind := range want {
		m, fds, err := x.peers[n].Recv()
		closeFDs(fds)
		if err != nil || m.Kind != kind || (kind == KindSiteJoin) != (len(fds) == 1) {
			x.Fatalf("worker %d is told %s with %d descriptors, %v; want %s", n, m.Kind, len(fds), err, kind)
		}
	}
}

// inbox is what the pools were told since the last look.
func (x *gathering) inbox() []event {
	events, _ := x.gs.events.(*Pools).take()
	return events
}

func (x *gathering) ref(n uint64) WorkerRef { return WorkerRef{"shop", n} }

// is how the group is: for each socket who accepts, with a * behind who owns it.
func (x *gathering) is() string {
	var out []string
	for i := range x.g.sockets {
		s := &x.g.sockets[i]
		var who []string
		for _, a := range s.servers {
			m, ok := a.(*member)
			switch {
			case !ok:
				who = append(who, "front")
			case s.owner == m:
				who = append(who, fmt.Sprintf("%d*", m.ref.N))
			default:
				who = append(who, fmt.Sprint(m.ref.N))
			}
		}
		slices.Sort(who)
		out = append(out, strings.Join(who, "+"))
	}
	return strings.Join(out, " ")
}

func (x *gathering) want(why, want string, program ...int) {
	x.Helper()
	if got := x.is(); got != want {
		x.Errorf("%s: sockets %q; want %q", why, got, want)
	}
	if n := len(x.programs); program != nil && (n == 0 || !slices.Equal(x.programs[n-1], program)) {
		x.Errorf("%s: programs %v; want the last to be %v", why, x.programs, program)
	}
}

// The life of a group: whoever comes and goes, no socket is without somebody who accepts from it.
func TestGroupLife(t *testing.T) {
	x := gather(t, false)
	for n := range uint64(4) {
		x.joins(n + 1)
	}
	x.want("no worker yet: the kernel queues", "")
	x.gs.WorkerReady(x.ref(1), Endpoint{})
	x.want("the first takes what there is", "1*")
	x.gs.WorkerReady(x.ref(2), Endpoint{})
	x.want("the second gets its own", "1* 2*", 0, 1)
	x.gs.WorkerReady(x.ref(3), Endpoint{})
	x.want("a fresh one beside the old", "1* 2* 3*", 0, 1, 2)
	x.gs.WorkerDrain(x.ref(1))
	x.want("the old one's is served by another", "2 2* 3*", 1, 2)
	x.gs.ended(x.ref(1))
	x.want("still, when it is gone", "2 2* 3*", 1, 2)
	x.gs.WorkerReady(x.ref(4), Endpoint{})
	x.want("it is the next one's", "4* 2* 3*", 0, 1, 2)
	x.gs.ended(x.ref(2)) // killed
	x.want("a dead one's is served at once", "4* 4 3*", 0, 2)
	x.gs.WorkerFail(x.ref(3), "hangs")
	x.want("a hung one's, too", "4* 4 4", 0)
	x.env.calls = nil
	x.gs.ended(x.ref(4))
	x.want("nobody: the kernel queues for the next", "  ")
	x.gs.PoolAvailable("shop", Failed)
	x.want("the front answers for a pool that failed", "front front front")
	x.gs.PoolAvailable("shop", Available)
	x.want("and not while it starts", "  ")
	x.gs.PoolAvailable("shop", Stopped)
	x.joins(5)
	x.gs.WorkerReady(x.ref(5), Endpoint{})
	x.want("a worker, where there is one", "5* 5 5", 0)
	if want := []string{"failed", "available", "stopped"}; !slices.Equal(x.env.calls, want) {
		t.Errorf("the fronts were told %v; want %v, and nothing of workers", x.env.calls, want)
	}
}

// What a leaving worker is told: others have its socket before it loses it, then it leaves.
func TestGroupTells(t *testing.T) {
	x := gather(t, false)
	x.joins(1)
	x.joins(2)
	x.gs.WorkerReady(x.ref(1), Endpoint{})
	x.gs.WorkerReady(x.ref(2), Endpoint{})
	x.gs.WorkerDrain(x.ref(1))
	x.said(1, KindSiteJoin, KindSitePart, KindSiteLeave)
	x.said(2, KindSiteJoin, KindSiteJoin)
}

// A worker that is disabled loses its sockets, also the last one, and comes back; what it says of an
// earlier rest does not count.
func TestGroupRests(t *testing.T) {
	x := gather(t, false)
	drained := func() (n int) {
		for _, e := range x.inbox() {
			if e.kind == evDrained && e.worker == x.ref(1) {
				n++
			}
		}
		return n
	}
	x.joins(1)
	x.joins(2)
	x.gs.WorkerReady(x.ref(1), Endpoint{})
	x.gs.WorkerReady(x.ref(2), Endpoint{})
	x.gs.WorkerRest(x.ref(1))
	x.want("another serves its socket", "2 2*", 1)
	x.said(1, KindSiteJoin, KindSitePart, KindSiteRest)
	x.gs.WorkerReady(x.ref(1), Endpoint{})
	x.want("it is back", "1* 2*", 0, 1)
	x.gs.rested(x.ref(1), 1)
	if n := drained(); n != 0 {
		t.Error("a worker in rotation was taken for drained")
	}
	x.gs.WorkerRest(x.ref(2))
	x.gs.WorkerRest(x.ref(1))
	x.want("the last one: the kernel queues", " ")
	x.said(1, KindSiteJoin, KindSiteJoin, KindSitePart, KindSitePart, KindSiteRest)
	x.gs.rested(x.ref(1), 1)
	if n := drained(); n != 0 {
		t.Error("the answer to an earlier rest was taken for this one's")
	}
	x.gs.rested(x.ref(1), 2)
	if n := drained(); n != 1 {
		t.Errorf("drained %d times; want once", n)
	}
	x.gs.PoolAvailable("shop", Disabled)
	x.want("the front answers", "front front")
	x.gs.ended(x.ref(2))
	x.gs.WorkerReady(x.ref(1), Endpoint{})
	x.want("one is enough", "1* 1", 0)
	x.env.calls = nil
	x.gs.WorkerRest(x.ref(9))
	if got := x.env.calls; !slices.Equal(got, []string{"rest 9"}) {
		t.Errorf("a worker of the fronts: %v; want them to be told", got)
	}
}

// Where the kernel cannot choose, all accept from one socket.
func TestGroupShared(t *testing.T) {
	x := gather(t, true)
	for n := range uint64(3) {
		x.joins(n + 1)
		x.gs.WorkerReady(x.ref(n+1), Endpoint{})
	}
	x.want("three workers", "1+2+3")
	x.gs.WorkerDrain(x.ref(2))
	x.want("one leaves", "1+3")
	x.gs.ended(x.ref(1))
	x.gs.WorkerDrain(x.ref(3))
	x.want("the last that leaves keeps it while it drains", "3")
	x.gs.ended(x.ref(3))
	x.want("nobody", "")
	x.gs.PoolAvailable("shop", Disabled)
	x.want("no worker", "front")
	if len(x.programs) > 0 {
		t.Errorf("programs %v; want none", x.programs)
	}
}

// A program that the kernel refuses is tried again with the next change, and costs nothing but
// balance.
func TestGroupWithoutProgram(t *testing.T) {
	x := gather(t, false)
	x.refuse = errors.New("no")
	for n := range uint64(3) {
		x.joins(n + 1)
		x.gs.WorkerReady(x.ref(n+1), Endpoint{})
	}
	x.want("three workers", "1* 2* 3*", 0, 1, 2)
	x.refuse = nil
	x.gs.PoolAvailable("shop", Available)
	if n := len(x.programs); n != 3 {
		t.Errorf("%d programs; want 3: two refused, one in force", n)
	}
}

// A worker that shuts a socket down takes it from everybody; it is opened again.
func TestGroupRevives(t *testing.T) {
	x := gather(t, false)
	for n := range uint64(3) {
		x.joins(n + 1)
		x.gs.WorkerReady(x.ref(n+1), Endpoint{})
	}
	if err := unix.Shutdown(x.g.sockets[0].fd, unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	x.gs.ended(x.ref(1))
	x.want("the first is the last now", "3* 2* 2", 0, 1)
	for i := range x.g.sockets {
		on, err := unix.GetsockoptInt(x.g.sockets[i].fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		if err != nil || on == 0 {
			t.Errorf("socket %d does not listen: %v", i, err)
		}
	}
}

// Descriptors that a queue was given are closed, sent or not.
func TestControlQueueGives(t *testing.T) {
	x := gather(t, false)
	x.joins(1)
	q := x.g.members[1].queue
	fd := func() int {
		t.Helper()
		fds, err := duplicates(x.g.sockets[0].fd)
		if err != nil {
			t.Fatal(err)
		}
		return fds[0]
	}
	closed := func(fd int) bool {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		return err == unix.EBADF
	}
	a := fd()
	q.give(KindSiteJoin, SiteSocket{1, "a"}, a)
	_, fds, err := x.peers[1].Recv()
	if err != nil || len(fds) != 1 {
		t.Fatalf("received %d descriptors, %v", len(fds), err)
	}
	closeFDs(fds)
	q.close(true)
	<-q.done
	b := fd()
	q.give(KindSiteJoin, SiteSocket{2, "b"}, b)
	if !closed(a) || !closed(b) {
		t.Errorf("closed: %v when sent, %v after the end; want true, true", closed(a), closed(b))
	}
}

// A library has no address to give away.
func TestPoolAcceptsNowhere(t *testing.T) {
	m := newMachine(t, nil)
	c := PoolConfig{Name: "p", Command: []string{"app"}, Dispatch: config.DispatchReuseport}
	if _, err := m.ps.Add(c); err == nil || !strings.Contains(err.Error(), "no address for it") {
		t.Errorf("Add = %v; want a refusal", err)
	}
}

// TestGroupRandom: after any row of changes every socket has somebody, every worker in rotation a
// socket, and the program is that of the sockets with an owner.
func TestGroupRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	x := gather(t, false)
	last := uint64(0)
	for step := range 400 {
		any1 := x.ref(1 + r.Uint64N(last+1))
		switch r.IntN(5) {
		case 0:
			if last < 40 {
				last++
				x.joins(last)
			}
		case 1:
			x.gs.WorkerReady(any1, Endpoint{})
		case 2:
			x.gs.WorkerDrain(any1)
		case 3:
			x.gs.ended(any1)
		case 4:
			x.gs.PoolAvailable("shop", Availability(r.IntN(4)))
		}
		x.env.calls = nil
		if bad := x.broken(); bad != "" {
			t.Fatalf("step %d: %s: sockets %q, programs %v", step, bad, x.is(), x.programs)
		}
	}
}

func (x *gathering) broken() string {
	live := x.g.live()
	var owned []int
	for i := range x.g.sockets {
		s := &x.g.sockets[i]
		if s.owner != nil {
			owned = append(owned, i)
		}
		for _, a := range s.servers {
			m, ok := a.(*member)
			switch {
			case ok && !m.live && len(live) > 0:
				return fmt.Sprintf("socket %d is served by one that leaves", i)
			case !ok && (len(live) > 0 || x.g.available == Available):
				return fmt.Sprintf("socket %d is served by the front", i)
			}
		}
		if len(s.servers) != 1 && (len(live) > 0 || x.g.available != Available) {
			return fmt.Sprintf("socket %d is served by %d", i, len(s.servers))
		}
	}
	switch {
	case len(owned) != len(live):
		return fmt.Sprintf("%d workers own %d sockets", len(live), len(owned))
	case len(x.g.sockets) > 1 && len(owned) > 0 && !slices.Equal(owned, x.programs[len(x.programs)-1]):
		return fmt.Sprintf("%v are owned", owned)
	}
	return ""
}
