package config

var siteKeys = []Key{
	{
		Path: "sites.*.bindings", expected: "a list of bindings such as http://shop.example.org:8080",
		Doc: "Where the site listens and which hosts it serves: http://HOST:PORT, ADDRESS:PORT, :PORT, " +
			"unix:PATH, or {address, host, mode, owner, group}. Hosts: + before any other, a name, " +
			"*.NAME for one more label, * after all others.",
	},
	{
		Path: "sites.*.bindings[].address", expected: "ADDRESS:PORT, :PORT or unix:PATH",
		Doc: "Where the binding listens.",
	},
	{
		Path: "sites.*.bindings[].host", Default: `"*"`, expected: "a host name, *.NAME, + or *",
		Doc: "Hosts that the binding serves.",
	},
	{Path: "sites.*.bindings[].mode", Doc: "Permissions of a Unix socket."},
	{Path: "sites.*.bindings[].owner", expected: "a user", Doc: "Owner of a Unix socket."},
	{Path: "sites.*.bindings[].group", expected: "a group", Doc: "Group of a Unix socket."},
	{
		Path: "sites.*.middleware", expected: "a list of names, or of {use: NAME, OPTION: VALUE}",
		Doc: "The site's chain, outermost first.",
	},
	{
		Path: "sites.*.apps.*.pool", expected: "the name of a pool",
		Doc: "The pool whose workers answer.",
	},
	{
		Path: "sites.*.apps.*.static.root", expected: "a directory",
		Doc: "Serve the files below this directory.",
	},
	{
		Path: "sites.*.apps.*.respond.status", min: 200, max: 599,
		Doc: "Status of a fixed response; 200 unless given.",
	},
	{
		Path: "sites.*.apps.*.respond.body", expected: "text",
		Doc: "Body of a fixed response.",
	},
	{
		Path: "sites.*.apps.*.respond.content_type", expected: "a media type",
		Doc: "Content-Type of a fixed response; text/plain; charset=utf-8 unless given.",
	},
	{
		Path: "sites.*.apps.*.handler", expected: "the name of a handler of this program",
		Doc: "A Go handler of this binary: in-process, or with pool in that pool's workers.",
	},
	{
		Path: "sites.*.apps.*.connect", Default: "false", Values: []string{"true", "false"},
		Doc: "For the app /: CONNECT, which has no path, is for its workers or its handler, and a 2xx of " +
			"theirs begins a tunnel. Whatever host CONNECT names, the tunnel leads to who answers, and " +
			"nowhere else. Everywhere else CONNECT is answered 405.",
	},
	{
		Path: "sites.*.apps.*.limits.request_line", min: headBytesMin, max: headBytesMax,
		Doc: "As limits.request_line, for this app.",
	},
	{
		Path: "sites.*.apps.*.limits.head", min: headBytesMin, max: headBytesMax,
		Doc: "As limits.head, for this app.",
	},
	{
		Path: "sites.*.apps.*.limits.fields", min: 1, max: fieldsMax,
		Doc: "As limits.fields, for this app.",
	},
	{
		Path: "sites.*.apps.*.limits.body", allow: offOK | zeroOK,
		Doc: "As limits.body, for this app.",
	},
	{
		Path: "sites.*.apps.*.timeouts.connect", allow: offOK,
		Doc: "As the pool's timeouts.connect, for this app.",
	},
	{
		Path: "sites.*.apps.*.timeouts.first_byte", allow: offOK,
		Doc: "As the pool's timeouts.first_byte, for this app.",
	},
	{
		Path: "sites.*.apps.*.timeouts.idle", allow: offOK,
		Doc: "As the pool's timeouts.idle, for this app.",
	},
	{
		Path: "sites.*.apps.*.timeouts.total", allow: offOK,
		Doc: "As the pool's timeouts.total, for this app.",
	},
	{
		Path: "sites.*.apps.*.timeouts.tunnel", allow: offOK,
		Doc: "As the pool's timeouts.tunnel, for this app.",
	},
}
