package http1

import "time"

// DateCache holds the Date field line of one second. The zero value is ready; it belongs to one
// goroutine, a loop.
type DateCache struct {
	second int64
	filled bool
	line   [len("Date: ") + len(dateFormat) + len(CRLF)]byte
}

// dateFormat is IMF-fixdate. RFC 9110 section 5.6.7.
const dateFormat = "Mon, 02 Jan 2006 15:04:05 GMT"

// Append appends the whole Date field line, CRLF included, for the Unix time now in seconds. It
// formats only when the second changed.
//
// Hot path: once per response. No allocation: TestEncodeAllocs.
func (d *DateCache) Append(dst []byte, now int64) []byte {
	if now != d.second || !d.filled {
		d.fill(now)
	}
	return append(dst, d.line[:]...)
}

// Value is the date alone, valid until the next call.
func (d *DateCache) Value(now int64) []byte {
	if now != d.second || !d.filled {
		d.fill(now)
	}
	return d.line[len("Date: ") : len(d.line)-len(CRLF)]
}

func (d *DateCache) fill(now int64) {
	line := append(d.line[:0], "Date: "...)
	line = time.Unix(now, 0).UTC().AppendFormat(line, dateFormat)
	_ = append(line, CRLF...) // in place: the line has room for exactly this
	d.second, d.filled = now, true
}
