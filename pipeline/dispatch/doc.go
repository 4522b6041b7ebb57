// Package dispatch sends exchanges to the workers of a pool over HTTP/1.1 keep-alive connections.
//
// A [Pool] has one shard per event loop. Requests, upstream connections and waiters of a loop
// belong to its shard and are touched by that loop alone. What the loops share is small and atomic:
// per worker the slots that are free and the requests in flight, per pool the count of waiters, per
// shard the ticket of its oldest waiter.
//
//	pool.go      what any goroutine may ask for: workers come, drain, go; availability; options
//	worker.go    a worker as all loops see it: slots, load, state
//	lane.go      a worker as one loop sees it: its connections there
//	shard.go     who gets the next slot; queue.go in which order; drain.go how fast
//	balance.go   of which worker; sticky.go by a cookie
//	circuit.go   workers that fail; limiter.go how many requests all of them can do with
//	job.go       one request: queued, connecting, sent, answered; replay.go when it went wrong
//	spool.go     bodies kept until they are whole; spooled.go one of them; spoolsend.go its way on
//	upstream.go  one connection to a worker
//	mux.go       one for many; handoff.go: the client's own, given away
//	head.go      the request as the worker gets it; forwarded.go who it is from
//	gateway.go   the request as CGI variables, for workers of FastCGI and uwsgi; script.go which file they run
//	fastcgi.go   its body, and the response, in records
//	answer.go    the response as the client gets it; sendfile.go a file in its place; tunnel.go a 101
//	audit.go     slots counted over once a second
//	clock.go     every time-out of a request
//
// # Slots
//
// A slot is the right to one connection to a worker, and so to one request. It is taken before a
// connection is opened and given back when that is closed, so neither requests nor connections ever
// exceed a worker's concurrency, over all loops. An idle connection keeps its slot; while somebody
// waits no connection stays idle: its loop serves its own oldest waiter with it, or closes it for
// the loop whose waiter is older.
//
// In handoff mode a slot is the right to hold one client connection, from when it is given to the worker
// until it comes back or is closed there; requests in flight are such connections. Those that the
// worker has served count when it comes back. The clocks of a request, hang detection, replay and the
// adaptive limit end with the hand-off: what the worker does is not seen here.
//
// # Who is next
//
// Waiters have a class, and tickets in the order of their coming. Whoever frees a slot while somebody
// waits wakes the shard whose turn it is by class and ticket, which takes slots from the common
// counters as long as that is so, then wakes the next. Each side first publishes (a free slot, a
// ticket), then looks for the other's, so none is missed.
package dispatch
