//go:build linux

package main

import (
	"fmt"
	"regexp"
	"strings"

	"weir/supervisor/admin"
)

// car is an edit with a sidecar c that prints what the shell makes of text, and stays; more is more of
// its entries.
func car(text, more string) edit {
	command := fmt.Sprintf(`[sh, -c, 'echo "%s"; exec sleep 600']`, text)
	return edit{top: "sidecars:\n  c: {command: " + command + more + "}"}
}

// neverUp is a sidecar a that ends before it is up.
const neverUp = "sidecars:\n  a: {command: [\"true\"], ready: {probe: notify}, restart: never}\n"

// sidecarRows are of sidecars, and of pools that wait for them.
var sidecarRows = []keyRow{
	{
		key: "sidecars.*.command", base: car("one", ""), set: car("two", ""), before: "one", after: "two",
		probe: carSays,
	},
	{
		key: "sidecars.*.dir", set: car("$PWD", ", dir: /usr"), before: never, after: "/usr",
		probe: carSays,
	},
	{
		key: "sidecars.*.env.inherit", base: car("v=$EFFECT", ""),
		set: car("v=$EFFECT", ", env: {inherit: false}"), before: "v=inherited", after: "v=",
		probe: carSays,
	},
	{
		key: "sidecars.*.env.keep", base: car("v=$EFFECT", ", env: {inherit: false}"),
		set:    car("v=$EFFECT", ", env: {inherit: false, keep: [EFFECT]}"),
		before: "v=", after: "v=inherited", probe: carSays,
	},
	{
		key: "sidecars.*.env.set", base: car("v=$EFFECT", ""),
		set:    car("v=$EFFECT", ", env: {set: {EFFECT: given}}"),
		before: "v=inherited", after: "v=given", probe: carSays,
	},
	{
		key: "sidecars.*.env.files", base: car("v=$EFFECT", ""),
		set: car("v=$EFFECT", ", env: {files: [env.list]}"), before: "v=inherited", after: "v=filed",
		probe: carSays,
	},
	{
		key: "sidecars.*.user", base: car("$(id -u)", ""), set: car("$(id -u)", `, user: "65534:65534"`),
		before: "0", after: "65534", probe: carSays, needs: "root",
	},
	{
		key:    "sidecars.*.restart",
		base:   edit{top: `sidecars: {c: {command: [sh, -c, "exit 3"], restart: never}}`},
		set:    edit{top: `sidecars: {c: {command: [sh, -c, "exit 3"], restart: on-failure}}`},
		before: "ended", after: "again", fails: true, probe: func(b *bed) string {
			before := carOf(b.status(), "c").Starts
			s := b.until("an end, or two more starts", func(s *admin.Status) bool {
				return carOf(s, "c").Ended || carOf(s, "c").Starts > before+1
			})
			if carOf(s, "c").Ended {
				return "ended"
			}
			return "again"
		},
	},
	{
		key: "sidecars.*.after", before: never, fails: true, after: "waits for a",
		set: edit{top: neverUp + "  c: {command: [sleep, 600], after: [a]}"},
		probe: func(b *bed) string {
			c := carOf(b.status(), "c")
			if len(c.Workers) > 0 {
				return "began"
			}
			return "waits for " + c.HeldBy
		},
	},
	{
		key: "sidecars.*.ready.probe", before: never, fails: true, after: "starting",
		set: edit{top: "sidecars: {c: {command: [sleep, 600], " +
			"ready: {probe: notify, timeout: 50ms}}}"},
		probe: func(b *bed) string { return carOf(b.status(), "c").State },
	},
	{
		key: "sidecars.*.ready.timeout", before: never, fails: true, after: "late",
		set: edit{top: "sidecars: {c: {command: [sleep, 601], restart: never, " +
			"ready: {probe: notify, timeout: 50ms}}}"},
		probe: logs(`pool=sidecar/c .*reason="not ready: it did not say READY=1"`, "late"),
	},
	{
		key: "sidecars.*.stop_timeout", before: never, after: "killed",
		set: edit{top: `sidecars: {c: {command: [sh, -c, "trap '' TERM; echo deaf; sleep 600; :"], ` +
			`stop_timeout: 100ms}}`},
		probe: carKilled,
	},
	{
		key: "sidecars.*.output.format", before: never, after: "raw",
		set:   car("mark-raw", ", output: {format: raw}"),
		probe: logs(`^mark-raw$`, "raw"),
	},
	{
		key: "sidecars.*.output.lines", before: never, after: "dropped",
		set: edit{top: "sidecars: {c: {command: [sh, -c, \"for i in 1 2 3 4 5 6 7 8 9; do echo $i; " +
			`done"], restart: never, output: {lines: 5/s}}}`},
		probe: logs(`^sidecar/c \| dropped [34] lines$`, "dropped"),
	},
	{
		key: "pools.*.after", before: never, fails: true, after: "starting, 0 workers",
		set: edit{top: neverUp, pools: "r: {command: [testworker], after: [a]}"},
		probe: func(b *bed) string {
			p := poolOf(b.status(), "r")
			return fmt.Sprintf("%s, %d workers", p.State, len(p.Workers))
		},
	},
}

func carOf(s *admin.Status, name string) *admin.Sidecar {
	for i := range s.Sidecars {
		if s.Sidecars[i].Name == name {
			return &s.Sidecars[i]
		}
	}
	return &admin.Sidecar{}
}

// carSays is the last line that sidecar c printed.
func carSays(b *bed) string {
	line := ""
	b.until("a line of sidecar c", func(s *admin.Status) bool {
		for _, w := range carOf(s, "c").Workers {
			if n := len(w.Output); n > 0 {
				line = w.Output[n-1]
			}
		}
		return line != ""
	})
	return line
}

// carKilled is how sidecar c, which ignores SIGTERM, ends when a reload leaves it out.
func carKilled(b *bed) string {
	carSays(b) // it is deaf by now
	at := b.stderr.count()
	if code, stderr := b.try(edit{}); code != 0 {
		return stderr
	}
	line, ok := b.stderr.await(at, regexp.MustCompile(`pool=sidecar/c .*to=gone`))
	if !ok || !strings.Contains(line, "stop deadline") && !strings.Contains(line, "killed") {
		return line
	}
	return "killed"
}
