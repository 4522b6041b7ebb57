// Package pipeline is what a handler sees of Weir: an exchange as a [Context], a [Handler] that
// answers it, and a [Builder] that puts [Middleware] around it.
//
// # Life of an exchange
//
// pipeline/server parses a head, begins the Context's [Transport] and serves the chain on the loop
// that owns the connection. A handler answers by Text, Write, SendFile or Stream, or it leaves the
// answer to somebody else: to a worker (pipeline/dispatch, by Hold and StartResponse), to a posted
// function (Async), to the pool for blocking work (Blocking). When the chain has returned,
// Transport settles what it left. The response passes OnStarting callbacks, then filters, then the
// [Exchange]; at the end come the OnCompleted callbacks, and the Context serves the next exchange.
//
// # Who owns a Context
//
// One goroutine at a time: the loop, or that of the Blocking handler that runs. Ownership passes
// only when the chain has returned and when the Blocking handler has; what the loop learns
// meanwhile (the client has room, is gone, sends body bytes) goes through the handler's run, under
// its lock.
//
// # Files
//
// context.go is the request, response.go and stream.go the answer, send.go the way down to the
// Exchange, transport.go what the server drives; tunnel.go leaves HTTP, hijack.go does so for handlers
// of net/http, fasttunnel.go for those of fasthttp; run.go and runbody.go are a Blocking handler at work;
// fromhttp.go and fromfasthttp.go adapt foreign handlers. limits.go has every maximum.
package pipeline
