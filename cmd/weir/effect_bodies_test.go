//go:build linux

package main

// bodyRows are about bodies that the front takes over from workers.
var bodyRows = []keyRow{
	{
		key: "pools.*.sendfile.root", set: edit{pool: "sendfile: {root: DIR}"},
		before: "the worker's own", after: "EFFECT=filed", probe: body("/named?path=/env.list"),
	},
	{
		key: "pools.*.sendfile.prefix", base: edit{pool: "sendfile: {root: DIR}"},
		set:    edit{pool: "sendfile: {root: DIR, prefix: /protected/}"},
		before: "404 NotFound", after: "200", probe: status("/named?path=/protected/env.list"),
	},
}
