package supervisor

import (
	"bytes"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/supervisor/config"
)

func TestSeatCPUs(t *testing.T) {
	own := []int{0, 1, 4, 5}
	nodes := func([]int) [][]int { return [][]int{{0, 1}, {4, 5}} }
	for _, tc := range []struct {
		desc  string
		word  config.CPUs
		taken []seatedWorker
		want  []int
	}{
		{"nothing said", "", nil, nil},
		{"all", config.CPUsAll, nil, nil},
		{"a list", "1-2,5", nil, []int{1, 2, 5}},
		{"the first", config.CPUsSpread, nil, []int{0}},
		{"the next", config.CPUsSpread, []seatedWorker{{1, []int{0}}}, []int{1}},
		{"a gap", config.CPUsSpread, []seatedWorker{{1, []int{0}}, {3, []int{4}}}, []int{1}},
		{"all taken: beside the oldest", config.CPUsSpread,
			[]seatedWorker{{7, []int{0}}, {6, []int{1}}, {2, []int{4}}, {4, []int{5}}}, []int{4}},
		{"one taken twice", config.CPUsSpread, []seatedWorker{{1, []int{0}}, {2, []int{0}},
			{3, []int{1}}, {4, []int{4}}, {5, []int{5}}}, []int{1}},
		{"of another kind", config.CPUsSpread, []seatedWorker{{1, []int{0, 1}}}, []int{0}},
		{"nodes", config.CPUsNodes, []seatedWorker{{1, []int{0, 1}}}, []int{4, 5}},
	} {
		if got := seatCPUs(tc.word, own, nodes, tc.taken); !slices.Equal(got, tc.want) {
			t.Errorf("%s: seatCPUs() = %v; want %v", tc.desc, got, tc.want)
		}
	}
}

func TestGoVariables(t *testing.T) {
	half := config.CPULimit{Percent: 50, Action: config.CPUThrottle}
	more := config.CPULimit{Percent: 201, Action: config.CPULog}
	load := config.CPULimit{Percent: 50, Action: config.CPUThrottleUnderLoad}
	for _, tc := range []struct {
		desc    string
		i       Isolation
		cpus    []int
		environ []string
		want    []string
	}{
		{desc: "nothing"},
		{desc: "less than a processor", i: Isolation{CPULimit: half}, want: []string{"GOMAXPROCS=1"}},
		{desc: "rounded up", i: Isolation{CPULimit: more}, want: []string{"GOMAXPROCS=3"}},
		{desc: "fewer processors than the limit", i: Isolation{CPULimit: more}, cpus: []int{4, 5},
			want: []string{"GOMAXPROCS=2"}},
		{desc: "more processors than the limit", i: Isolation{CPULimit: half}, cpus: []int{4, 5},
			want: []string{"GOMAXPROCS=1"}},
		{desc: "only under load", i: Isolation{CPULimit: load}},
		{desc: "processors", cpus: []int{1, 2}, want: []string{"GOMAXPROCS=2"}},
		{desc: "memory", i: Isolation{Cgroup: config.Cgroup{Memory: 1000}},
			want: []string{"GOMEMLIMIT=900B"}},
		{desc: "memory off", i: Isolation{Cgroup: config.Cgroup{Memory: config.SizeOff}}},
		{desc: "said otherwise", i: Isolation{CPULimit: half}, environ: []string{"GOMAXPROCS=7"},
			want: []string{"GOMAXPROCS=7"}},
	} {
		if got := tc.i.goVariables(tc.environ, tc.cpus); !slices.Equal(got, tc.want) {
			t.Errorf("%s: goVariables() = %q; want %q", tc.desc, got, tc.want)
		}
	}
}

