// Package server is where sockets meet HTTP: it makes requests of a connection's bytes, routes them to
// handlers, and makes bytes of their responses.
//
// A [Server] has one loopServer per event loop; each connection is a session (session.go), each
// request an exchange (exchange.go), which implements pipeline.Exchange. The way of a request:
//
//	bytes    session_read.go   partial heads, pipelining, what follows a body
//	head     protocol/http1
//	route    router.go         listener, host, longest path prefix
//	chain    pipeline          middleware and handler, in the app's route
//	body     body_in.go        decoded, bounded, with backpressure
//	response body_out.go       head, framing, trailers
//	bytes    netpoll           one send per event
//
// A connection can be handed off to a worker and come back (handoff.go); in the worker it is a guest of
// such a server (guest.go), whose requests go to one handler.
//
// Clocks are in clocks.go, draining in drain.go, answers that Weir makes itself in refuse.go.
package server
