//go:build linux

package main

import (
	"fmt"
	"net/http"
	"strings"
)

// balanceRows are of which worker a request goes to, and when.
var balanceRows = []keyRow{
	{
		key: "pools.*.balance", base: edit{pool: "workers: 3"},
		set:    edit{pool: "workers: 3, balance: random-2"},
		before: "in turn", after: "at random", probe: turns,
	},
	{
		key: "pools.*.balance", base: edit{pool: "workers: 2"},
		set:    edit{pool: "workers: 2, balance: round-robin"},
		before: "the other", after: "both", probe: besideHeld,
	},
	{
		key: "pools.*.balance", base: edit{pool: "workers: 3"},
		set:    edit{pool: "workers: 3, balance: {hash: header X-Key}"},
		before: "any", after: "by key", probe: keyed("X-Key: %d"),
	},
	{
		key: "pools.*.balance", base: edit{pool: "workers: 3"},
		set:    edit{pool: "workers: 3, balance: {hash: cookie key}"},
		before: "any", after: "by key", probe: keyed("Cookie: a=b; key=%d"),
	},
	{
		key: "pools.*.balance", base: edit{pool: "workers: 3", top: "trusted_proxies: [127.0.0.1]"},
		set: edit{
			pool: "workers: 3, balance: {hash: client}", top: "trusted_proxies: [127.0.0.1]",
		},
		before: "any", after: "by key", probe: keyed("X-Forwarded-For: 192.0.2.%d"),
	},
	{
		key: "pools.*.balance", base: edit{pool: "workers: 3"},
		set:    edit{pool: "workers: 3, balance: sticky"},
		before: "no cookie", after: "kept", probe: sticks,
	},
}

// pidsOf is the workers that answer count requests over one connection.
func pidsOf(b *bed, count int, fields func(i int) []string) []string {
	workers("p", 1)(b)
	one := &http.Client{Timeout: patience, Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer one.CloseIdleConnections()
	out := make([]string, count)
	for i := range out {
		a, err := do(one, http.MethodGet, b.url+"/pid", "", fields(i)...)
		if err != nil {
			b.instance.t.Fatalf("GET /pid: %v", err)
		}
		out[i] = strings.TrimSpace(a.body)
	}
	return out
}

func plain(int) []string { return nil }

func distinct(words []string) int {
	seen := map[string]bool{}
	for _, w := range words {
		seen[w] = true
	}
	return len(seen)
}

// turns says how three idle workers follow each other.
func turns(b *bed) string {
	got := pidsOf(b, 60, plain)
	for i := range len(got) - 2 {
		if distinct(got[i:i+3]) != 3 {
			return "at random"
		}
	}
	return "in turn"
}

// besideHeld says which of two workers get requests while one of them holds one.
func besideHeld(b *bed) string {
	return holding(b, "/hold", func() string {
		if distinct(pidsOf(b, 6, plain)) == 1 {
			return "the other"
		}
		return "both"
	})
}

// keyed says whether requests of one key stay with one worker, and those of many do not.
func keyed(field string) probe {
	return func(b *bed) string {
		key := func(i int) []string { return []string{fmt.Sprintf(field, i/2)} }
		got := pidsOf(b, 40, key)
		for i := 0; i < len(got); i += 2 {
			if got[i] != got[i+1] {
				return "any"
			}
		}
		if distinct(got) == 1 {
			return "one worker"
		}
		return "by key"
	}
}

// sticks says whether a client with the cookie that it was given stays where it was.
func sticks(b *bed) string {
	workers("p", 1)(b)
	first := b.get("/pid")
	cookie, _, _ := strings.Cut(first.header.Get("Set-Cookie"), ";")
	if cookie == "" {
		return "no cookie"
	}
	with := func(int) []string { return []string{"Cookie: " + cookie} }
	for _, pid := range pidsOf(b, 6, with) {
		if pid != strings.TrimSpace(first.body) {
			return "moved"
		}
	}
	return "kept"
}