func TestCgroupFiles(t *testing.T) {
	for _, tc := range []struct {
		desc string
		i    Isolation
		want []string
	}{
		{desc: "nothing"},
		{desc: "off", i: Isolation{Cgroup: config.Cgroup{Memory: config.SizeOff,
			PIDs: config.CountOff}, CPULimit: config.CPULimit{Percent: config.CPUPercentOff}}},
		{desc: "measured", i: Isolation{CPULimit: config.CPULimit{Percent: 50, Action: config.CPUKill}}},
		{desc: "both", i: Isolation{Cgroup: config.Cgroup{Memory: 64 << 20, PIDs: 9}},
			want: []string{"memory.max=67108864", "pids.max=9"}},
		{desc: "throttle", i: Isolation{CPULimit: config.CPULimit{Percent: 150,
			Action: config.CPUThrottle}}, want: []string{"cpu.max=150000 100000"}},
		{desc: "weight", i: Isolation{CPULimit: config.CPULimit{Percent: 50,
			Action: config.CPUThrottleUnderLoad}}, want: []string{"cpu.weight=50"}},
		{desc: "weight beyond what the kernel takes", i: Isolation{CPULimit: config.CPULimit{
			Percent: 20_000, Action: config.CPUThrottleUnderLoad}}, want: []string{"cpu.weight=10000"}},
	} {
		var got []string
		for _, f := range tc.i.cgroupFiles() {
			got = append(got, f.name+"="+f.value)
			if !strings.HasPrefix(f.name, f.controller+".") {
				t.Errorf("%s: %s is not of controller %s", tc.desc, f.name, f.controller)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: cgroupFiles() = %q; want %q", tc.desc, got, tc.want)
		}
	}
}

func TestIdentity(t *testing.T) {
	environ := []string{"HOME=/root", "USER=root", "LOGNAME=root", "PATH=/bin"}
	shop := account{uid: 5, gid: 6, name: "shop", home: "/srv/shop", switched: true}
	got := shop.identity(environ)
	slices.Sort(got)
	want := []string{"HOME=/srv/shop", "LOGNAME=shop", "PATH=/bin", "USER=shop"}
	if !slices.Equal(got, want) {
		t.Errorf("identity() = %q; want %q", got, want)
	}
	for _, a := range []account{ownAccount(), {uid: 64001, gid: 64001, switched: true}} {
		if got := a.identity(environ); !slices.Equal(got, environ) {
			t.Errorf("identity() of %+v = %q; want it unchanged", a, got)
		}
	}
}

// TestIsolationIsOfTheWorker: a change of anything in it replaces workers, and writing a default out
// does not.
func TestIsolationIsOfTheWorker(t *testing.T) {
	base := PoolConfig{Name: "shop", Command: []string{"app"}}
	a := base.withDefaults()
	p := config.DefaultPool("shop")
	b := PoolConfigFrom(&p, base.Command).withDefaults()
	if !a.Isolation.same(&b.Isolation) {
		t.Errorf("defaults of the library %+v and of the file %+v differ", a.Isolation, b.Isolation)
	}
	v := reflect.TypeFor[Isolation]()
	for i := range v.NumField() {
		c := a
		f := reflect.ValueOf(&c.Isolation).Elem().Field(i)
		switch x := f.Addr().Interface().(type) {
		case **config.Mode:
			m := config.Mode(0o77)
			*x = &m
		case *int:
			*x = 5
		case *config.CPUs:
			*x = "3"
		case *bool:
			*x = true
		case *config.Rlimits:
			x.Stack = 1
		case *config.Cgroup:
			x.PIDs = 1
		case *config.CPULimit:
			x.Percent = 1
		}
		if a.sameWorker(&c) {
			t.Errorf("a change of %s leaves workers alone", v.Field(i).Name)
		}
	}
}

// limited is a pool with one ready worker under a CPU limit of 50 % in 10 s.
func limited(t *testing.T, action config.CPUAction) *machine {
	m := started(t, func(c *PoolConfig) {
		c.Isolation.CPULimit = config.CPULimit{Percent: 50, Interval: config.Duration(10 * time.Second),
			Action: action}
	})
	m.happens(1, evReady)
	m.ps.turn(nil)
	m.want("the meter begins", "ready 1 8", "cpu 1")
	return m
}

func TestCPULimitKill(t *testing.T) {
	m := limited(t, config.CPUKill)
	m.env.used = 5 * time.Second
	m.later(10 * time.Second)
	m.want("at the limit", "cpu 1")
	m.env.used = 10*time.Second + 200*time.Millisecond // 52 %
	m.later(10 * time.Second)
	m.want("above the limit: a replacement", "cpu 1", "spawn 2")
	m.happens(2, evSpawned)
	m.happens(2, evReady)
	m.want("which takes over", "ready 2 8", "drain 1")
	if got := m.p.workers[1].reason; got != "cpu limit: used 52% of a processor in 10s, limit 50%" {
		t.Errorf("reason = %q", got)
	}
}

func TestCPULimitLog(t *testing.T) {
	m := limited(t, config.CPULog)
	for i := range 3 {
		m.env.used = time.Duration(i+1) * 9 * time.Second
		m.later(10 * time.Second)
		m.want("nothing is replaced", "cpu 1")
	}
}

func TestCPULimitInterval(t *testing.T) {
	m := limited(t, config.CPUKill)
	m.env.used = 9 * time.Second
	m.later(9 * time.Second)
	m.want("before the interval is over")
	m.later(time.Second)
	m.want("then", "cpu 1", "spawn 2")
}

// TestCPULimitThrottled: where the kernel cannot throttle, the log says what is used. Where it does,
// its periods and ours differ by a little.
func TestCPULimitThrottled(t *testing.T) {
	m := limited(t, config.CPUThrottle)
	var log bytes.Buffer
	m.ps.log = slog.New(slog.NewTextHandler(&log, nil))
	m.env.used = 5500 * time.Millisecond
	m.later(10 * time.Second)
	m.want("just above", "cpu 1")
	if log.Len() > 0 {
		t.Errorf("log: %s; want nothing at 55%% of a limit of 50%%", &log)
	}
	m.env.used += 5600 * time.Millisecond
	m.later(10 * time.Second)
	m.want("far above", "cpu 1")
	if !strings.Contains(log.String(), `msg="worker above its cpu limit"`) {
		t.Errorf("log: %s; want a warning at 56%% of a limit of 50%%", &log)
	}
}

// TestCPULimitNotMeasured: the kernel's share under load may be exceeded without load.
func TestCPULimitNotMeasured(t *testing.T) {
	m := started(t, func(c *PoolConfig) {
		c.Isolation.CPULimit = config.CPULimit{Percent: 50, Action: config.CPUThrottleUnderLoad}
	})
	m.happens(1, evReady)
	m.later(time.Hour)
	m.want("no meter", "ready 1 8")
}
