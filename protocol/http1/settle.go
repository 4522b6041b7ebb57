package http1

// settle reads what several fields say together, once all of them are there.
func (r *Request) settle() *ParseError {
	r.ContentLength, r.Chunked = -1, false
	r.ExpectContinue, r.Upgrade = false, false
	r.KeepAlive = r.Minor == 1
	if err := r.settleHost(); err != nil {
		return err
	}
	const framing = 1<<ContentLength | 1<<TransferEncoding
	if r.present&(framing|1<<Connection|1<<Expect) == 0 {
		return nil
	}
	if r.present&framing != 0 {
		if err := r.settleFraming(); err != nil {
			return err
		}
	}
	if r.present.has(Connection) {
		options, err := r.connection()
		if err != nil {
			return err
		}
		r.KeepAlive = options.persists(r.Minor)
		r.Upgrade = r.Minor == 1 && options&optionUpgrade != 0 && len(r.Get(Upgrade)) > 0
	}
	if r.present.has(Expect) {
		return r.settleExpect()
	}
	return nil
}

// settleFraming reads Content-Length and Transfer-Encoding of a request.
//
// RFC 9112 sections 6.1 and 6.3.
func (r *Request) settleFraming() *ParseError {
	length, chunked, err := r.framing(r.Minor)
	if err != nil {
		return err
	}
	if r.Verb == VerbConnect && (chunked || length > 0) {
		return ErrConnectBody
	}
	r.ContentLength, r.Chunked = length, chunked
	return nil
}

// settleExpect reads Expect; "100-continue" is the only expectation there is.
//
// RFC 9110 section 10.1.1: an expectation in HTTP/1.0 is ignored.
func (r *Request) settleExpect() *ParseError {
	for v := range r.Values(Expect) {
		if !equalFold(v, "100-continue") {
			return ErrExpectation
		}
	}
	r.ExpectContinue = r.Minor == 1 && r.HasBody()
	return nil
}

// framing reads Content-Length and Transfer-Encoding; length is -1 without the former.
func (h *head) framing(minor int) (length int64, chunked bool, err *ParseError) {
	if h.present.has(TransferEncoding) {
		switch {
		case h.present.has(ContentLength):
			return -1, false, ErrFraming
		case minor == 0:
			return -1, false, ErrTransferVersion
		case h.repeated.has(TransferEncoding):
			return -1, false, ErrTransferEncoding
		case equalFold(h.Get(TransferEncoding), "chunked"):
			return -1, true, nil
		}
		return -1, false, badTransferEncoding(h.Get(TransferEncoding))
	}
	if !h.present.has(ContentLength) {
		return -1, false, nil
	}
	if h.repeated.has(ContentLength) {
		return -1, false, ErrContentLengthRepeated
	}
	length, ok := parseLength(h.Get(ContentLength))
	if !ok {
		return -1, false, ErrContentLength
	}
	return length, false, nil
}

// parseLength parses 1*DIGIT that fits an int64.
func parseLength(v []byte) (n int64, ok bool) {
	if len(v) == 0 || len(v) > contentLengthDigitsMax {
		return 0, false
	}
	var u uint64 // 19 nines fit
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		u = u*10 + uint64(c-'0')
	}
	return int64(u), u <= 1<<63-1
}

// badTransferEncoding tells a well-formed list with a coding that we do not know (501) from one
// that is malformed, or has "chunked" anywhere but at its end (400).
//
// RFC 9112 section 7: transfer-coding = token *( OWS ";" OWS transfer-parameter ).
func badTransferEncoding(v []byte) *ParseError {
	last := false // "chunked" was read: nothing may follow
	for i := 0; ; {
		i = skipSpace(v, i)
		end := tokenEnd(v, i)
		if end == i || last {
			return ErrTransferEncoding
		}
		last = equalFold(v[i:end], "chunked")
		i = skipSpace(v, end)
		params := i
		var ok bool
		if i, ok = parameters(v, i); !ok || last && i > params {
			return ErrTransferEncoding
		}
		if i == len(v) {
			return ErrTransferCoding
		}
		if v[i] != ',' {
			return ErrTransferEncoding
		}
		i++
	}
}

