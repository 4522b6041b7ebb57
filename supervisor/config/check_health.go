package config

import (
	"fmt"
	"net/url"
	"strings"
)

// checkHealth checks how the pool's workers are watched, and the programs of its hooks.
func (r *resolver) checkHealth(key string, p *Pool) {
	if p.Ping.HTTP != "" {
		u, err := url.ParseRequestURI(p.Ping.HTTP)
		if err != nil || !strings.HasPrefix(p.Ping.HTTP, "/") || u.Fragment != "" {
			r.problem(key+".ping.http", fmt.Sprintf("%q is not a path", p.Ping.HTTP),
				row("pools.*.ping.http").Expected(), "")
		}
		if p.Ping.Watchdog {
			r.problem(key+".ping.http", "has no effect while ping.watchdog is on", "one of them", "")
		}
	}
	r.checkHook(key+".hang.hook", p.Hang.Hook)
	r.checkHook(key+".rapid_fail.hook", p.RapidFail.Hook)
}

// checkHook finds the program of a hook: a name by Weir's own PATH, as it runs with Weir's rights, a
// path from the directory of the file.
func (r *resolver) checkHook(key string, argv []string) {
	if len(argv) == 0 {
		return
	}
	if strings.Contains(argv[0], "/") {
		r.resolvePath(key, &argv[0])
	}
	if err := executable(argv[0]); err != nil {
		r.problem(key, fmt.Sprintf("cannot run %q: %v", argv[0], err), "a program", "")
	}
}
