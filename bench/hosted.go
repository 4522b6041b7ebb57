package main

import (
	"context"
	"path/filepath"
)

// hosted finds Weir with a handler of its own, on its loop or, with the keys of a pool, in one worker.
// All processes count: what is compared is the price of a process of its own.
func hosted(name, pool string) finder {
	return finder{name, func(ctx context.Context, b *bench) (*subject, error) {
		path, err := b.weir(ctx)
		if err != nil {
			return nil, err
		}
		return &subject{name: name, version: b.report.Commit, modes: []mode{modeHosted},
			launch: func(_ *bench, s setup) (launch, error) {
				app, pools := "", ""
				if pool != "" {
					app, pools = ", pool: p", "pools: {p: {workers: 1, "+pool+"}}\n"
				}
				text := "loops: 1\nlimits: {connections: 20000}\nlog: {level: warn}\n" +
					"sites: {s: {bindings: ['" + s.addr() + "'], apps: {/: {handler: demo-worker" + app +
					"}}}}\n" + pools
				config, err := configured(s, "weir.yaml", text)
				return launch{path: path, config: text, args: []string{"--config", config,
					"--runtime-dir", filepath.Join(s.dir, "run")}}, err
			}}, nil
	}}
}
