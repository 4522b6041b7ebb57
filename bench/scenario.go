package main

import (
	"fmt"
	"slices"
	"strings"

	"weir/bench/result"
)

// mode is what a server is set up to do.
type mode string

const (
	modeHello  mode = "hello"  // 13 bytes at "/"
	modeStatic mode = "static" // the files of bench.files
	modeProxy  mode = "proxy"  // forward to a worker on a Unix socket
	modeHosted mode = "hosted" // an application, in the server or in a worker of its own
	modeDemo   mode = "demo"   // Weir without arguments: the demo with two workers
)

// kind is how a scenario is measured.
type kind int

const (
	kindLoad kind = iota
	kindIdle
	kindCold
	kindParser
)

// scenario is one workload. Names are stable: scripts select by them.
type scenario struct {
	name, text string
	kind       kind
	mode       mode
	path       string // what the client asks for
	conns      int
	pipeline   int
	perConn    int  // requests on a connection; 0: as many as come
	large      bool // answers of a megabyte: proxies get buffers to match
}

var scenarios = []scenario{
	{name: "keepalive-1", text: "13 bytes over 1 keep-alive connection",
		mode: modeHello, path: "/", conns: 1, pipeline: 1},
	{name: "keepalive-64", text: "13 bytes over 64 keep-alive connections",
		mode: modeHello, path: "/", conns: 64, pipeline: 1},
	{name: "keepalive-1000", text: "13 bytes over 1000 keep-alive connections",
		mode: modeHello, path: "/", conns: 1000, pipeline: 1},
	{name: "pipelined-16", text: "13 bytes, 16 requests per write over 64 connections",
		mode: modeHello, path: "/", conns: 64, pipeline: 16},
	{name: "close", text: "13 bytes, one connection per request, 64 at a time",
		mode: modeHello, path: "/", conns: 64, pipeline: 1, perConn: 1},
	{name: "static-small", text: "a file of 1 KiB over 64 connections",
		mode: modeStatic, path: "/small.txt", conns: 64, pipeline: 1},
	{name: "static-1m", text: "a file of 1 MiB over 16 connections",
		mode: modeStatic, path: "/1m.txt", conns: 16, pipeline: 1},
	{name: "proxy-small", text: "13 bytes from a worker on a Unix socket, 64 connections; front only",
		mode: modeProxy, path: "/small", conns: 64, pipeline: 1},
	{name: "proxy-1m", text: "1 MiB from a worker on a Unix socket, 16 connections; front only",
		mode: modeProxy, path: "/1m", conns: 16, pipeline: 1, large: true},
	{name: "hosted-1", text: "13 bytes of an application over 1 connection; front and worker",
		mode: modeHosted, path: "/small", conns: 1, pipeline: 1},
	{name: "hosted-64", text: "13 bytes of an application over 64 connections; front and worker",
		mode: modeHosted, path: "/small", conns: 64, pipeline: 1},
	{name: "hosted-close", text: "the same, one connection per request",
		mode: modeHosted, path: "/small", conns: 64, pipeline: 1, perConn: 1},
	{name: "hosted-100", text: "the same, a hundred requests per connection",
		mode: modeHosted, path: "/small", conns: 64, pipeline: 1, perConn: 100},
	{name: "idle-memory", text: "user memory of an idle keep-alive connection, 2000 to 10000",
		kind: kindIdle, mode: modeHello, path: "/"},
	{name: "cold-start", text: "exec to first 200, all CPUs",
		kind: kindCold, mode: modeHello, path: "/"},
	{name: "parser", text: "one request head of 430 B with 9 fields", kind: kindParser},
}

// unit names what Round.Value holds in s.
func (s scenario) unit() string {
	return [...]string{kindLoad: result.LoadUnit, kindIdle: "B/connection", kindCold: "ms",
		kindParser: "ns/head"}[s.kind]
}

// choose picks the items named in a comma-separated list; an empty list means all.
func choose[T any](list string, all []T, name func(T) string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	wanted := strings.Split(list, ",")
	var names []string
	var chosen []T
	for _, item := range all {
		names = append(names, name(item))
		if slices.Contains(wanted, name(item)) {
			chosen = append(chosen, item)
		}
	}
	for _, w := range wanted {
		if !slices.Contains(names, w) {
			return nil, fmt.Errorf("unknown name %q; there are %s", w, strings.Join(names, ", "))
		}
	}
	return chosen, nil
}
