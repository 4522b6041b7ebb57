package http1

// Outline is what the parser of another process has found out about a request head in canonical form:
// origin-form or asterisk-form target, authority-form for CONNECT, HTTP/1.1, no field that frames the
// body.
type Outline struct {
	Method, Target, Path int   // lengths in bytes; Path is that of the target before its "?"
	ContentLength        int64 // -1: not given
	Chunked              bool  // a body of unknown length follows
	ExpectContinue       bool
	Upgrade              bool // the Upgrade field counts, although no Connection field is there
}

// Assemble makes r the request whose head is b, without parsing it: what the outline says is believed
// as far as it lies within b. AddField is to follow for each field, then EndFields.
//
// Hot path: once per request of a mux worker. No allocation: TestAssembleAllocs.
func (r *Request) Assemble(b []byte, o *Outline) {
	r.restart()
	r.b, r.size = b, len(b)
	start := o.Method + 1
	r.method, r.target, r.path = spanOf(0, o.Method), spanOf(start, start+o.Target), spanOf(start, start+o.Path)
	r.query, r.authority, r.https = span{}, span{}, false
	if o.Path < o.Target {
		r.query = spanOf(start+o.Path+1, start+o.Target)
	}
	r.Verb, r.Form, r.Minor = verbOf(b[:o.Method]), OriginForm, 1
	switch {
	case r.Verb == VerbConnect:
		r.Form, r.path, r.query = AuthorityForm, span{}, span{}
	case o.Target > 0 && b[start] == '*':
		r.Form = AsteriskForm
	}
	r.ContentLength, r.Chunked = o.ContentLength, o.Chunked
	r.KeepAlive, r.ExpectContinue, r.Upgrade = true, o.ExpectContinue, o.Upgrade
}

// AddField adds the field whose name is b[name:name+nameLen] and whose value b[value:value+valueLen] of
// the head given to Assemble.
//
// Hot path: once per field. No allocation once r has grown: TestAssembleAllocs.
func (r *Request) AddField(name, nameLen, value, valueLen int) {
	first := loadPart(r.b, name)
	if nameLen < 8 {
		first &= 1<<(8*nameLen) - 1
	}
	known := Unknown
	if nameLen <= knownWords*8 {
		known = knownAt(r.b, name, nameLen, first)
	}
	if known != Unknown {
		r.note(known)
	}
	if len(r.fields) == cap(r.fields) {
		r.growFields()
	}
	r.fields = append(r.fields, field{name: uint32(name), value: uint32(value),
		valueLen: uint32(valueLen), nameLen: uint16(nameLen), known: known})
}

// EndFields settles what the fields say together. The error is ErrHostMissing or ErrHostRepeated.
func (r *Request) EndFields() error {
	switch {
	case !r.present.has(Host):
		return ErrHostMissing
	case r.repeated.has(Host):
		return ErrHostRepeated
	}
	f := &r.fields[r.index[Host]]
	r.authority = span{f.value, f.valueLen}
	return nil
}
