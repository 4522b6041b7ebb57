// Package handoff is the wire format of handoff dispatch: a front gives client connections to a worker,
// which answers them itself, and gets them back. This comment is the specification; it suffices to
// write either side in any language.
//
// # Link
//
// The worker listens on its Unix socket (WEIR_SOCKET) with SOCK_SEQPACKET; the front connects, once per
// event loop. Each packet is one message. All integers are little-endian.
//
//	message = version(1) kind(1) flags(2) id(8) body
//
//	kind          from    id    descriptor  body
//	1 HELLO       worker  0     none        min(1) max(1) reserved(2) slots(4)
//	2 CONNECTION  both    > 0   one         see below
//	3 CLOSED      worker  > 0   none        requests(4) errors(4)
//	4 RECALL      front   0     none        empty
//	5 DRAIN       both    0     none        empty
//
// The worker's first message is HELLO, with the lowest and the highest version that it speaks and how
// many connections it holds at once over all links, 0 if it does not say. The front sends nothing
// before it has come: a connection is given to a process that has accepted the link, never to a
// backlog. Both sides then use the lower of the two maxima. This is version 1. An unknown kind or flag,
// a message that is too long or malformed, or one that cannot come is an error: the side that meets it
// closes the link.
//
// # Connections
//
// By CONNECTION one side gives the other a client's connection: its descriptor, a stream socket in
// non-blocking mode, comes as SCM_RIGHTS. The sender takes it out of its poller first, keeps nothing
// of it, and closes its own descriptor when the message has been sent; on EAGAIN it still has it. What
// was read from the connection and not used yet comes as bytes: they are to be taken for what recv
// would have returned before anything else. A front gives a connection when a request head has been
// read of it, and nothing of that request's body has been used, and no byte of an answer has been
// sent: bytes begin with the head. A worker gives it back between requests: all answers have been
// taken by the kernel whole, and bytes begin where the next request begins, or are none.
//
//	CONNECTION = requests(4) errors(4)
//	             peer family(1) reserved(1) port(2) address(16)
//	             line(4) head(4) fields(4) body(8)
//	             header(4) keepalive(4) half-close(4) grace(4) rate(4)
//	             local(2) prefix(2) others(2) bytes(4)
//	             bytes(local) bytes(prefix) bytes(others) bytes(bytes)
//
//	flag 1  the front trusts the peer: what it says about whom it speaks for is believed
//	flag 2  the client speaks https to whoever is its end of TLS
//	flag 4  the worker may keep the connection, see below
//	flag 8  the answer is the connection's last: it is closed behind it
//
// id is chosen by the front, anew each time; the worker names the connection by it when it gives it
// back or tells that it is CLOSED. Both tell how many requests it has answered meanwhile, and how many
// of them with a status of 500 or above, or broke. Peer is the client as the front knows it, by a
// PROXY header perhaps: family 4 (address in the first four bytes), 6, or 0 for a Unix socket. The
// four limits are those of the route: bytes of a request line and of a head, number of fields, bytes
// of a body; all ones: no bound. The clocks are the client's, in milliseconds: for a head from its first
// byte to its last, between requests, for answers to a client that has sent FIN (all ones: FIN changes
// nothing; 0: it cancels), and the grace after which a body must come, and an answer be taken, at rate
// bytes per second; all ones: no bound. local is the address of the front's listener, as configured. prefix
// is the decoded path that the route matched, "" for all. Only id, requests, errors and bytes mean
// something on the way back.
//
// # Whose the next request is
//
// A client that keeps its connection may ask for something else next, that the front would have given
// to another site, another pool or a handler of its own. So the worker answers the first request, and
// gives the connection back when its answer has been sent. With flag 4 it may answer also those that
// follow, as long as each of them would have come to it in any case: its Host is the same as the first
// one's (ASCII case aside), its target is in origin-form, its path without anything to decode and
// without dot segments, the path is prefix or below it (whole segments), and neither equal to nor below
// one of others, a list of paths, each ended by a NUL. The first request that is not so goes back with
// the connection, unanswered, in bytes.
//
// The worker also gives back a connection that has been idle for a second: it holds a slot there, and
// costs least in the front. Connections whose answer said that it is the last, or whose client is
// gone, are closed, and CLOSED tells the front.
//
// # Ends
//
// RECALL asks the worker to give back what it holds: idle connections at once, the others behind the
// answer that they are at. Connections that come later are not meant. A front sends it when somebody
// waits for a slot, and when its routes have changed.
//
// DRAIN from the front says the same for good: it gives no more connections over this link. With flag
// 1 the front itself ends: connections are not given back but closed behind the answers that they
// are at, idle ones at once. DRAIN from the worker, with flags 0, says that it wants no more; the front
// answers by DRAIN, behind the last CONNECTION that was on its way. A worker that is to end sends DRAIN
// on each link, and ends when each was answered by DRAIN or is closed, and it holds no connection.
//
// A front that dies closes the link: the worker finishes the answers that it is at, each with
// Connection: close, and closes what is idle. A worker that dies takes the connections that it holds
// with it: their clients see them closed.
//
// # TLS
//
// A connection whose bytes are encrypted by the front has no descriptor that a worker could use. It
// is not handed off: the front would have to give the keys away, too. Flag 2 says what the client
// sees when somebody before the front ends TLS.
package handoff
