package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// isolated sets every key of isolation to something else than its default.
const isolated = `user: "0:0", umask: "0027", nice: 5, cpus: "8,0-2", no_new_privs: off, ` +
	`rlimits: {nofile: 100, nproc: off, core: 0B, as: 1GiB, fsize: 2MB, stack: off, memlock: 64KiB}, ` +
	`cgroup: {memory: 256MiB, pids: 50}, ` +
	`cpu_limit: {percent: 150%, interval: 10s, action: throttle-under-load}`

func TestIsolationBinds(t *testing.T) {
	m := newMachine(t)
	l := mustLoad(t, m.file("pools:\n  p: {command: [python3], "+isolated+"}\n"+minimal))
	p, _ := l.Config.Pool("p")
	got := []any{
		p.User, p.Umask, p.Nice, p.CPUs.List(), p.NoNewPrivs, p.Rlimits, p.Cgroup, p.CPULimit,
	}
	want := []any{
		"0:0", Mode(0o027), 5, []int{0, 1, 2, 8}, SwitchOff,
		Rlimits{NoFile: 100, NProc: limitOff, Core: limitNone, AS: 1 << 30, FSize: 2e6,
			Stack: limitOff, MemLock: 64 << 10},
		Cgroup{Memory: 256 << 20, PIDs: 50},
		CPULimit{Percent: 150, Interval: 10e9, Action: CPUThrottleUnderLoad},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("isolation = %+v; want %+v", got, want)
	}
	s := m.file(string(ExplainYAML(l)))
	if back := mustLoad(t, s); !reflect.DeepEqual(back.Config, l.Config) {
		t.Errorf("explain --yaml of %s does not read back as itself", isolated)
	}
}

// TestIsolationNeedsWorkers: all of it is fixed when a worker starts.
func TestIsolationNeedsWorkers(t *testing.T) {
	m := newMachine(t)
	base := mustLoad(t, m.file("pools:\n  p: {command: [python3]}\n"+minimal)).Config
	changed := mustLoad(t, m.file("pools:\n  p: {command: [python3], "+isolated+"}\n"+minimal)).Config
	d := Diff(&base, &changed)
	if len(d.Pools.Changed) != 1 {
		t.Fatalf("Diff() = %+v; want one changed pool", d)
	}
	var keys []string
	for _, k := range d.Pools.Changed[0].Keys {
		keys = append(keys, k.Key)
		if k.Reload != Workers {
			t.Errorf("key %s: reload %v; want workers", k.Key, k.Reload)
		}
	}
	for _, k := range isolationKeys {
		if !slices.Contains(keys, strings.Replace(k.Path, "*", "p", 1)) {
			t.Errorf("Diff() does not see %s", k.Path)
		}
	}
}

func TestIsolationErrors(t *testing.T) {
	m := newMachine(t)
	for _, tt := range []struct{ keys, want string }{
		{"user: no-such-user", `conf/weir.yaml:4:11: pools.p.user: no user "no-such-user" on this ` +
			"machine, expected USER or USER:GROUP"},
		{`user: "0:no-such-group"`, `pools.p.user: no group "no-such-group" on this machine`},
		{`umask: "0888"`, `conf/weir.yaml:4:12: pools.p.umask: "0888" is not a file mode, ` +
			`expected an octal mask such as "0022"`},
		{"nice: 20", `pools.p.nice: "20" is above the maximum of 19, expected a number from -20 to 19`},
		{"nice: -21", `pools.p.nice: "-21" is below the minimum of -20`},
		{"cpus: two", `conf/weir.yaml:4:11: pools.p.cpus: "two" is not a list of processors, ` +
			"expected all, spread, nodes or a list such as 0-3,8"},
		{`cpus: "0-3,"`, `"0-3," is not a list of processors`},
		{`cpus: "-1"`, `"-1" is not a list of processors`},
		{"cpus: 3-1", `"3-1" ends before it begins, expected all, spread, nodes or a list such as ` +
			"0-3,8, did you mean 1-3?"},
		{"cpus: 0-1024", "processor 1024 is above the maximum of 1023"},
		{"rlimits: {nofile: 0}", `conf/weir.yaml:4:23: pools.p.rlimits.nofile: "0" would let nothing ` +
			"start, expected a number, off or inherit"},
		{"rlimits: {core: 0}", `pools.p.rlimits.core: "0" has no unit, expected a size such as ` +
			"64MiB, off or inherit, did you mean 0B?"},
		{"rlimits: {as: 5 gigs}", `pools.p.rlimits.as: "5 gigs" has an unknown unit`},
		{"cgroup: {memory: 256}", `pools.p.cgroup.memory: "256" has no unit`},
		{"cgroup: {memory: 1KiB}", `pools.p.cgroup.memory: "1KiB" is below the minimum of 1MiB`},
		{"cgroup: {pids: 0}", `pools.p.cgroup.pids: "0" is below 1`},
		{"cpu_limit: {percent: 50}", `pools.p.cpu_limit.percent: "50" has no unit, expected a ` +
			"percentage of one processor such as 150%, or off, did you mean 50%?"},
		{"cpu_limit: {percent: 0%}", `"0%" is not in 1%-102400%`},
		{"cpu_limit: {interval: 500ms}", "conf/weir.yaml:4:27: pools.p.cpu_limit.interval: " +
			`"500ms" is below the minimum of 1s`},
		{"cpu_limit: {interval: off}", "pools.p.cpu_limit.interval: cannot be off"},
		{"cpu_limit: {action: halt}", `pools.p.cpu_limit.action: "halt" is not known, expected one ` +
			"of log, kill, throttle, throttle-under-load"},
	} {
		_, err := Load(m.file(pool(tt.keys)), registry{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Load(%s) = %v; want %q in it", tt.keys, err, tt.want)
		}
	}
}
