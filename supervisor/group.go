package supervisor

import (
	"cmp"
	"os"
	"slices"

	"github.com/panjf2000/gnet/v2/pkg/socket"
	"golang.org/x/sys/unix"
)

// A group is the sockets of a pool whose workers accept for themselves, all bound to one address
// with SO_REUSEPORT, and who accepts from which. The supervisor keeps every socket open for as long
// as the address is listened on, and never closes one of them before: so no connection that the
// kernel has queued is lost whoever ends, and the kernel's order of the sockets is that in which
// they were opened.
//
// What is relied on (Linux, net/core/sock_reuseport.c; shown by TestKernelGroup):
//   - listen(2) appends a socket to its group; closing one moves the last into its place, and
//     resets what is queued at it; descriptors of other processes keep it open;
//   - SO_ATTACH_REUSEPORT_CBPF at any socket of a group of two and more replaces the program of
//     all; what it returns is the index of the socket for a new connection, and one beyond the last
//     means the kernel's own choice, by hash;
//   - a connection belongs to the socket that was chosen at its SYN: one that gets no more may
//     still be given those whose handshake was under way.
//
// Hence the rules, of which settle is the whole: each worker in rotation owns one socket; the
// program chooses at random among those that have an owner; a socket without one is served by
// another member, for as long as it has none; and when there is no member at all and the pool takes
// no requests, the first front serves them, which answers 503.
type group struct {
	pool      string
	all       *groups
	shared    bool // one socket for all members: the kernel cannot balance
	address   string
	listener  *Listener
	sockets   []groupSocket // in the kernel's order
	members   map[uint64]*member
	available Availability
	site      SiteConfigure
	balanced  []int // what the program in force was made from
	unserved  bool  // a socket could not be given away: settle once more
	retired   bool  // the address is another's; members are on their way out
}

// groupSocket is one socket of a group.
type groupSocket struct {
	id      uint64
	fd      int
	owner   *member    // connections are sent here for; nil: nobody
	servers []acceptor // who accepts here: the owner, or who stands in
}

func (s *groupSocket) servedBy(a acceptor) bool { return slices.Contains(s.servers, a) }

// acceptor is who may accept from a socket of a group.
type acceptor interface {
	take(s *groupSocket, address string) error
	part(s *groupSocket, address string)
}

// member is a worker of the group, from its hello to its end.
type member struct {
	ref      WorkerRef
	queue    *controlQueue
	counters *Counters
	belief   belief // of what they say
	live     bool   // in rotation
	rests    bool   // not in rotation, and to come back
	rest     uint64
	answered uint64
	refused  string // what it said to the last configuration
	load     memberLoad
}

// take implements acceptor.
func (m *member) take(s *groupSocket, address string) error {
	fd, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	m.queue.give(KindSiteJoin, SiteSocket{s.id, address}, fd)
	return nil
}

// part implements acceptor.
func (m *member) part(s *groupSocket, address string) {
	m.queue.put(KindSitePart, SiteSocket{s.id, address})
}

// newGroup takes l's sockets, one or more.
func newGroup(all *groups, pool string, l *Listener, shared bool) *group {
	g := &group{pool: pool, all: all, shared: shared || l.inherited, members: map[uint64]*member{}}
	g.adopt(l)
	return g
}

// adopt makes the sockets of l those of g.
func (g *group) adopt(l *Listener) {
	g.listener, g.address, g.balanced = l, l.Address(), nil
	g.sockets = nil
	for _, fd := range l.fds {
		g.add(fd)
		if !g.shared {
			_ = socket.SetReuseport(fd, 1) // else opening another one fails, which is told
		}
	}
	l.fds, l.group = nil, g
}

func (g *group) add(fd int) {
	g.all.lastID++
	g.sockets = append(g.sockets, groupSocket{id: g.all.lastID, fd: fd})
}

// live is the members in rotation, oldest first.
func (g *group) live() (out []*member) {
	for _, m := range g.members {
		if m.live {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b *member) int { return cmp.Compare(a.ref.N, b.ref.N) })
	return out
}

// settle brings sockets and members in line. It is called after every change and is idempotent.
// Whoever is to accept from a socket is given it before another one loses it.
func (g *group) settle() {
	if g.retired {
		return
	}
	g.unserved = false
	g.revive()
	live := g.live()
	homeless := g.house(live)
	for i := range g.sockets {
		g.serve(&g.sockets[i], g.wanted(i, live, homeless))
	}
	g.balance()
}

