//go:build linux

package main

import (
	"maps"
	"strings"
	"testing"
)

// A reload changes middleware, limits and numbers without a new worker, moves the address while the
// old one answers all that came to it, and refuses what it cannot do.
func TestReuseportReload(t *testing.T) {
	t.Parallel()
	dir, address := shortDir(t), "127.0.0.1:"+freePort(t) // nobody else gets it once it is given up
	in := start(t, "--config", ownFile(t, dir, address, "workers: 2"))
	workers := in.settled("p", 2)
	apply := func(want int, file string) string {
		t.Helper()
		code, _, stderr := in.weir("reload")
		if code != want {
			t.Fatalf("weir reload: %d, %s\n%s", code, stderr, file)
		}
		return stderr
	}
	file := func(address, pool, middleware string) string {
		return fileOf(t, dir, `
sites: {s: {bindings: ["`+address+`"], middleware: [`+middleware+`], apps: {/: {handler: demo-worker, `+
			`pool: p, limits: {body: 3B}}}}}
pools: {p: {`+pool+`}}
`)
	}
	const own = "dispatch: reuseport, workers: "
	if a := in.get("/hello"); a.header.Get("X-Request-Id") != "" {
		t.Fatalf("a request id without the middleware: %v", a.header)
	}
	apply(0, file(address, own+"2", "request-id"))
	if a := in.get("/hello"); a.header.Get("X-Request-Id") == "" || a.header.Get("Server") != "Weir-Worker" {
		t.Errorf("fields %v; want those of the middleware, and the worker's name", a.header)
	}
	if a := in.do("POST", in.url+"/echo", "four"); a.status != 413 {
		t.Errorf("a body beyond the limit: %d; want 413", a.status)
	}
	if now := in.settled("p", 2); !maps.Equal(now, workers) {
		t.Errorf("workers %v; want %v: nothing that they are was changed", now, workers)
	}
	apply(0, file(address, own+"4", ""))
	in.settled("p", 4)
	apply(0, file(address, own+"1", ""))
	before := in.settled("p", 1)
	k := knockFor(address, "/hello")
	apply(0, file(address, own+"2, env: {set: {A: b}}", ""))
	k.passes(in, 20)
	k.finish(t)
	moved := "127.0.0.1:" + freePort(t)
	k = knockFor(address, "/hello")
	k.passes(in, 20)
	workers = in.replaced("p", 2, before)
	apply(0, file(moved, own+"2, env: {set: {A: b}}", ""))
	k.end()
	for _, why := range k.wrong {
		if !strings.Contains(why, "connection refused") {
			t.Errorf("at the old address: %s; want answers, then refusals", why)
		}
	}
	if now := in.settled("p", 2); !maps.Equal(now, workers) {
		t.Errorf("workers %v; want %v, at another address", now, workers)
	}
	if a, err := do(client, "GET", "http://"+moved+"/hello", ""); err != nil || a.status != 200 {
		t.Errorf("at the new address: %+v, %v", a, err)
	}
	next := "127.0.0.1:" + freePort(t)
	apply(0, file(next, "dispatch: mux, workers: 2", ""))
	if a, err := do(client, "GET", "http://"+next+"/hello", ""); err != nil || a.status != 200 {
		t.Errorf("by the front: %+v, %v", a, err)
	}
	apply(0, file(moved, own+"2", ""))
	if a, err := do(client, "GET", "http://"+moved+"/hello", ""); err != nil || a.status != 200 {
		t.Errorf("by workers again: %+v, %v", a, err)
	}
}

// An address passes from the front to workers and back, and from pool to pool, while every request comes
// by a connection of its own: each is answered, by whoever it is for.
func TestReuseportPasses(t *testing.T) {
	t.Parallel()
	dir, address := shortDir(t), "127.0.0.1:"+freePort(t)
	file := func(app, pools string) string {
		return fileOf(t, dir, "loops: 2\nsites: {s: {bindings: [\""+address+"\"], apps: {/: {"+app+
			"}}}}\npools: {"+pools+"}\n")
	}
	const hosted = "handler: demo-worker, pool: p"
	in := start(t, "--config", file(hosted, "p: {dispatch: mux, workers: 2}"))
	k, kept := knockFor(address, "/hello"), startLoad(in.url+"/hello")
	for i, next := range []struct{ desc, app, pools, owner, by string }{
		{"front to workers", hosted, "p: {dispatch: reuseport, workers: 2}", "p", "Weir-Worker"},
		{"and back", hosted, "p: {dispatch: http}", "", "Weir-Worker"},
		{"to more workers", hosted, "p: {dispatch: reuseport, workers: 3}", "p", "Weir-Worker"},
		{"to the loop", "handler: demo-worker", "", "", "Weir"},
		{"from the loop", hosted, "p: {dispatch: reuseport, workers: 1}", "p", "Weir-Worker"},
		{"pool to pool", "handler: demo-worker, pool: q", "q: {dispatch: reuseport, workers: 2}", "q",
			"Weir-Worker"},
	} {
		k.passes(in, 20)
		file(next.app, next.pools)
		if code, _, stderr := in.weir("reload"); code != 0 {
			t.Fatalf("%s: weir reload: %d, %s", next.desc, code, stderr)
		}
		k.passes(in, 20)
		if a := in.get("/hello"); a.status != 200 || a.header.Get("Server") != next.by {
			t.Errorf("%s: %s by %s; want 200 by %s", next.desc, a.verdict(), a.header.Get("Server"), next.by)
		}
		if got := in.status().Listeners; len(got) != 1 || got[0].Pool != next.owner {
			t.Errorf("%s: listeners %+v; want one of %q", next.desc, got, next.owner)
		}
		if k.failed() {
			t.Errorf("%s: a connection was not answered", next.desc)
			break
		}
		if i == 1 {
			kept.finish(t) // the loop has no workers that could go on for those that keep connections
		}
	}
	k.finish(t)
}
