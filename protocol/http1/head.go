package http1

import (
	"bytes"
	"iter"
	"slices"
)

// field is one field line: where its name and its trimmed value lie in the head.
type field struct {
	name, value uint32 // offsets
	valueLen    uint32
	nameLen     uint16
	known       Known
	inConn      bool // named by a Connection field; settled when the head is complete
}

// head is what request and response heads share: the fields, their index, and how far a partial
// head got. It holds offsets only, so that the bytes may move ([Request.Rebase]).
type head struct {
	b      []byte // of the last successful Parse
	fields []field
	index  [knownCount]uint16 // the first field of a Known, where present has it
	// present and repeated are the Knowns that occurred once or more, and twice or more.
	present, repeated knownSet

	// Progress of a partial head, between two Parse calls. A hint only: see [head.resumes].
	seen    int  // bytes looked at
	line    int  // start of the first line that was not complete; all before it are parsed
	started bool // the start line is parsed
}

// restart forgets everything but the memory of fields.
func (h *head) restart() {
	h.fields = h.fields[:0]
	h.present, h.repeated = 0, 0
	h.seen, h.line = 0, 0
	h.started = false
}

// resumes says whether progress of an earlier call can be used. Should h have parsed other bytes in
// between, this may be true by accident; the answer of a resumed pass is therefore never final.
func (h *head) resumes(seen int) bool { return seen > 0 && seen == h.seen }

// stillPartial says that the bytes after seen cannot complete a partial head, nor make it wrong: no
// line ends in them, no limit is reached, and the method has been looked at.
func (h *head) stillPartial(b []byte, seen int, l *Limits) bool {
	if len(b) >= l.HeadBytes || seen > len(b) {
		return false
	}
	if !h.started && (seen <= h.line+methodBytesMax || len(b)-h.line > l.RequestLineBytes) {
		return false
	}
	return bytes.IndexByte(b[seen:], '\n') < 0
}

// fieldLines parses field lines from b[h.line:] up to and including the empty line and returns its
// end. If a line is incomplete it returns (0, nil) with h.line at its start.
//
// Hot path: once per head. No allocation once h.fields has grown: TestParseAllocs.
//
// RFC 9112 section 5: field-line = field-name ":" OWS field-value OWS.
func (h *head) fieldLines(b []byte, fieldsMax int) (end int, err *ParseError) {
	i := h.line
	for {
		if i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n' {
			return i + 2, nil
		}
		h.line = i
		colon, known := fieldName(b, i)
		if colon < 0 {
			return 0, h.badLine(b, i, fieldsMax)
		}
		v := colon + 1
		for v < len(b) && (b[v] == ' ' || b[v] == '\t') {
			v++
		}
		e := scanValue(b, v)
		if e+1 >= len(b) || b[e] != '\r' || b[e+1] != '\n' || len(h.fields) >= fieldsMax {
			return 0, h.badLine(b, i, fieldsMax)
		}
		next := e + 2
		for e > v && (b[e-1] == ' ' || b[e-1] == '\t') {
			e--
		}
		if known != Unknown {
			h.note(known)
		}
		if len(h.fields) == cap(h.fields) {
			h.growFields()
		}
		h.fields = h.fields[:len(h.fields)+1]
		// Written in place: a composite literal is built piecewise and then copied whole, which
		// stalls on store forwarding.
		f := &h.fields[len(h.fields)-1]
		f.name, f.value, f.valueLen = uint32(i), uint32(v), uint32(e-v)
		f.nameLen, f.known, f.inConn = uint16(colon-i), known, false
		i = next
	}
}

// growFields makes room for more fields; it is kept from head to head.
func (h *head) growFields() {
	h.fields = slices.Grow(h.fields, max(fieldsRoomMin, len(h.fields)))
}

// note indexes the next field as the known field k.
func (h *head) note(k Known) {
	if h.present.has(k) {
		h.repeated |= 1 << k
		return
	}
	h.present |= 1 << k
	h.index[k] = uint16(len(h.fields))
}

// fieldName returns the index of the colon that ends the field name at b[i:] and which name it is.
// It returns -1 if there is no valid name and colon; [head.badLine] finds out why.
func fieldName(b []byte, i int) (colon int, known Known) {
	first := loadPart(b, i)
	j := i
	if m := equalMask(first, swarColon); m != 0 {
		n := firstByte(m)
		j += n
		first &= 1<<(8*n) - 1
	} else {
		for {
			if j += 8; j >= len(b) || j-i > fieldNameBytesMax {
				return -1, Unknown
			}
			if m := equalMask(loadPart(b, j), swarColon); m != 0 {
				j += firstByte(m)
				break
			}
		}
	}
	if known = knownAt(b, i, j-i, first); known != Unknown {
		return j, known
	}
	if j == i || j-i > fieldNameBytesMax || !all(b[i:j], classToken) {
		return -1, Unknown
	}
	return j, Unknown
}

