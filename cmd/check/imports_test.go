package main

import (
	"fmt"
	"strings"
	"testing"
)

// importRules says which packages a directory may import of this module, and which of others it
// must not. The first rule whose dir matches holds. "x/..." is x and everything below it.
var importRules = []struct {
	dir   string
	may   []string // of ours, in all files
	tests []string // of ours, in tests besides
	never []string // of others, outside tests
	why   string
}{
	{
		dir: "netpoll/...", tests: []string{"weir/netpoll/..."},
		never: []string{"net/http/...", "github.com/valyala/fasthttp/...", gnetEngine},
		why:   "knows bytes and fds, no HTTP",
	},
	{
		dir: "protocol/...", tests: []string{"weir/protocol/..."},
		never: []string{
			"os/...", "net", "net/http/...", "syscall", "golang.org/x/sys/...",
			"github.com/...",
		},
		why: "pure: bytes in, views out",
	},
	{
		dir: "pipeline", may: []string{"weir/protocol/..."}, tests: []string{"weir/pipeline/..."},
		never: []string{gnetEngine},
		why:   "the contract that handlers see: no sockets, no supervision",
	},
	{
		dir: "pipeline/...", may: []string{
			"weir/pipeline", "weir/protocol/...", "weir/netpoll/...", "weir/pipeline/internal/...",
		},
		tests: []string{"weir/pipeline/..."},
		never: []string{gnetEngine},
		why:   "siblings meet in the root package only",
	},
	{
		dir: "supervisor/config/...", may: []string{"weir/supervisor/config/..."},
		never: []string{gnetEngine},
		why:   "a schema; what middleware there is comes in by a registry",
	},
	{
		dir: "supervisor/worker/...", may: []string{
			"weir/supervisor/...", "weir/pipeline/...", "weir/protocol/...", "weir/netpoll/...",
		},
		never: []string{gnetEngine},
		why:   "runs handlers",
	},
	{
		dir: "supervisor/...", may: []string{
			"weir/supervisor", "weir/supervisor/config/...", "weir/supervisor/admin/...",
			"weir/supervisor/internal/...", "weir/protocol/...", "weir/netpoll/...",
		},
		never: []string{gnetEngine},
		why:   "carries no traffic",
	},
	{
		dir: "cmd/weir/...", may: []string{
			"weir", "weir/pipeline", "weir/pipeline/middleware", "weir/supervisor/worker",
		},
		// they ask the instance they started, also by WebSocket
		tests: []string{"weir/supervisor/...", "weir/pipeline/pipelinetest"},
		never: []string{gnetEngine},
		why:   "the demo is an ordinary App on public API only",
	},
	{dir: "cmd/check/...", why: "judges the module, so stands outside it"},
	{
		dir: ".", may: []string{
			"weir", "weir/netpoll/...", "weir/pipeline/...", "weir/protocol/...",
			"weir/supervisor/...",
		},
		never: []string{gnetEngine},
		why:   "sees all but the commands",
	},
	{
		dir: "bench/...", may: []string{
			"weir", "weir/bench/...", "weir/netpoll/...", "weir/pipeline/...",
			"weir/protocol/...", "weir/supervisor/...",
		},
		why: "measures all",
	},
}

// gnetEngine is gnet's loop, a peer in bench; its pkg/socket and pkg/queue are used by netpoll.
const gnetEngine = "github.com/panjf2000/gnet/v2"

func TestImports(t *testing.T) { holds(t, importBreaches) }

func TestImportsRule(t *testing.T) {
	testRule(t, importBreaches, []ruleCase{
		{"upwards", map[string]string{
			"netpoll/a_darwin.go": `package netpoll; import "weir/protocol/http1"`,
		}, []string{"netpoll/a_darwin.go imports weir/protocol/http1"}},
		{"upwards in a test", map[string]string{
			"supervisor/a_test.go": `package supervisor; import "weir/pipeline"`,
		}, []string{"imports weir/pipeline"}},
		{"siblings", map[string]string{
			"pipeline/server/a.go": `package server; import "weir/pipeline/dispatch"`,
		}, []string{"imports weir/pipeline/dispatch"}},
		{"siblings in a test", map[string]string{
			"pipeline/server/a_test.go": `package server; import "weir/pipeline/dispatch"`,
		}, nil},
		{"impure protocol", map[string]string{
			"protocol/x/a.go": `package x; import ("net"; "net/netip"; "golang.org/x/sys/unix")`,
		}, []string{"imports net:", "imports golang.org/x/sys/unix:"}},
		{"peer in a test", map[string]string{
			"protocol/x/a_test.go": `package x; import "net/http"`,
		}, nil},
		{"engine", map[string]string{
			"netpoll/a.go": "package netpoll\nimport (\"" + gnetEngine + "\"; \"" + gnetEngine +
				"/pkg/queue\")",
		}, []string{"imports " + gnetEngine + ":"}},
		{"private parts in the demo", map[string]string{
			"cmd/weir/a.go": `package main; import ("weir"; "weir/supervisor")`,
		}, []string{"imports weir/supervisor:"}},
		{"no rule", map[string]string{
			"util/a.go": `package util`,
		}, []string{"util/a.go: no rule"}},
	})
}

func importBreaches(all []source) (breaches []string) {
	for _, s := range all {
		breaches = append(breaches, importBreachesOf(s)...)
	}
	return breaches
}

func importBreachesOf(s source) (breaches []string) {
	for _, r := range importRules {
		if !within(s.dir(), []string{r.dir}) {
			continue
		}
		for _, i := range s.imports() {
			ours := within(i, []string{"weir/..."})
			bad := ours && !within(i, r.may) && !(s.isTest() && within(i, r.tests)) ||
				!ours && !s.isTest() && within(i, r.never)
			if bad {
				breaches = append(breaches, fmt.Sprintf("%s imports %s: %s %s", s.name, i, s.dir(), r.why))
			}
		}
		return breaches
	}
	return []string{fmt.Sprintf("%s: no rule says what %s may import", s.name, s.dir())}
}

// within reports whether one of patterns matches name.
func within(name string, patterns []string) bool {
	for _, p := range patterns {
		tree, ok := strings.CutSuffix(p, "/...")
		if name == tree || ok && strings.HasPrefix(name, tree+"/") {
			return true
		}
	}
	return false
}
