// Package netpoll is Weir's event loop: it knows bytes and file descriptors, and no HTTP.
//
// A [Loop] is one goroutine locked to its thread with one poller. It owns its connections, buffers,
// timers and listeners; nothing else touches them. Other goroutines reach it by [Loop.Post] only.
//
// What a loop delivers is shaped as completions: accepted connections ([Acceptor]), received bytes
// ([Handler].OnData), room in the outbound queue (OnDrain), the peer's end (OnEOF, OnHangup), a
// connection's end (OnClose). What it takes are writes, pauses and closes on [Conn]. Whether the
// kernel reports readiness or completions is known to the poller file alone.
//
// # What a poller file defines
//
//	openPoller() (*poller, error)                        the kernel object and its wake-up
//	(*poller).add(fd int, gen uint32, out bool) error    edge-triggered; read, and write if out
//	(*poller).watch(fd int, gen uint32, out bool)        write wanted or not; a present state is an edge
//	(*poller).addListener(fd int, gen uint32) error      level-triggered, one loop woken per connection
//	(*poller).remove(fd int)                             before an fd leaves the process or is paused
//	(*poller).wait(events []event, ms int) int           fills events; ms < 0 waits without bound
//	(*poller).wake()                                     from any thread: makes wait return
//	(*poller).close()
//
// An event is (fd, generation, readable, writable, hangup, failed); dispatch exists once, in turn.go.
package netpoll
