package frame

// Receiver cuts what a peer sends into frames, the first of which is its HELLO. The zero value is that
// of a new connection.
type Receiver struct {
	greeted bool // HELLO has come
	inData  bool
	data    Header // of the DATA that is being received; Length is what is still to come
}

// Next cuts one frame off b, which is what the peer has sent behind what earlier calls took. They are n
// bytes; p, the payload, is the last of them and aliases b. DATA is not waited for until it is whole: it
// comes in pieces, each with the Header of a frame of its own, and only the last one has its END.
//
// h.Kind is 0 where b has no frame: call again with more behind b[n:]. If that has room for a header,
// all of its frame is needed in one piece, at most HeaderSize + PayloadMax bytes. An error is one of
// this package; the connection is then to be closed.
//
// Hot path: once per frame. No allocation: TestReceiverAllocs.
func (r *Receiver) Next(b []byte) (h Header, p []byte, n int, err error) {
	if !r.inData {
		h, ok, err := ParseHeader(b)
		switch {
		case err != nil || !ok:
			return Header{}, nil, 0, err
		case r.greeted == (h.Kind == Hello):
			return Header{}, nil, 0, ErrOrder
		case h.Kind != Data:
			n = HeaderSize + h.Length
			if len(b) < n {
				return Header{}, nil, 0, nil
			}
			r.greeted = true
			return h, b[HeaderSize:n], n, nil
		}
		n, r.inData, r.data = HeaderSize, true, h
	}
	p = b[n:min(len(b), n+r.data.Length)]
	if len(p) == 0 && r.data.Length > 0 {
		return Header{}, nil, n, nil
	}
	r.data.Length -= len(p)
	r.inData = r.data.Length > 0
	h = Header{Kind: Data, End: r.data.End && !r.inData, Stream: r.data.Stream, Length: len(p)}
	return h, p, n + len(p), nil
}
