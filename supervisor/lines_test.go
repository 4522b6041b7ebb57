package supervisor

import (
	"fmt"
	"regexp"
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