// badLine says what is wrong with the line at b[i:] that could not be parsed, or nil if the line is
// not complete yet: an error is raised when the line's LF is there, wherever the bytes were split.
func (h *head) badLine(b []byte, i, fieldsMax int) *ParseError {
	n := bytes.IndexByte(b[i:], '\n')
	if n < 0 {
		return nil
	}
	if len(h.fields) >= fieldsMax {
		return ErrFieldCount
	}
	line := b[i : i+n] // its CR, if any, included
	if err := badName(line); err != nil {
		return err
	}
	return badText(line)
}

// badName says what is wrong with the name of a field line, or nil.
func badName(line []byte) *ParseError {
	if len(line) == 0 {
		return ErrBareLF
	}
	if line[0] == ' ' || line[0] == '\t' {
		return ErrObsFold // RFC 9112 section 5.2
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		if err := badText(line); err != nil && err != ErrFieldValue {
			return err
		}
		return ErrNoColon
	}
	if colon > 0 && (line[colon-1] == ' ' || line[colon-1] == '\t') {
		return ErrColonSpace // RFC 9112 section 5.1
	}
	if colon == 0 || !all(line[:colon], classToken) {
		return ErrFieldName
	}
	if colon > fieldNameBytesMax {
		return ErrFieldLength
	}
	return nil
}

// badText says what is wrong with the bytes of a line up to its LF, or nil.
func badText(line []byte) *ParseError {
	e := scanValue(line, 0)
	switch {
	case e == len(line):
		return ErrBareLF
	case line[e] != '\r':
		return ErrFieldValue
	case e+1 < len(line):
		return ErrBareCR
	}
	return nil
}

// NumFields is the number of field lines.
func (h *head) NumFields() int { return len(h.fields) }

// FieldName is the name of field i as received.
func (h *head) FieldName(i int) []byte {
	f := &h.fields[i]
	return h.b[f.name : f.name+uint32(f.nameLen) : f.name+uint32(f.nameLen)]
}

// FieldValue is the value of field i without the white space around it.
func (h *head) FieldValue(i int) []byte {
	f := &h.fields[i]
	return h.b[f.value : f.value+f.valueLen : f.value+f.valueLen]
}

// KnownOf is which known field field i is.
func (h *head) KnownOf(i int) Known { return h.fields[i].known }

// Has says whether the known field k occurs.
func (h *head) Has(k Known) bool { return h.present.has(k) }

// Repeated says whether the known field k occurs more than once.
func (h *head) Repeated(k Known) bool { return h.repeated.has(k) }

// Get is the value of the first known field k, nil if there is none.
func (h *head) Get(k Known) []byte {
	if !h.present.has(k) {
		return nil
	}
	return h.FieldValue(int(h.index[k]))
}

// Lookup is the value of the first field called name, in any case; nil if there is none. A present
// but empty field gives an empty non-nil slice.
func (h *head) Lookup(name string) []byte {
	for i := range h.fields {
		if int(h.fields[i].nameLen) == len(name) && sameName(h.FieldName(i), name) {
			return h.FieldValue(i)
		}
	}
	return nil
}

// Values iterates over the values of every known field k, in order.
func (h *head) Values(k Known) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if !h.present.has(k) {
			return
		}
		for i := int(h.index[k]); i < len(h.fields); i++ {
			if h.fields[i].known == k && !yield(h.FieldValue(i)) {
				return
			}
		}
	}
}

// HopByHop says whether field i concerns this connection only, by its name or because a Connection
// field lists it, and so must not be passed on.
//
// RFC 9110 section 7.6.1.
func (h *head) HopByHop(i int) bool {
	return h.fields[i].inConn || hopByHop.has(h.fields[i].known)
}

// ConnectionListed says whether a Connection field names field i.
func (h *head) ConnectionListed(i int) bool { return h.fields[i].inConn }

// sameName compares two field names without regard to case.
func sameName[T string | []byte](a []byte, b T) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		d := b[i]
		if c != d && (c^d != 0x20 || c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}