// revive has a socket listen again that a worker has shut down for all of its holders. As the kernel
// does, the last one is put in its place; it is then the last.
func (g *group) revive() {
	for n := len(g.sockets); n > 0; n-- {
		i := n - 1
		s := g.sockets[i]
		on, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		if err != nil || on != 0 {
			continue
		}
		g.all.log.Warn("a worker has shut down a listening socket; it is opened again", "pool", g.pool)
		if err := unix.Listen(s.fd, max(g.listener.spec.Backlog, 1)); err != nil {
			g.all.log.Error("a listening socket is lost", "pool", g.pool, "error", err)
		}
		last := len(g.sockets) - 1
		g.sockets[i] = g.sockets[last]
		g.sockets[last] = s
		g.balanced = nil
	}
}

// house gives every member in live a socket of its own, and returns those for whom there is none.
func (g *group) house(live []*member) (homeless []*member) {
	if g.shared {
		return live
	}
	for i := range g.sockets {
		if o := g.sockets[i].owner; o != nil && !o.live {
			g.sockets[i].owner = nil
		}
	}
	for _, m := range live {
		if slices.ContainsFunc(g.sockets, func(s groupSocket) bool { return s.owner == m }) {
			continue
		}
		i := slices.IndexFunc(g.sockets, func(s groupSocket) bool { return s.owner == nil })
		if i < 0 {
			fd, err := g.listener.another()
			if err != nil {
				g.all.log.Error("a worker shares a socket: there is none for it", "pool", g.pool,
					"worker", m.ref.String(), "error", err)
				homeless = append(homeless, m)
				continue
			}
			i = len(g.sockets)
			g.add(fd)
		}
		g.sockets[i].owner = m
	}
	return homeless
}

// wanted is who is to accept from socket i.
func (g *group) wanted(i int, live, homeless []*member) (want []acceptor) {
	s := &g.sockets[i]
	if i == 0 {
		for _, m := range homeless {
			want = append(want, m)
		}
	}
	switch {
	case s.owner != nil:
		return append(want, s.owner)
	case len(want) > 0:
		return want
	case len(live) > 0:
		return append(want, live[i%len(live)])
	case g.available != Available:
		return append(want, g.all.front)
	}
	// Nobody yet: what comes waits in the kernel. Those that leave accept until they have left.
	for _, a := range s.servers {
		if m, ok := a.(*member); ok && !m.rests {
			want = append(want, a)
		}
	}
	return want
}

// serve makes want be those who accept from s.
func (g *group) serve(s *groupSocket, want []acceptor) {
	for _, a := range want {
		if s.servedBy(a) {
			continue
		}
		if err := a.take(s, g.address); err != nil {
			g.unserved = true
			g.all.log.Error("a socket cannot be given away", "pool", g.pool, "error", err)
			continue
		}
		s.servers = append(s.servers, a)
	}
	if len(want) > 0 && !slices.ContainsFunc(want, s.servedBy) {
		return // none of them could be given it: those that have it keep it
	}
	s.servers = slices.DeleteFunc(s.servers, func(a acceptor) bool {
		if slices.Contains(want, a) {
			return false
		}
		a.part(s, g.address)
		return true
	})
}

// balance has the kernel choose at random among the sockets that have an owner.
func (g *group) balance() {
	var owned []int
	for i := range g.sockets {
		if g.sockets[i].owner != nil {
			owned = append(owned, i)
		}
	}
	if len(g.sockets) < 2 || len(owned) == 0 || slices.Equal(owned, g.balanced) {
		return
	}
	if err := g.all.attach(g.sockets[0].fd, owned); err != nil {
		// Every socket is served all the same; the kernel's hash chooses among all of them.
		g.all.log.Warn("workers are not balanced", "pool", g.pool, "error", err)
		return
	}
	g.balanced = owned
	g.all.log.Debug("sockets balanced", "pool", g.pool, "of", len(g.sockets), "chosen", owned)
}

// leave takes m out of rotation; with tell it is to finish and end.
func (g *group) leave(m *member, tell bool) {
	m.live = false
	g.settle()
	if tell {
		m.queue.put(KindSiteLeave, nil)
	}
}

// sleep takes m out of rotation and has it finish; all of its sockets are taken away before.
func (g *group) sleep(m *member) {
	m.live, m.rests = false, true
	m.rest++
	g.settle()
	m.queue.put(KindSiteRest, SiteRest{m.rest})
}

// forget is the end of m; settle gives its sockets to others.
func (g *group) forget(m *member) {
	m.live = false
	delete(g.members, m.ref.N)
	for i := range g.sockets {
		s := &g.sockets[i]
		s.servers = slices.DeleteFunc(s.servers, func(a acceptor) bool { return a == acceptor(m) })
	}
}

// move makes l, which is open, the address of g. Who accepts at the old one accepts what waits
// there and closes; it must have been plugged.
func (g *group) move(l *Listener) {
	old := *g
	g.adopt(l)
	g.settle()
	old.giveUp()
}

// configure sends m the configuration in force.
func (g *group) configure(m *member, fds ...int) { m.queue.give(KindSiteConfigure, g.site, fds...) }
