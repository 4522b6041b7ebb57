//go:build linux

package main

import (
	"context"
	"os"
	"regexp"
	"strings"
	"time"

	"weir/supervisor/admin"
)

// recycleRows are of recycling. Without a key nothing is recycled by it: that would take for ever.
var recycleRows = []keyRow{
	{
		key: "pools.*.recycle.age", before: never, set: edit{pool: "recycle: {age: 200ms}"},
		after: "age", probe: recycles("age", func(*bed) {}),
	},
	{
		key: "pools.*.recycle.jitter", before: never, after: "before its time",
		set: edit{pool: "workers: 4, recycle: {age: 1s, jitter: 50%}"},
		// Without jitter a worker is at least a second old; with 10 % this takes too long.
		probe: logs(`from=ready to=draining .*cause=age age=[5-7]\d\d[.ms]`, "before its time"),
	},
	{
		key: "pools.*.recycle.requests", before: never, set: edit{pool: "recycle: {requests: 5}"},
		after: "requests", probe: recycles("requests", func(b *bed) {
			b.settled("p", 1) // a recycle of the row before may be under way
			for range 6 {
				b.get("/")
			}
		}),
	},
	{
		key: "pools.*.recycle.memory", before: never,
		set:   edit{pool: "recycle: {memory: 80MiB, samples: 2, sample_every: 100ms}"},
		after: "memory", probe: recycles("memory", growing),
	},
	{
		key: "pools.*.recycle.memory_max", before: never,
		set:   edit{pool: "recycle: {memory_max: 80MiB, sample_every: 100ms}"},
		after: "memory_max", probe: recycles("memory_max", growing),
	},
	{
		key: "pools.*.recycle.memory_source", before: "rss", after: "pss",
		base: edit{pool: "recycle: {memory: 80MiB, samples: 1, sample_every: 100ms}"},
		set: edit{pool: "recycle: {memory: 80MiB, samples: 1, sample_every: 100ms, " +
			"memory_source: pss}"},
		probe: matched(growing, `reason="memory: (\w+) `),
	},
	{
		key: "pools.*.recycle.samples", before: "3", after: "5",
		base:  edit{pool: "recycle: {memory: 80MiB, sample_every: 100ms}"},
		set:   edit{pool: "recycle: {memory: 80MiB, sample_every: 100ms, samples: 5}"},
		probe: matched(growing, `reason="memory: .* in (\d) samples"`),
	},
	{
		key: "pools.*.recycle.sample_every", before: never, after: "memory", // else after 100 s
		set:   edit{pool: "recycle: {memory: 80MiB, samples: 20, sample_every: 100ms}"},
		probe: recycles("memory", growing),
	},
	{
		key: "pools.*.recycle.errors", before: never, set: edit{pool: "recycle: {errors: 50%}"},
		after: "errors", probe: recycles("errors", func(b *bed) {
			for range 30 {
				b.get("/answer?code=500")
			}
		}),
	},
	{
		key: "pools.*.recycle.at", before: "none", after: "Monday 03:30 +0900", probe: recycleAt,
		set: edit{pool: `recycle: {at: ["Mon 03:30"], time_zone: Asia/Tokyo}`},
	},
	{
		key: "pools.*.recycle.time_zone", before: "Sunday 12:00 +0000", after: "Sunday 12:00 +0900",
		base:  edit{pool: `recycle: {at: ["Sun 12:00"], time_zone: UTC}`},
		set:   edit{pool: `recycle: {at: ["Sun 12:00"], time_zone: Asia/Tokyo}`},
		probe: recycleAt,
	},
	{
		key: "pools.*.recycle.files", before: never, set: edit{pool: "recycle: {files: [watched.*]}"},
		after: "files", probe: recycles("files", func(b *bed) {
			write := func(name string) {
				if err := os.WriteFile(b.path(name), nil, 0o600); err != nil {
					b.instance.t.Fatalf("%v", err)
				}
			}
			write("watched.a") // before or after the first look
			b.until("a look at files", func(s *admin.Status) bool { return poolOf(s, "p").Watched == 1 })
			write("watched.b")
		}),
	},
	{
		key: "pools.*.recycle.overlap", set: edit{pool: "recycle: {overlap: false}"},
		before: "beside the old one", after: "after the old one", probe: orderOfRecycle,
	},
	{
		key: "pools.*.recycle.watch", before: never, set: edit{pool: "recycle: {watch: 100ms}"},
		after: "100ms", probe: matched(func(b *bed) { recycleNow(b, "p") },
			`msg="recycle: watching the first fresh worker" .*for=(\w+)`),
	},
}

// recycles does what should make pool p recycle and gives the cause on the line of the worker that
// leaves.
func recycles(cause string, trigger func(*bed)) probe {
	return matched(trigger, `worker=p/\d+ pid=\d+ from=ready to=draining reason=.* cause=(`+cause+`) age=`)
}

// matched does something and gives what the first part of re matches in a line of the log.
func matched(trigger func(*bed), re string) probe {
	return func(b *bed) string {
		at, line := b.stderr.count(), regexp.MustCompile(re)
		trigger(b)
		found, ok := b.stderr.await(at, line)
		if !ok {
			return "nothing"
		}
		return line.FindStringSubmatch(found)[1]
	}
}

func growing(b *bed) { b.get("/grow") }

// recycleAt is when pool p is recycled next.
func recycleAt(b *bed) string {
	s := b.until("a look at the clock", func(s *admin.Status) bool {
		return poolOf(s, "p").RecycleAt.IsZero() || poolOf(s, "p").RecycleAt.After(time.Now())
	})
	at := poolOf(s, "p").RecycleAt
	if at.IsZero() {
		return "none"
	}
	return at.Format("Monday 15:04 -0700")
}

func recycleNow(b *bed, pool string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.admin().Recycle(ctx, pool, true); err != nil {
		b.instance.t.Fatalf("recycle %s: %v", pool, err)
	}
}

// orderOfRecycle says when the fresh worker was started.
func orderOfRecycle(b *bed) string {
	b.settled("p", 1)
	at := b.stderr.count()
	recycleNow(b, "p")
	b.settled("p", 1)
	lines, _ := b.stderr.from(at)
	for _, l := range lines {
		switch {
		case strings.Contains(l, "worker=p/") && strings.Contains(l, "reason=spawned"):
			return "beside the old one"
		case strings.Contains(l, "worker=p/") && strings.Contains(l, "to=gone"):
			return "after the old one"
		}
	}
	return "never"
}
