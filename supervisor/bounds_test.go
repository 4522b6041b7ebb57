package supervisor

import (
	"fmt"
	"testing"

	"weir/supervisor/config"
)

// What a configuration may say, pools must be able to do.
func TestBoundsOfConfiguration(t *testing.T) {
	for _, tc := range []struct {
		desc, pool string
		ok         bool
	}{
		{"most workers", fmt.Sprintf("p: {command: [sh], workers: %d}", poolWorkersMax), true},
		{"more workers", fmt.Sprintf("p: {command: [sh], workers: %d}", poolWorkersMax+1), false},
		{"name", "A-1_b.c: {command: [sh]}", true},
	} {
		l, err := config.Load(config.Sources{File: "weir.yaml", Environ: []string{"PATH=/bin:/usr/bin"},
			Content: []byte("sites: {a: {bindings: [':1'], apps: {/: {respond: {body: x}}}}}\npools: {" +
				tc.pool + "}\n")}, nil)
		if (err == nil) != tc.ok {
			t.Errorf("%s: Load = %v; want it to load: %v", tc.desc, err, tc.ok)
		}
		if err != nil {
			continue
		}
		c := PoolConfigFrom(&l.Config.Pools[0], nil)
		if err := c.validate(); err != nil {
			t.Errorf("%s: loaded, then %v", tc.desc, err)
		}
	}
}
