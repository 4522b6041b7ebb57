package chaos

import (
	"context"
	"fmt"

	"weir/bench/instance"
)

// config is the file of the run: documented keys, hang and stop shortened so that a run sees many.
func (o *Options) config() string {
	return fmt.Sprintf(`sites:
  chaos:
    bindings: ["127.0.0.1:0"]
    apps: {/: {pool: app}}
pools:
  app:
    command: [%q]
    env: {set: {CHAOS_DIR: %q}}
    workers: %d
    hang: {after: 1s}
    stop_timeout: 1s
    recycle: {memory: 96MiB, sample_every: 500ms, samples: 2}
log: {level: info}
`, o.Worker, o.Dir, o.Workers)
}

func (o *Options) start(ctx context.Context) (*instance.Instance, error) {
	return instance.Start(ctx, o.Weir, o.Dir, o.config(), "--loops", "2")
}