// parameters skips *( OWS ";" OWS token BWS "=" BWS ( token / quoted-string ) ) at v[i:].
func parameters(v []byte, i int) (int, bool) {
	for i < len(v) && v[i] == ';' {
		i = skipSpace(v, i+1)
		end := tokenEnd(v, i)
		if end == i {
			return i, false
		}
		i = skipSpace(v, end)
		if i == len(v) || v[i] != '=' {
			return i, false
		}
		i = skipSpace(v, i+1)
		if end = tokenEnd(v, i); end == i {
			if end = quotedEnd(v, i); end == i {
				return i, false
			}
		}
		i = skipSpace(v, end)
	}
	return i, true
}

func skipSpace(v []byte, i int) int {
	for i < len(v) && (v[i] == ' ' || v[i] == '\t') {
		i++
	}
	return i
}

func tokenEnd(v []byte, i int) int {
	for i < len(v) && classes[v[i]]&classToken != 0 {
		i++
	}
	return i
}

// quotedEnd is the end of the quoted-string at v[i:], i if there is none. RFC 9110 section 5.6.4.
func quotedEnd(v []byte, i int) int {
	if i == len(v) || v[i] != '"' {
		return i
	}
	for j := i + 1; j < len(v); j++ {
		switch c := v[j]; {
		case c == '"':
			return j + 1
		case c == '\\' && j+1 < len(v) && (v[j+1] >= ' ' && v[j+1] != 0x7f || v[j+1] == '\t'):
			j++
		case classes[c]&classQuoted == 0:
			return i
		}
	}
	return i
}

// connOptions are the connection options that have a meaning of their own.
type connOptions uint8

const (
	optionClose connOptions = 1 << iota
	optionKeepAlive
	optionUpgrade
)

// persists says whether the connection stays open. RFC 9112 section 9.3.
func (o connOptions) persists(minor int) bool {
	return o&optionClose == 0 && (minor == 1 || o&optionKeepAlive != 0)
}

// framedBy are fields that Connection may not list: every hop needs them.
var framedBy = setOf(Host, ContentLength, TransferEncoding, Trailer)

// connection reads every Connection field and marks the fields that they list.
//
// RFC 9110 section 7.6.1: Connection = #connection-option; empty elements are allowed.
func (h *head) connection() (connOptions, *ParseError) {
	if v := h.Get(Connection); !h.repeated.has(Connection) { // the two usual values
		switch {
		case equalFold(v, "keep-alive"):
			return optionKeepAlive, nil
		case equalFold(v, "close"):
			return optionClose, nil
		}
	}
	var options connOptions
	for v := range h.Values(Connection) {
		for i := 0; i < len(v); {
			i = skipSpace(v, i)
			end := tokenEnd(v, i)
			if end > i {
				o, ok := h.connOption(v[i:end])
				if !ok {
					return 0, ErrConnection
				}
				options |= o
			}
			if i = skipSpace(v, end); i < len(v) && v[i] != ',' {
				return 0, ErrConnection
			}
			i++
		}
	}
	return options, nil
}

// connOption reads one connection option; false if it may not be one.
func (h *head) connOption(name []byte) (connOptions, bool) {
	switch {
	case equalFold(name, "keep-alive"):
		return optionKeepAlive, true
	case equalFold(name, "close"):
		return optionClose, true
	case equalFold(name, "upgrade"):
		return optionUpgrade, true
	}
	if k := KnownName(name); framedBy.has(k) && k != Unknown {
		return 0, false
	}
	for i := range h.fields {
		if int(h.fields[i].nameLen) == len(name) && sameName(h.FieldName(i), name) {
			h.fields[i].inConn = true
		}
	}
	return 0, true
}
