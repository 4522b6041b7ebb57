//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"weir/supervisor/admin"
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
		key: "pools.*.balance.hash", base: edit{pool: "workers: 3"},
		set:    edit{pool: "workers: 3, balance: {hash: header X-Key}"},
		before: "any", after: "by key", probe: keyed("X-Key: %d"),
	},
	{
		key: "pools.*.balance.hash", base: edit{pool: "workers: 3"},
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
	{
		key: "pools.*.queue.policy", base: edit{pool: "concurrency: 1, queue: {timeout: 3s}"},
		set:    edit{pool: "concurrency: 1, queue: {timeout: 3s, policy: lifo}"},
		before: "first first", after: "last first", probe: whoIsNext(2 * time.Second),
	},
	{
		key:    "sites.*.apps.*.priority",
		base:   edit{pool: "concurrency: 1", app: "/sleep/2: {pool: p}"},
		set:    edit{pool: "concurrency: 1", app: "/sleep/2: {pool: p, priority: high}"},
		before: "first first", after: "last first", probe: func(b *bed) string {
			if got := whoIsNext(0)(b); got != "first first" {
				return got
			}
			return whoIsNext(0)(b) // one slot of several is not for the highest class, but not two
		},
	},
	{
		key: "pools.*.limit.adaptive", set: edit{pool: "limit: {adaptive: shadow}"},
		before: "off none", after: "shadow some", probe: func(b *bed) string {
			mode, limit, _ := strings.Cut(limitFound(b), " ")
			if limit != "0" { // how high it is the load of the machine decides, too
				return mode + " some"
			}
			return mode + " none"
		},
	},
	{
		key: "pools.*.limit.max", base: edit{pool: "limit: {adaptive: on}"},
		set: edit{pool: "limit: {adaptive: on, max: 7}"}, before: "on 64", after: "on 7",
		probe: limitFound,
	},
	{
		key: "pools.*.limit.min", base: edit{pool: "limit: {adaptive: on}"},
		set: edit{pool: "limit: {adaptive: on, min: 60}"}, before: "below", after: "kept",
		probe: limitOverloaded,
	},
	{
		key: "pools.*.retry.max", set: edit{pool: "retry: {max: 1}"}, before: "3", after: "2",
		probe: attempts,
	},
	{
		key: "pools.*.retry.rate", base: edit{pool: "retry: {share: off}"},
		set: edit{pool: "retry: {share: off, rate: off}"}, before: "3", after: "1", probe: attempts,
	},
	{
		key: "pools.*.retry.share", base: edit{pool: "retry: {rate: off, share: 100%}"},
		set: edit{pool: "retry: {rate: off, share: off}"}, before: "3", after: "1", probe: attempts,
	},
	{
		key: "pools.*.circuit.failures", base: edit{pool: "workers: 2"},
		set: edit{pool: "workers: 2, circuit: {failures: 2}"}, before: "5", after: "2",
		probe: failing502(60, 60),
	},
	{
		key: "pools.*.circuit.open", base: edit{pool: "workers: 2, circuit: {failures: 1}"},
		set:    edit{pool: "workers: 2, circuit: {failures: 1, open: 20ms}"},
		before: "1", after: "3", probe: failing502(1000, 3),
	},
}

// whoIsNext says which of two requests that wait for the one slot gets it first, when it becomes
// free after the first one has waited for so long.
func whoIsNext(wait time.Duration) probe {
	return func(b *bed) string {
		var wg sync.WaitGroup
		defer wg.Wait()
		done := make(chan string, 2)
		send := func(path, word string, waiting int) {
			wg.Go(func() {
				if _, err := do(client, http.MethodGet, b.url+path, ""); err != nil {
					word = err.Error()
				}
				done <- word
			})
			b.until(word, func(s *admin.Status) bool { return waitingIn(s, "p") == waiting })
		}
		return holding(b, "/hold", func() string {
			send("/sleep/1?for=100ms", "first", 1)
			<-time.After(wait)
			send("/sleep/2?for=100ms", "last", 2)
			return ""
		}) + <-done + " first"
	}
}

// waitingIn is how many requests wait for pool.
func waitingIn(s *admin.Status, pool string) (n int) {
	for _, r := range reports(s) {
		for _, p := range r.Pools {
			if p.Name == pool {
				n += p.Waiting
			}
		}
	}
	return n
}

// limitOf is the limit that the fronts report for pool p.
func limitOf(b *bed) (mode string, limit int) {
	for _, f := range b.status().Fronts {
		var r struct {
			Pools []struct {
				Name, LimitMode string
				Limit           int
			}
		}
		if err := json.Unmarshal(f.Report, &r); err != nil {
			b.instance.t.Fatalf("report: %v", err)
		}
		for _, p := range r.Pools {
			if p.Name == "p" {
				mode, limit = p.LimitMode, limit+p.Limit
			}
		}
	}
	return mode, limit
}

// gets sends rounds of count GETs at once.
func gets(b *bed, path string, rounds, count int) {
	for range rounds {
		var wg sync.WaitGroup
		for range count {
			wg.Go(func() { _, _ = do(client, http.MethodGet, b.url+path, "") }) // slow, or refused
		}
		wg.Wait()
	}
}

// limitFound is mode and limit after a second of slow requests, one after another.
func limitFound(b *bed) string {
	workers("p", 1)(b)
	gets(b, "/sleep?for=20ms", 50, 1)
	mode, limit := limitOf(b)
	return fmt.Sprint(mode, " ", limit)
}

// limitOverloaded says whether answers that take long, after some that did not, bring the limit
// below 60.
func limitOverloaded(b *bed) string {
	workers("p", 1)(b)
	gets(b, "/sleep?for=20ms", 50, 1)
	gets(b, "/sleep?for=300ms", 6, 12)
	if _, limit := limitOf(b); limit < 60 {
		return "below"
	}
	return "kept"
}

// attempts is how often a request is sent that its worker never answers.
func attempts(b *bed) string {
	workers("p", 1)(b)
	for range 4 { // for retry.share
		b.get("/")
	}
	n := func() int {
		n, err := strconv.Atoi(body("/aborted")(b))
		if err != nil {
			b.instance.t.Fatalf("/aborted: %v", err)
		}
		return n
	}
	before := n()
	b.get("/abort")
	return strconv.Itoa(n() - before)
}

// failing502 is how many of count requests fail, at most enough, while one of the two workers of
// pool p answers none.
func failing502(count, enough int) probe {
	return func(b *bed) string {
		workers("p", 2)(b)
		if code, _, stderr := b.weir("recycle", "p"); code != 0 { // circuits begin anew
			b.instance.t.Fatalf("weir recycle p: %s", stderr)
		}
		url := fmt.Sprintf("%s/abort?pid=%d", b.url, any1(b.settled("p", 2)))
		at, failed := b.stderr.count(), 0
		for range count {
			if b.do(http.MethodPost, url, "").status == http.StatusBadGateway {
				failed++
			}
			if failed == enough {
				break
			}
		}
		told := regexp.MustCompile(`msg="worker circuit" pool=p worker=p/\d+ pid=\d+ from=closed to=open`)
		if _, ok := b.stderr.await(at, told); !ok {
			return "not logged"
		}
		return strconv.Itoa(failed)
	}
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
