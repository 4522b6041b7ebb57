// Package worker is what runs inside a Go worker process: a program that Weir has started serves one
// handler on the socket it was given, says when it is ready, and finishes what it has begun when it is
// told to stop.
//
//	func main() {
//		if err := worker.Serve(context.Background(), handler); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// The handler is that of package pipeline ([Serve]; the same code can run in the front's loops), of
// fasthttp ([ServeFastHTTP]) or of net/http ([ServeHTTP]).
//
// The supervisor says (WEIR_DISPATCH) how the front speaks to this process: HTTP/1.1, the frames of
// protocol/frame, or clients' connections themselves, by protocol/handoff. The handler is the same. A
// connection that was handed off is served by package pipeline/server: parser, limits and framing are
// the front's own, the limits of the route come with it; the clocks are that package's defaults.
//
// # Signs of life
//
// While a handler is served, the supervisor can ask this process whether it lives, over the socket pair
// whose descriptor WEIR_CONTROL_FD names: SOCK_SEQPACKET, one [supervisor.ControlConn] message a packet
// (where the system has none, a stream with lengths).
//
//	hello                    worker      once, when it serves: it answers pings
//	ping    {n}              supervisor  after ping.every without a request completed
//	pong    {n, in_flight}   worker      at once: requests that are in handlers
//	recycle {reason}         worker      see [Recycle]
//
// The answer comes from a goroutine of its own. So it proves that the process runs and its scheduler
// too: one that is stopped (SIGSTOP), swapped to death, or whose runtime is stuck (every P held by a
// loop that cannot be preempted, a stop-the-world that does not end) does not answer, and is replaced
// after ping.timeout. It proves nothing about handlers: those that wait for each other for ever leave
// the process fit to answer, and are found by their requests (hang.after). With ping.watchdog the same
// is said by WATCHDOG=1, unasked.
//
// # Workers that accept
//
// In a pool with dispatch: reuseport no front is before the workers: the same control socket brings
// their configuration, and one by one the listening sockets that they accept from ([ServeSite]; the
// messages are those of package supervisor's site.go). There pings are answered once the event loop
// has come round, so that a handler which holds the loop is found, too.
package worker
