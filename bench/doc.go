// Command bench measures Weir beside a raw event loop, nginx, HAProxy, h2o, fasthttp, gnet and
// net/http, in one interleaved run on one machine.
//
//	go run ./bench                                  everything, about 20 minutes
//	go run ./bench -scenario keepalive-64,proxy-small -rounds 5 -duration 3s
//	go run ./bench -subject weir,floor,nginx        fewer subjects
//	go run ./bench -list                            scenarios and subjects
//	go run ./bench soak                             10 000 slow clients beside ordinary ones
//	go run ./bench chaos                            workers and fronts killed under load: what failed
//	go run ./bench supervisor                       what supervision costs
//
// It needs Linux and Go. nginx, HAProxy, h2o and wrk are used where they are installed (apt-get
// install nginx-light haproxy h2o wrk); what is absent is said and left out, and without wrk the
// bench's own client takes its place. With two CPUs or more, servers run on one and the client on
// another (-server-cpu, -client-cpu). Run it on a quiet machine: beside a busy neighbour the same server
// needs up to three times the CPU per request at one connection.
//
// # What is measured
//
// Rounds are interleaved, A B C … A B C, so that a slow minute of the machine hits every subject.
// All servers of a scenario stay up for its whole length; only one is under load at a time. Every
// figure is the median over the rounds, with its smallest and largest.
//
//   - CPU-µs/request: user and system time of all server processes divided by the requests answered,
//     from the kernel's nanosecond clock of each process. The figure to compare: it does not depend
//     on how fast the client is. In proxy scenarios only the front counts (for Weir: supervisor and
//     front), not the worker behind it, which is the same program for every subject.
//   - requests/s, p50, p99: from a closed loop, so read them second. wrk corrects them for the requests
//     that a stall held back; pipelined, that correction is wrong, so there are none ("-"). The
//     bench's own client reports what it saw, pipelined of a whole batch.
//   - server CPU, client CPU: how busy each side was, 1.00 being one whole CPU. With a client near
//     1.00 the requests/s are the client's, not the server's; CPU-µs/request still hold.
//   - bytes: one answer on the wire, head included. Heads are made as equal as each server permits
//     (Server, Date, Content-Type, Content-Length); nginx, for one, always adds Connection.
//   - errors: socket errors, time-outs and answers outside 2xx and 3xx. Anything but 0 makes the row
//     invalid and the exit status 1.
//   - × floor: the row's median divided by the floor's. weir is ×: Weir's median divided by the
//     row's; below 1 Weir needs less.
//
// The hosted scenarios have one small application in every hosting side by side: on the loop of Weir's
// front, in one worker by each dispatch mode, and behind proxies. Front and worker count together and
// share the servers' CPU.
//
// idle-memory is the growth of the front's proportional set size (and the supervisor's) from 2 000
// to 10 000 idle keep-alive connections, each after one request, divided by 8 000. Our own peers
// collect garbage before each look; every server is given until its memory stands still, at most
// -idle-settle. The Go runtime collects at least every two minutes: -idle-settle 130s includes that.
//
// cold-start is the time from exec to the first 200, on all CPUs. weir-demo is the demo with its two
// workers, and its first 200 comes from a worker.
//
// parser is the CPU time to parse one request head of 430 bytes and 9 fields.
//
// # Soak
//
// soak holds 10 000 clients in the middle of a request head, each of which sends one more byte every
// ten seconds, and measures what 64 ordinary connections notice: rounds without and beside the slow
// clients alternate. It fails when the median p99 beside them is above 1.5 times that without, when a
// slow client is ended before its time or a request of the others fails, or when a process of Weir's is
// replaced. At the end the slow clients wait for the header clock, which must end every one.
//
// # Supervisor
//
// supervisor runs the shipped program with 100 workers and takes, as medians of five rounds: the supervisor's
// own processor time in 10 s at rest, beside a program that ends as soon as it starts, and beside 16 of them
// that rapid-fail protection never gives up; its resident memory; the time from kill -9 of a worker until its
// death is logged; and from there until the next one is ready, less what the same program needs by itself,
// started alone in turn with it, until it can be connected to. What supervised programs use themselves is shown
// beside it. Above a target of the design it exits with 1.
//
// # Fairness
//
// One worker, thread or loop each, on one CPU; logging off; keep-alive unlimited; nginx with
// open_file_cache, upstream keep-alive and proxy_max_temp_file_size 0, HAProxy with http-reuse
// always, h2o with upstream keep-alive. Every configuration is printed into results.md and
// results.json. Each subject must pass the same parity probe (a fragmented request, two requests in
// one segment, 404, HEAD, Connection: close, an oversized head); one that fails is marked "engine
// only", since it leaves out work that a server must do. "floor" is a raw Go epoll loop that waits
// like Weir's, counts CRLFCRLF and sends a fixed answer: the least an event loop can cost.
//
// # Results
//
// A table per scenario goes to standard output as it is done. A complete run writes results.json
// (all rounds, machine, versions, commit, configurations), results.md and chart.svg to
// bench/results; a partial one writes only where -out says.
package main
