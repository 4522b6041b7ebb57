// Package frame is the wire format of mux dispatch: many requests at once over one connection between a
// front and a worker. This comment is the specification; it suffices to write either side in any
// language.
//
// # Connection
//
// The front connects to the worker's Unix socket (WEIR_SOCKET), once per event loop. Both sides send
// frames. All integers are little-endian.
//
//	frame = length(3) kind(1) stream(4) payload(length)
//
// The highest bit of kind, END (0x80), is set on the last frame that a side sends on a stream. Stream 0
// is the connection itself. The first frame of each side is HELLO; the front does not wait for the
// worker's before it goes on. An unknown kind, a payload that is too long or malformed, or a frame that
// cannot come is an error: the side that meets it closes the connection, and nothing else is hurt.
//
//	kind            stream  END      payload
//	 1 HELLO        0       no       magic(4)="WEIR" min(1) max(1) reserved(2) window(4) slots(4)
//	 2 REQUEST      > 0     maybe    head, see below; front only
//	 3 RESPONSE     > 0     maybe    head, see below; worker only
//	 4 DATA         > 0     maybe    bytes of a body
//	 5 TRAILERS     > 0     yes      lines, see below
//	 6 CANCEL       > 0     yes      code(1)
//	 7 CREDIT       > 0     no       bytes(4)
//	 8 PING         0       no       number(8)
//	 9 PONG         0       no       number(8), that of the PING
//	10 DRAIN        0       no       stream(4): the last one that the worker takes; worker only
//
// # Versions
//
// HELLO names the lowest and the highest version that its sender speaks. Both sides use the lower of
// the two maxima; if that is below either minimum the connection is closed. This is version 1. window
// is how many bytes of body the sender takes on each stream before it gives credit. slots is, from the
// worker, how many requests it handles at once over all its connections, 0 if it does not say; from
// the front 0. Until the peer's HELLO has come its window counts as 16384, and no window is smaller.
//
// # Streams
//
// A stream is one request and its response. The front opens it by REQUEST; numbers only grow. The body
// follows in DATA; what ends it is END on REQUEST, on DATA (which may be empty) or on TRAILERS. The
// worker answers by any number of RESPONSE with a status from 100 to 199 (but 101), without END, and one other;
// then DATA and TRAILERS likewise. It may answer before the request's body has ended, and the front may
// then stop sending it without END. The stream is over when the worker's side has ended, or with CANCEL
// from either side; frames on a stream that is over, or was never opened as far as the receiver knows,
// are ignored. A worker that has ended its side while the request's body still comes ignores the rest.
//
// # Tunnels
//
// A request with flag 16 offers protocols in its Upgrade line: one or more, separated by commas. It has
// no body, and no END. The worker may answer it by a RESPONSE with status 101, without END, whose one
// Upgrade line names one of them; a 101 to any other request is an error of that stream. A request whose
// method is CONNECT has neither body nor END nor flag 16; a RESPONSE with status 200 to 299, without END,
// its length unknown, is to it what the 101 is to an offer. From there on
// DATA of both sides is bytes of that protocol, until END on DATA, which stands for FIN; flow control is
// that of bodies. The front sends none before that RESPONSE. Only when both sides have ended, or with
// CANCEL, is the stream over; CANCEL of the worker behind its END says that it takes nothing more either. Where
// the worker answers otherwise, the front need not end its side.
//
// CANCEL codes: 1 the exchange is over for the sender (client gone, time-out, handler gave up): the
// response, if begun, is cut. 2, from the worker only: the request was not begun and may be sent
// elsewhere.
//
// # Flow control
//
// Each side may send DATA on a stream while the bytes sent so far are fewer than the receiver's window
// plus the credit given: a frame once begun may exceed that, so a receiver keeps room for window and one
// payload. CREDIT adds to it. Nothing else is subject to it, so a stream that is not read holds up no
// other.
//
// # Heads
//
// A head is its text, as HTTP/1.1 would have it, and an outline of it, so that no receiver has to parse
// again.
//
//	REQUEST  = flags(2) lines(2) length(8) method(2) reserved(2) target(4) path(4) text(4)
//	           bytes(text) outline(lines)
//	RESPONSE = status(2) lines(2) length(8) text(4) bytes(text) outline(lines)
//	TRAILERS = lines(2) reserved(2) text(4) bytes(text) outline(lines)
//	outline  = lines × (name(2) value(4))
//
// The text of a request is "METHOD SP TARGET SP HTTP/1.1 CRLF", lines, CRLF; method, target and path are
// lengths, path that of the target before "?"; the target of CONNECT is host:port. Each line is "name: value CRLF" with exactly these
// lengths. Host is among a request's lines, once. The text of responses and trailers is lines only.
// Fields that frame a message or concern a connection have no meaning: length is the body's length in
// bytes, or all ones for one that is not known or, in a request, absent unless flag 1 is set.
//
// Request flags: 1 a body of unknown length follows; 2 the client waits for 100 (RESPONSE with status
// 100) before it sends the body; 4 the client spoke HTTP/1.0; 8 the client takes trailers; 16 the client
// offers to switch protocols, see Tunnels.
//
// # Ends
//
// A worker that is to end sends DRAIN and cancels later streams with code 2. When the connection closes,
// every open stream is over; requests of which the front sent no byte, or which lie behind DRAIN, were
// not begun.
package frame
