package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/admin"
	"weir/supervisor/config"
)

// The test binary started as a front is a fake one: it answers every connection with its pid and
// closes. Names of sites in its configuration are orders.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "__front" {
		os.Exit(fakeFrontMain())
	}
}

// Orders to the fake front.
const (
	orderRefuse   = "refuse"   // Configure fails
	orderDie      = "die"      // Configure ends the process
	orderStubborn = "stubborn" // Drain and Shutdown are ignored
	orderSilent   = "silent"   // workers never drain
)

var fakeCounters = []string{"configured", "unused"}

// fakeListener is a listener and the sockets that it came from, which are the front's to close.
type fakeListener struct {
	net.Listener
	fds []int
}

func (l fakeListener) Close() error {
	closeFDs(l.fds)
	return l.Listener.Close()
}

type fakeFront struct {
	s        *FrontSession
	mu       sync.Mutex
	orders   []string
	open     map[string]fakeListener
	workers  map[string]int // slots
	pools    map[string]Availability
	counters *Counters
	level    config.LogLevel
}

func fakeFrontMain() int {
	s, err := AttachFront(ControlFD)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fake front:", err)
		return 1
	}
	f := &fakeFront{s: s, open: map[string]fakeListener{}, workers: map[string]int{},
		pools: map[string]Availability{}}
	if err := s.Serve(f); err != nil && !errors.Is(err, ErrSupervisorGone) {
		fmt.Fprintln(os.Stderr, "fake front:", err)
		return 1
	}
	return 0
}

func (f *fakeFront) ordered(o string) bool { return slices.Contains(f.orders, o) }

func (f *fakeFront) Configure(s Snapshot) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var orders []string
	for _, site := range s.Config.Sites {
		orders = append(orders, site.Name)
	}
	if slices.Contains(orders, orderRefuse) {
		return errors.New("the fake front refuses")
	}
	if slices.Contains(orders, orderDie) {
		os.Exit(7)
	}
	f.orders = orders
	first := f.counters == nil
	f.counters = s.Counters
	s.Counters.Row(0)[0]++
	have := map[string]bool{}
	for _, l := range s.Listeners {
		have[l.Address] = true
		if _, ok := f.open[l.Address]; !ok {
			f.listen(l)
		}
	}
	for a, l := range f.open {
		if !have[a] {
			_ = l.Close()
			delete(f.open, a)
		}
	}
	if first {
		f.s.ReportReady()
	}
	return nil
}

// listen serves the first socket; the fake has one loop.
func (f *fakeFront) listen(l FrontListener) {
	fd, err := unix.Dup(l.FDs[0])
	if err != nil {
		panic(err)
	}
	file := os.NewFile(uintptr(fd), l.Address)
	nl, err := net.FileListener(file)
	if err != nil {
		panic(err)
	}
	_ = file.Close()
	f.open[l.Address] = fakeListener{nl, l.FDs}
	go func() {
		for {
			c, err := nl.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(c, "%d\n", os.Getpid())
			_ = c.Close()
		}
	}()
}

func (f *fakeFront) PoolAvailable(pool string, a Availability) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pools[pool] = a
}

func (f *fakeFront) WorkerReady(w WorkerRef, e Endpoint) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.workers[w.String()] = e.Concurrency
}

func (f *fakeFront) WorkerDrain(w WorkerRef) {
	f.WorkerGone(w)
	if !f.ordered(orderSilent) {
		f.s.Events().WorkerDrained(w)
	}
}

func (f *fakeFront) WorkerFail(w WorkerRef, reason string) {
	f.WorkerGone(w)
	f.s.Events().WorkerHung(w, reason)
}

func (f *fakeFront) Lend(_ uint64, _ string, fd int) { closeFDs([]int{fd}) }
func (f *fakeFront) Reclaim(uint64)                  {}

func (f *fakeFront) WorkerGone(w WorkerRef) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.workers, w.String())
}

// fakeReport is what the fake says of itself.
type fakeReport struct {
	Workers map[string]int          `json:"workers"`
	Pools   map[string]Availability `json:"pools"`
	Orders  []string                `json:"orders"`
	Level   config.LogLevel         `json:"level"`
	UID     int                     `json:"uid"`
}

func (f *fakeFront) StatusWanted() {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, err := json.Marshal(fakeReport{Workers: f.workers, Pools: f.pools, Orders: f.orders,
		Level: f.level, UID: os.Geteuid()})
	if err != nil {
		panic(err)
	}
	f.s.ReportStatus(b)
}

// RequestsWanted says which front it is, twice: the second time is to be nobody's.
func (f *fakeFront) RequestsWanted(q admin.RequestsQuery, answer func(admin.Requests)) {
	r := admin.Requests{All: 1, Requests: []admin.Request{{Pool: q.Pool, ID: fmt.Sprint(os.Getpid()),
		Elapsed: q.Older.Seconds()}}}
	answer(r)
	answer(r) // once too often
}

func (f *fakeFront) LogLevel(l config.LogLevel) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.level = l
}

// ReopenLogs is seen in the report as a level.
func (f *fakeFront) ReopenLogs() { f.LogLevel("reopened") }

func (f *fakeFront) Drain(time.Time) {
	if f.ordered(orderStubborn) {
		return
	}
	for _, l := range f.open {
		_ = l.Close()
	}
	f.s.ReportUnlistened()
	go func() { _ = f.s.Close() }() // ends Serve, and with it the process
}

func (f *fakeFront) Shutdown() {
	if !f.ordered(orderStubborn) {
		os.Exit(0)
	}
}

// siteNames makes the orders a configuration's sites.
func siteNames(orders string) (sites []config.Site) {
	for o := range strings.FieldsSeq(orders) {
		sites = append(sites, config.Site{Name: o})
	}
	return sites
}
