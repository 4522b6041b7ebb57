package pipeline

import "iter"

// Fields is a list of header or trailer fields: one flat buffer, in the form of the wire, and offsets
// into it, so that a reused one takes fields without allocation and leaves in one copy. The zero value
// is empty and ready.
//
// Names keep the case they were given and compare without regard to case. Every name is checked to
// be a token and every value to hold no control byte but tab, so no field can split a message
// (RFC 9110 section 5.5). Fields that frame a message or belong to the connection are refused with
// ErrFraming; Content-Length too, because the exchange knows the length better.
//
// Strings returned alias the buffer: they are valid until f is reset, which for a Context's fields
// is the end of the exchange.
type Fields struct {
	buf    []byte
	at     []fieldSpan
	dead   int  // bytes of buf that no span refers to
	frozen bool // handed over: changes give ErrStarted
}

// fieldSpan is one field line, "name: value\r\n": it begins at name, its value at value, and ends
// before end.
type fieldSpan struct{ name, value, end uint32 }

// What a field line has beside name and value.
const (
	fieldColon = ": "
	fieldEnd   = "\r\n"
)

func (f *Fields) nameOf(s fieldSpan) string {
	return view(f.buf[s.name : s.value-uint32(len(fieldColon))])
}

func (f *Fields) valueOf(s fieldSpan) string {
	return view(f.buf[s.value : s.end-uint32(len(fieldEnd))])
}

// AppendTo appends every field as a line, CRLF included, in order.
//
// Hot path: once per response. No allocation: TestTextAllocs.
func (f *Fields) AppendTo(dst []byte) []byte {
	if f.dead == 0 {
		return append(dst, f.buf...)
	}
	for _, s := range f.at {
		dst = append(dst, f.buf[s.name:s.end]...)
	}
	return dst
}

// WireLen is how many bytes AppendTo appends at most.
func (f *Fields) WireLen() int { return len(f.buf) }

// Line is one field, checked once and ready for the wire: for fields that many responses carry.
type Line struct {
	wire  string
	colon int // length of the name
}

// NewLine checks name and value as [Fields.Add] does.
func NewLine(name, value string) (Line, error) {
	value = trimSpace(value)
	switch {
	case isFraming(name):
		return Line{}, ErrFraming
	case !validName(name) || !validValue(value):
		return Line{}, ErrField
	}
	return Line{name + fieldColon + value + fieldEnd, len(name)}, nil
}

// AddLine appends a field that was checked before; the zero Line adds nothing.
//
// Hot path: once per response field. No allocation on a reused f: TestTextAllocs.
func (f *Fields) AddLine(l Line) error {
	switch {
	case f.frozen:
		return ErrStarted
	case l.wire == "":
		return nil
	case len(f.at) >= fieldsMax || len(f.buf)+len(l.wire) > fieldBytesMax:
		return ErrFieldsFull
	}
	start := uint32(len(f.buf))
	f.buf = append(f.buf, l.wire...)
	f.at = append(f.at, fieldSpan{start, start + uint32(l.colon+len(fieldColon)), uint32(len(f.buf))})
	return nil
}

// Len is the number of fields.
func (f *Fields) Len() int { return len(f.at) }

// At returns field i in the order of adding.
func (f *Fields) At(i int) (name, value string) {
	s := f.at[i]
	return f.nameOf(s), f.valueOf(s)
}

// Get returns the first value of name, "" when there is none.
func (f *Fields) Get(name string) string {
	if i := f.index(name, 0); i >= 0 {
		_, value := f.At(i)
		return value
	}
	return ""
}

// Has says whether a field of that name is there.
func (f *Fields) Has(name string) bool { return f.index(name, 0) >= 0 }

// All iterates over the fields in order.
func (f *Fields) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := range f.at {
			if !yield(f.At(i)) {
				return
			}
		}
	}
}

// Values iterates over the values of name in order.
func (f *Fields) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := f.index(name, 0); i >= 0; i = f.index(name, i+1) {
			if _, value := f.At(i); !yield(value) {
				return
			}
		}
	}
}

// Add appends a field. White space around value is dropped.
//
// Hot path: once per response field. No allocation on a reused f: TestTextAllocs.
func (f *Fields) Add(name, value string) error {
	if isFraming(name) {
		return ErrFraming
	}
	return f.add(name, value)
}

// AddBytes is Add for bytes; both are copied.
func (f *Fields) AddBytes(name, value []byte) error { return f.Add(view(name), view(value)) }

// Set replaces all fields of that name by one.
func (f *Fields) Set(name, value string) error {
	if isFraming(name) {
		return ErrFraming
	}
	if !f.frozen && (!validName(name) || !validValue(value)) {
		return ErrField // nothing was deleted
	}
	if f.index(name, 0) >= 0 {
		if err := f.Del(name); err != nil {
			return err
		}
	}
	return f.add(name, value)
}

// Del removes all fields of that name.
func (f *Fields) Del(name string) error {
	if f.frozen {
		return ErrStarted
	}
	kept := f.at[:0]
	for _, s := range f.at {
		if equalFold(f.nameOf(s), name) {
			f.dead += int(s.end - s.name)
			continue
		}
		kept = append(kept, s)
	}
	f.at = kept
	return nil
}

// Reset empties f and keeps its memory.
func (f *Fields) Reset() {
	f.buf, f.at, f.dead, f.frozen = f.buf[:0], f.at[:0], 0, false
}

// CopyFrom makes f a copy of src; a nil src empties it.
func (f *Fields) CopyFrom(src *Fields) {
	f.Reset()
	if src == nil {
		return
	}
	f.buf = append(f.buf, src.buf...)
	f.at = append(f.at, src.at...)
	f.dead = src.dead
}

func (f *Fields) add(name, value string) error {
	if f.frozen {
		return ErrStarted
	}
	value = trimSpace(value)
	if !validName(name) || !validValue(value) {
		return ErrField
	}
	size := len(name) + len(fieldColon) + len(value) + len(fieldEnd)
	if f.dead > 0 && len(f.buf)+size > fieldBytesMax {
		f.compact()
	}
	if len(f.at) >= fieldsMax || len(f.buf)+size > fieldBytesMax {
		return ErrFieldsFull
	}
	start := uint32(len(f.buf))
	f.buf = append(append(f.buf, name...), fieldColon...)
	mid := uint32(len(f.buf))
	f.buf = append(append(f.buf, value...), fieldEnd...)
	f.at = append(f.at, fieldSpan{start, mid, uint32(len(f.buf))})
	return nil
}

// compact drops the dead bytes. It makes a new buffer, because name or value of the caller may be
// views of the old one.
func (f *Fields) compact() {
	buf := make([]byte, 0, cap(f.buf))
	for i, s := range f.at {
		start := uint32(len(buf))
		buf = append(buf, f.buf[s.name:s.end]...)
		f.at[i] = fieldSpan{start, start + s.value - s.name, uint32(len(buf))}
	}
	f.buf, f.dead = buf, 0
}

// index is the first field of that name at or after from, or -1.
func (f *Fields) index(name string, from int) int {
	for i := from; i < len(f.at); i++ {
		s := f.at[i]
		if int(s.value-s.name) == len(name)+len(fieldColon) && equalFold(f.nameOf(s), name) {
			return i
		}
	}
	return -1
}
