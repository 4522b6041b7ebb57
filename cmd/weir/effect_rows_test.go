//go:build linux

package main

import (
	"io"
	"strconv"
	"strings"
	"time"
)

// siteRows are of what concerns all requests, listeners, and sites.
var siteRows = []keyRow{
	{
		key: "trusted_proxies", set: edit{top: "trusted_proxies: [127.0.0.0/8]"},
		before: "127.0.0.1", after: "192.0.2.7, 127.0.0.1",
		probe: seen("X-Forwarded-For", "X-Forwarded-For: 192.0.2.7"),
	},
	{
		key: "unmatched", base: edit{bindings: `{address: "127.0.0.1:0", host: shop.example}`},
		set: edit{top: "unmatched: 400"}, before: "421 NoSite", after: "400 NoSite",
		probe: status("/text", "Host: other.example"),
	},
	{
		key: "unmatched", base: edit{bindings: `{address: "127.0.0.1:0", host: shop.example}`},
		set: edit{top: "unmatched: close"}, before: "HTTP/1.1 421 Misdirected Request", after: "",
		probe: sends("GET / HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n"),
	},
	{
		key: "server_header", set: edit{top: "server_header: off"}, before: "Weir", after: "",
		probe: field("/text", "Server"),
	},
	{
		key: "trust.trace", set: edit{top: "trust: {trace: off}"},
		before: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", after: "",
		probe: seen("Traceparent",
			"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
	},
	{
		key: "listeners.*.backlog", set: edit{top: `listeners: {"127.0.0.1:0": {backlog: 77}}`},
		before: "4096", after: "77", probe: backlog,
	},
	{
		key: "listeners.*.proxy_protocol", base: edit{top: "trusted_proxies: [127.0.0.1]"},
		set: edit{top: "trusted_proxies: [127.0.0.1]\n" +
			`listeners: {"127.0.0.1:0": {proxy_protocol: required}}`},
		before: "HTTP/1.1 400 Bad Request", after: "HTTP/1.1 200 OK",
		probe: sends("PROXY TCP4 192.0.2.9 127.0.0.1 1000 80\r\n" +
			"GET /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
	},
	{ // of a stranger, past the proxy
		key: "listeners.*.proxy_protocol", base: edit{top: "trusted_proxies: [192.0.2.1]"},
		set: edit{top: "trusted_proxies: [192.0.2.1]\n" +
			`listeners: {"127.0.0.1:0": {proxy_protocol: required}}`},
		before: "HTTP/1.1 200 OK", after: "",
		probe: sends("GET /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
	},
	{
		key: "listeners.*.mode", base: edit{bindings: `"127.0.0.1:0", "unix:DIR/u.sock"`},
		set: edit{top: `listeners: {"unix:DIR/u.sock": {mode: "0604"}}`}, before: "0660", after: "0604",
		probe: word(0, socketFile("u.sock")),
	},
	{
		key: "listeners.*.owner", base: edit{bindings: `"127.0.0.1:0", "unix:DIR/u.sock"`},
		set: edit{top: `listeners: {"unix:DIR/u.sock": {owner: "65534"}}`}, before: "0", after: "65534",
		probe: word(1, socketFile("u.sock")), needs: "root",
	},
	{
		key: "listeners.*.group", base: edit{bindings: `"127.0.0.1:0", "unix:DIR/u.sock"`},
		set: edit{top: `listeners: {"unix:DIR/u.sock": {group: "65534"}}`}, before: "0", after: "65534",
		probe: word(2, socketFile("u.sock")), needs: "root",
	},
	{
		key: "sites.*.bindings", set: edit{bindings: `"127.0.0.1:0", "unix:DIR/b.sock"`},
		before: "none", after: "0660 0 0", probe: socketFile("b.sock"), needs: "root",
	},
	{
		key:    "sites.*.bindings[].address",
		set:    edit{bindings: `"127.0.0.1:0", {address: "unix:DIR/c.sock"}`},
		before: "none", after: "0660", probe: word(0, socketFile("c.sock")),
	},
	{
		key: "sites.*.bindings[].host",
		set: edit{bindings: `{address: "127.0.0.1:0", host: "*.example"}`}, before: "200",
		after: "421 NoSite", probe: status("/text", "Host: shop.test"),
	},
	{
		key:    "sites.*.bindings[].mode",
		base:   edit{bindings: `"127.0.0.1:0", {address: "unix:DIR/d.sock"}`},
		set:    edit{bindings: `"127.0.0.1:0", {address: "unix:DIR/d.sock", mode: "0606"}`},
		before: "0660", after: "0606", probe: word(0, socketFile("d.sock")),
	},
	{
		key:    "sites.*.bindings[].owner",
		base:   edit{bindings: `"127.0.0.1:0", {address: "unix:DIR/d.sock"}`},
		set:    edit{bindings: `"127.0.0.1:0", {address: "unix:DIR/d.sock", owner: "65534"}`},
		before: "0", after: "65534", probe: word(1, socketFile("d.sock")), needs: "root",
	},
	{
		key:    "sites.*.bindings[].group",
		base:   edit{bindings: `"127.0.0.1:0", {address: "unix:DIR/d.sock"}`},
		set:    edit{bindings: `"127.0.0.1:0", {address: "unix:DIR/d.sock", group: "65534"}`},
		before: "0", after: "65534", probe: word(2, socketFile("d.sock")), needs: "root",
	},
	{
		key:    "sites.*.middleware",
		set:    edit{site: "    middleware: [{use: headers, set: {X-Effect: seen}}]"},
		before: "", after: "seen", probe: field("/text", "X-Effect"),
	},
	{
		key:    "sites.*.middleware",
		set:    edit{site: "    middleware: [{use: headers, remove: [Content-Type]}]"},
		before: "text/plain; charset=utf-8", after: "", probe: field("/text", "Content-Type"),
	},
}

// word is one word of what p gives.
func word(i int, p probe) probe {
	return func(b *bed) string {
		words := strings.Fields(p(b))
		if i >= len(words) {
			return ""
		}
		return words[i]
	}
}

// appRows are of what is below a prefix.
var appRows = []keyRow{
	{
		key: "sites.*.apps.*.pool", set: edit{app: "/x: {pool: q}"}, before: "testworker", after: "q",
		probe: body("/x"),
	},
	{
		key: "sites.*.apps.*.static.root", set: edit{app: "/x: {static: {root: DIR}}"},
		before: "200", after: "404 NotFound", probe: status("/x/none"),
	},
	{
		key: "sites.*.apps.*.respond.status", base: edit{app: "/x: {respond: {body: b}}"},
		set: edit{app: "/x: {respond: {body: b, status: 418}}"}, before: "200", after: "418",
		probe: status("/x"),
	},
	{
		key: "sites.*.apps.*.respond.body", base: edit{app: "/x: {respond: {body: b}}"},
		set: edit{app: "/x: {respond: {body: other}}"}, before: "b", after: "other", probe: body("/x"),
	},
	{
		key: "sites.*.apps.*.respond.content_type", base: edit{app: "/x: {respond: {body: b}}"},
		set:    edit{app: "/x: {respond: {body: b, content_type: text/css}}"},
		before: "text/plain; charset=utf-8", after: "text/css", probe: field("/x", "Content-Type"),
	},
	{
		key: "sites.*.apps.*.handler", set: edit{app: "/x: {handler: demo}"}, before: "testworker",
		after: "Hello, World!", probe: body("/x/hello"),
	},
	{
		key:    "sites.*.apps.*.connect",
		base:   edit{sites: `t: {bindings: [{address: "127.0.0.1:0", host: c.example}], apps: {/: {pool: p}}}`},
		set:    edit{sites: `t: {bindings: [{address: "127.0.0.1:0", host: c.example}], apps: {/: {pool: p, connect: true}}}`},
		before: "405", after: "200", probe: connect,
	},
	{
		key: "sites.*.apps.*.limits.request_line", base: edit{app: "/x: {respond: {body: b}}"},
		set:    edit{app: "/x: {respond: {body: b}, limits: {request_line: 300B}}"},
		before: "200", after: "414 URL_Length", probe: status("/x/" + strings.Repeat("a", 400)),
	},
	{
		key: "sites.*.apps.*.limits.head", base: edit{app: "/x: {respond: {body: b}}"},
		set:    edit{app: "/x: {respond: {body: b}, limits: {request_line: 512B, head: 1KiB}}"},
		before: "200", after: "431 RequestLength", probe: status("/x", "A: "+strings.Repeat("a", 2000)),
	},
	{
		key: "sites.*.apps.*.limits.fields", base: edit{app: "/x: {respond: {body: b}}"},
		set:    edit{app: "/x: {respond: {body: b}, limits: {fields: 5}}"},
		before: "200", after: "431 RequestLength", probe: status("/x", "A: 1", "B: 2", "C: 3", "D: 4"),
	},
	{
		key: "sites.*.apps.*.limits.body", base: edit{app: "/x: {pool: p}"},
		set:    edit{app: "/x: {pool: p, limits: {body: 10B}}"},
		before: "200", after: "413 EntityTooLarge", probe: posts("/x", "more than ten bytes"),
	},
	{
		key:  "sites.*.apps.*.timeouts.connect",
		base: edit{command: "testworker, -bind, short, -idle"}, before: never,
		set:   edit{app: "/x: {pool: p, timeouts: {connect: 200ms}}"},
		after: "504 Timer_WorkerConnect", probe: within(3*time.Second, status("/x")),
	},
	{
		key: "sites.*.apps.*.timeouts.first_byte", before: never,
		set:   edit{app: "/sleep: {pool: p, timeouts: {first_byte: 100ms}}"},
		after: "504 Timer_Worker", probe: status("/sleep?for=600s"),
	},
	{
		key: "sites.*.apps.*.timeouts.idle", before: never,
		set:   edit{app: "/hold: {pool: p, timeouts: {idle: 100ms}}"},
		after: "cut", probe: cut("/hold"),
	},
	{
		key: "sites.*.apps.*.timeouts.total", before: never,
		set:   edit{app: "/trickle: {pool: p, timeouts: {total: 100ms}}"},
		after: "cut", probe: cut("/trickle"),
	},
	{
		key: "sites.*.apps.*.timeouts.tunnel", before: never,
		set:   edit{app: "/ws: {pool: p, timeouts: {tunnel: 100ms}}"},
		after: "Close 1001", probe: quietSocket("/ws"),
	},
}

// connect sends CONNECT and gives the status of the answer.
func connect(b *bed) string {
	c := b.dial()
	defer c.Close() //nolint:errcheck // ends the tunnel
	if _, err := c.Write([]byte("CONNECT c.example:1 HTTP/1.1\r\nHost: c.example:1\r\n\r\n")); err != nil {
		b.instance.t.Fatalf("write: %v", err)
	}
	return soon(c, 50)
}

// posts sends a body and gives status and reason.
func posts(path, body string) probe {
	return func(b *bed) string { return b.do("POST", b.url+path, body).verdict() }
}

// within says "late" where p takes longer than d.
func within(d time.Duration, p probe) probe {
	return func(b *bed) string {
		began := time.Now()
		got := p(b)
		if took := time.Since(began); took > d {
			return "late: " + took.String()
		}
		return got
	}
}

// frontRows are of limits and clocks of a front, and of logs.
var frontRows = []keyRow{
	{
		key: "limits.connections", set: edit{top: "limits: {connections: 1}"}, before: "200",
		after: "waits", probe: func(b *bed) string {
			first := b.dial()
			if _, err := first.Write([]byte(oneGet)); err != nil {
				b.instance.t.Fatalf("write: %v", err)
			}
			if got := soon(first, 50); got != "200" {
				b.instance.t.Fatalf("first connection: %s", got)
			}
			got := waits(b, oneGet)
			_ = first.Close() // makes room again
			if after := status("/text")(b); after != "200" {
				b.instance.t.Fatalf("with room again: %s", after)
			}
			return got
		},
	},
	{
		key: "limits.request_line", set: edit{top: "limits: {request_line: 300B}"}, before: "200",
		after: "414 URL_Length", probe: status("/text/" + strings.Repeat("a", 400)),
	},
	{
		key: "limits.head", set: edit{top: "limits: {request_line: 512B, head: 1KiB}"}, before: "200",
		after: "431 RequestLength", probe: status("/text", "A: "+strings.Repeat("a", 2000)),
	},
	{
		key: "limits.fields", set: edit{top: "limits: {fields: 5}"}, before: "200",
		after: "431 RequestLength", probe: status("/text", "A: 1", "B: 2", "C: 3", "D: 4"),
	},
	{
		key: "limits.body", set: edit{top: "limits: {body: 10B}"}, before: "200",
		after: "413 EntityTooLarge", probe: posts("/body", "more than ten bytes"),
	},
	{
		key: "limits.body", set: edit{top: "limits: {body: 0B}"}, before: "200",
		after: "413 EntityTooLarge", probe: posts("/body", "x"),
	},
	{
		key: "limits.half_close", base: edit{top: "limits: {half_close: off}"},
		set: edit{top: "limits: {half_close: 50ms}"}, before: "answered", after: "cancelled",
		probe: half("/sleep?for=300ms"),
	},
	{
		key: "limits.half_close", base: edit{top: "limits: {half_close: off}"},
		set: edit{top: "limits: {half_close: 0s}"}, before: "answered", after: "cancelled",
		probe: half("/sleep?for=50ms"),
	},
	{
		key: "limits.buffers", set: edit{top: "limits: {buffers: 1MiB}"}, before: "200",
		after: "waits", probe: func(b *bed) string {
			for range 100 { // heads that do not end: 3 MiB in all
				c := b.dial()
				defer c.Close() //nolint:errcheck // nothing else is asked of it
				if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nA: "+
					strings.Repeat("a", 30<<10)); err != nil {
					b.instance.t.Fatalf("write: %v", err)
				}
			}
			return waits(b, oneGet)
		},
	},
	{
		key: "limits.blocking", set: edit{top: "limits: {blocking: 1}"}, before: "200",
		after: "503 BlockingFull", probe: func(b *bed) string {
			return holding(b, "/demo/events", func() string {
				return holdingOr(b, "/demo/events")
			})
		},
	},
	{
		key: "timeouts.header", set: edit{top: "timeouts: {header: 100ms}"}, before: never,
		after: "HTTP/1.1 408 Request Timeout", probe: sends("GET / HT"),
	},
	{
		key: "timeouts.keepalive", set: edit{top: "timeouts: {keepalive: 100ms}"}, before: never,
		after: "HTTP/1.1 200 OK", probe: sends(oneGet), // and then the end, or sends would not return
	},
	{
		key: "min_rate.rate", base: edit{top: "min_rate: {rate: off, grace: 200ms}"},
		set: edit{top: "min_rate: {rate: 1MB/s, grace: 200ms}"}, before: "waits", after: "408",
		probe: slowBody,
	},
	{
		key: "min_rate.grace", base: edit{top: "min_rate: {rate: 1MB/s}"},
		set: edit{top: "min_rate: {rate: 1MB/s, grace: 200ms}"}, before: "waits", after: "408",
		probe: slowBody,
	},
	{
		key: "log.level", set: edit{top: "log: {level: error}"}, before: "level=INFO", after: "",
		probe: func(b *bed) string {
			for _, line := range sinceRecycle(b) {
				if strings.Contains(line, "level=INFO") {
					return "level=INFO"
				}
			}
			return ""
		},
	},
	{
		key: "log.format", set: edit{top: "log: {format: json}"}, before: "text", after: "json",
		probe: func(b *bed) string {
			for _, line := range sinceRecycle(b) {
				if strings.HasPrefix(line, `{"time":`) {
					return "json"
				}
			}
			return "text"
		},
	},
	{
		key: "log.access", set: edit{top: "log: {access: DIR/access.log}"}, before: never, after: "logged",
		probe: func(b *bed) string {
			b.get("/text?" + strconv.Itoa(b.stderr.count()))
			b.logged(b.path("access.log"), "GET /text?")
			return "logged"
		},
	},
}

// holdingOr is the verdict of a GET whose answer need not end.
func holdingOr(b *bed, path string) string {
	c := b.dial()
	defer c.Close() //nolint:errcheck // ends what is held
	if _, err := c.Write([]byte("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		b.instance.t.Fatalf("write: %v", err)
	}
	got := soon(c, 50)
	if got == "503" {
		return status(path)(b)
	}
	return got
}
