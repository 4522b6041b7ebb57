package server

import "weir/protocol/http1"

// memo is the last head that an exchange parsed. A client that keeps its connection often sends the
// same head again, byte for byte; then the parse of the last one holds, because equal bytes parse
// equally under equal limits.
type memo struct {
	head   []byte
	limits http1.Limits
}

// parse parses the head at the start of b into x.req, or finds that it is the last one again. Results
// as http1.Request.Parse.
//
// Hot path: once per request. No allocation: TestPlaintextAllocs.
func (x *exchange) parse(b []byte, lim *http1.Limits) (n int, err error) {
	m := &x.memo
	if n = len(m.head); n > 0 && n <= len(b) && string(b[:n]) == string(m.head) && m.limits == *lim {
		x.req.Rebase(b)
		return n, nil
	}
	n, err = x.req.Parse(b, 0, lim)
	m.head = m.head[:0]
	if 0 < n && n <= memoBytesMax {
		m.head = append(m.head, b[:n]...)
		m.limits = *lim
	}
	return n, err
}

// forget drops the last parse, for an exchange without a head of its own.
func (x *exchange) forget() {
	x.req.Reset()
	x.memo.head = x.memo.head[:0]
}
