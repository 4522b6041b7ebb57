package supervisor

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"weir/supervisor/config"
)

var lifeLine = regexp.MustCompile(`msg=worker pool=shop worker=shop/1 pid=\d+ from=(\w+) to=(\w+) ` +
	`reason=("[^"]+"|\S+)`)

// Every change of a worker's state is one line that names pool, worker, pid, both states and why.
func TestEveryChangeIsOneLine(t *testing.T) {
	for s := range workerStateCount {
		for e := range workerEventCount {
			to := workerTable[s][e].next
			if workerTable[s][e].do == actBug || to == s {
				continue
			}
			m := started(t, func(c *PoolConfig) { c.RapidFail.Failures = config.CountOff })
			w := m.p.workers[1]
			for _, step := range waysTo[s] {
				w.handle(&event{kind: step}, m.env.t)
			}
			lines := m.logged()
			w.handle(&event{kind: e, err: ErrCommandNotFound, pid: 7, exit: ExitStatus{How: "x"}}, m.env.t)
			got := ""
			for line := range strings.SplitSeq(lines.String(), "\n") {
				if f := lifeLine.FindStringSubmatch(line); f != nil {
					got += f[1] + "→" + f[2] + ";"
				}
			}
			if want := fmt.Sprintf("%s→%s;", s, to); got != want {
				t.Errorf("%s, %s: lines %q; want %q, in\n%s", s, e, got, want, lines)
			}
		}
	}
}

// The same for pools.
func TestEveryChangeOfAPoolIsOneLine(t *testing.T) {
	for s := range poolStateCount {
		for e := range poolEventCount {
			to := poolTable[s][e].next
			m := poolIn(t, s)
			lines := m.logged()
			m.p.event(e, m.env.t)
			want := 0
			if to != s {
				want = 1
			}
			line := fmt.Sprintf("msg=pool pool=shop from=%s to=%s want=", s, to)
			if got := strings.Count(lines.String(), line); got != want {
				t.Errorf("%s, %s: %d lines %q; want %d, in\n%s", s, e, got, line, want, lines)
			}
		}
	}
}

// A pool that stops is what it was until its last worker is gone; one that is started again before that
// has none that is ready.
func TestPoolThatStopsIsOneLine(t *testing.T) {
	for _, tt := range []struct {
		desc  string
		event poolEvent
		again bool
		want  []string
	}{
		{"stop", evPoolStop, false, []string{"from=running to=stopped want=stopped reason=empty"}},
		{"drain", evPoolDrain, false, []string{"from=running to=stopped want=stopped reason=empty"}},
		{"disable", evPoolDisable, false, []string{"from=running to=disabled want=disabled reason=empty"}},
		{"stop and start", evPoolStop, true, []string{
			`from=running to=starting want=running reason="no worker ready"`}},
	} {
		m := serving(t, nil)
		lines := m.logged()
		m.p.event(tt.event, m.env.t)
		m.p.settle(m.env.t)
		m.wantState(tt.desc+" has begun", PoolRunning)
		if tt.again {
			m.p.event(evPoolStart, m.env.t)
			m.p.settle(m.env.t)
			m.wantState(tt.desc, PoolStarting)
		}
		m.leaves(1)
		var got []string
		for line := range strings.Lines(lines.String()) {
			if _, what, ok := strings.Cut(strings.TrimSpace(line), "msg=pool pool=shop "); ok {
				got = append(got, what)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: lines %q; want %q", tt.desc, got, tt.want)
		}
	}
}
