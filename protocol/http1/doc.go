// Package http1 is the HTTP/1.1 wire format: strict parsers for request and response heads and for
// chunked bodies, and the encoders that write them. It is pure: bytes in, views out; it knows no
// sockets, no clocks and no policy.
//
// There are no leniency flags. Whatever two implementations could read differently is an error, so
// that the front and a worker (or a proxy before us) never disagree on where a message ends, whom
// it is for, or what a field says. Stricter than RFC 9112, on purpose:
//
//   - A bare LF ends no line (section 2.2 permits it), and neither does a bare CR.
//   - One empty line before a request line is skipped (section 2.2 asks for "at least one"); a
//     second one is an error.
//   - obs-fold (section 5.2), white space before a colon and an empty field name are errors.
//   - Content-Length: digits, once. A repeated one is an error even where the values agree.
//   - Transfer-Encoding: exactly "chunked", once, only in HTTP/1.1, never beside Content-Length.
//   - Host: exactly one in HTTP/1.1, at most one in HTTP/1.0, never empty; letters, digits and
//     "-._~", or an IPv6 literal, then optionally a port of 1 to 5 digits. The sub-delims and
//     percent-encoding that RFC 3986 allows in a reg-name are refused: no DNS name has them.
//   - The authority of an absolute-form target must agree with Host.
//   - A request target is visible ASCII without "#".
//   - Connection may not list Host, Content-Length, Transfer-Encoding or Trailer.
//   - CONNECT has no body.
//
// More tolerant than its grammar in one point: the SP after a status code may be missing when the
// reason phrase is (`HTTP/1.1 200`), since much software sends that and nothing depends on it.
//
// # Errors on partial input
//
// An error is raised at the earliest byte at which it is certain and which does not depend on how
// the bytes were split: a bad line when its LF is there, a limit when it is exceeded,
// contradictions between fields when the head is complete, bytes that are no HTTP at all within the
// method.
package http1
