package http1

import (
	"bytes"
	"iter"
)

// ChunkDecoder decodes one chunked body. The zero value is ready for a request's; call Reset before
// the next body.
//
// RFC 9112 section 7.1, by the letter and stricter in one point: the "bad white space" that the
// grammar allows around ";" and "=" of an extension is an error.
type ChunkDecoder struct {
	// OfResponse makes errors those of an upstream's response, status 502. Reset keeps it.
	OfResponse bool

	state    chunkState
	digits   uint8 // of the chunk size so far
	size     int64 // chunkData: bytes of the chunk still to come
	ext      int   // extension bytes of this chunk
	extTotal int   // extension bytes of the body

	trailer head // fields of the trailer section, in buf
	buf     []byte
}

type chunkState uint8

// States: what comes next.
const (
	chunkSize chunkState = iota // a digit, or after one also ";" or CR
	chunkExtName
	chunkExtNameMore // rest of the name, "=", ";" or CR
	chunkExtValue
	chunkExtToken
	chunkExtQuoted
	chunkExtEscaped
	chunkExtAfter // ";" or CR
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	chunkTrailer   // a trailer field or the last CR
	chunkTrailerLF // the last LF
	chunkDone
)

// Reset makes d ready for another body.
func (d *ChunkDecoder) Reset() {
	d.trailer.restart()
	*d = ChunkDecoder{OfResponse: d.OfResponse, trailer: d.trailer, buf: d.buf[:0]}
}

// Done says that the body is complete: Next consumes nothing any more.
func (d *ChunkDecoder) Done() bool { return d.state == chunkDone }

// Next decodes from the start of b until it has data to return, the body ends, or b does. It
// consumed n bytes of b, data among them; data aliases b and is empty if there is none yet. Call it
// again with what follows the n bytes. n is 0 only if b is empty, the body is complete, or err is
// set.
//
// Errors are the Err values of this package; the message cannot be continued then.
//
// Hot path: per chunk. No allocation but for trailer fields: TestChunkAllocs.
func (d *ChunkDecoder) Next(b []byte) (data []byte, n int, err error) {
	for n < len(b) && d.state != chunkDone {
		switch d.state {
		case chunkData:
			data = b[n:]
			if int64(len(data)) >= d.size {
				data = data[:d.size:d.size]
				d.state = chunkDataCR
			}
			d.size -= int64(len(data))
			return data, n + len(data), nil
		case chunkTrailer:
			used, perr := d.trailerLine(b[n:])
			if perr != nil {
				return nil, 0, d.fail(perr)
			}
			n += used
		default:
			if perr := d.step(b[n]); perr != nil {
				return nil, 0, d.fail(perr)
			}
			n++
		}
	}
	return nil, n, nil
}

func (d *ChunkDecoder) fail(err *ParseError) error {
	if d.OfResponse {
		return responseError(err)
	}
	return err
}

// step takes one byte outside of chunk data and trailer fields.
func (d *ChunkDecoder) step(c byte) *ParseError {
	switch d.state {
	case chunkSize:
		return d.stepSize(c)
	case chunkSizeLF:
		if c != '\n' {
			return ErrChunkLine
		}
		d.state = chunkData
		if d.size == 0 {
			d.state = chunkTrailer
		}
	case chunkDataCR:
		if c != '\r' {
			return ErrChunkData
		}
		d.state = chunkDataLF
	case chunkDataLF:
		if c != '\n' {
			return ErrChunkData
		}
		d.state, d.digits, d.size, d.ext = chunkSize, 0, 0, 0
	case chunkTrailerLF:
		if c != '\n' {
			return ErrBareCR
		}
		d.state = chunkDone
	default:
		return d.stepExtension(c)
	}
	return nil
}

// stepSize takes one byte of chunk-size = 1*HEXDIG or the one after it.
func (d *ChunkDecoder) stepSize(c byte) *ParseError {
	if v := unhex(c); v <= 15 {
		if d.digits++; d.digits > chunkSizeDigitsMax {
			return ErrChunkSize
		}
		d.size = d.size<<4 | int64(v)
		return nil
	}
	if d.digits == 0 {
		return ErrChunkSize
	}
	return d.endExtension(c, ErrChunkSize)
}

// endExtension takes the byte after a size or a whole extension: ";" or CR.
func (d *ChunkDecoder) endExtension(c byte, otherwise *ParseError) *ParseError {
	switch c {
	case ';':
		d.state = chunkExtName
		return d.countExtension()
	case '\r':
		d.state = chunkSizeLF
		return nil
	case '\n':
		return ErrChunkLine
	}
	return otherwise
}

func (d *ChunkDecoder) countExtension() *ParseError {
	d.ext++
	d.extTotal++
	if d.ext > chunkExtBytesMax || d.extTotal > chunkExtTotalBytesMax {
		return ErrChunkExtLength
	}
	return nil
}

// stepExtension takes one byte of an extension.
//
// RFC 9112 section 7.1.1: chunk-ext = *( ";" chunk-ext-name [ "=" chunk-ext-val ] ), the name a
// token, the value a token or a quoted-string.
func (d *ChunkDecoder) stepExtension(c byte) *ParseError {
	class := classes[c]
	next := d.state
	switch {
	case d.state == chunkExtQuoted:
		switch {
		case c == '"':
			next = chunkExtAfter
		case c == '\\':
			next = chunkExtEscaped
		case class&classQuoted == 0:
			return ErrChunkExtension
		}
	case d.state == chunkExtEscaped:
		if c != '\t' && (c < ' ' || c == 0x7f) {
			return ErrChunkExtension
		}
		next = chunkExtQuoted
	case class&classToken != 0 && d.state != chunkExtAfter:
		if next == chunkExtName || next == chunkExtValue {
			next++
		}
	case c == '=' && d.state == chunkExtNameMore:
		next = chunkExtValue
	case c == '"' && d.state == chunkExtValue:
		next = chunkExtQuoted
	case d.state == chunkExtName || d.state == chunkExtValue:
		return ErrChunkExtension
	default:
		return d.endExtension(c, ErrChunkExtension)
	}
	d.state = next
	return d.countExtension()
}

// Fields in a trailer section. Those that frame, route or end at this hop contradict the head and
// are an error; those that change how a message already under way is read are dropped, as RFC 9110
// section 6.5.1 asks of a recipient that did not expect them.
var (
	trailerRefused = hopByHop | setOf(Host, ContentLength, Trailer, Expect)
	trailerDropped = setOf(XForwardedFor, XForwardedProto, XForwardedHost, Forwarded, XRealIP,
		XRequestID, Traceparent, Tracestate, Via, Range, IfMatch, IfNoneMatch, IfModifiedSince,
		IfUnmodifiedSince, IfRange, Authorization, Cookie, ContentType, ContentEncoding,
		ContentRange, CacheControl, Pragma, Date, SetCookie, Location, Vary, Age, Expires,
		RetryAfter, WWWAuthenticate)
)

// trailerLine takes bytes of the trailer section up to the end of a line.
func (d *ChunkDecoder) trailerLine(b []byte) (n int, err *ParseError) {
	if len(d.buf) == 0 && b[0] == '\r' {
		d.state = chunkTrailerLF
		return 1, nil
	}
	n = len(b)
	lf := bytes.IndexByte(b, '\n')
	if lf >= 0 {
		n = lf + 1
	}
	if len(d.buf)+n > trailerBytesMax {
		return 0, ErrTrailerLength
	}
	d.buf = append(d.buf, b[:n]...)
	if lf < 0 {
		return n, nil
	}
	end, err := d.trailer.fieldLines(d.buf, trailerFieldsMax)
	if err != nil {
		return 0, err
	}
	if d.trailer.present&trailerRefused != 0 {
		return 0, ErrTrailer
	}
	if end > 0 {
		d.trailer.b = d.buf
		d.state = chunkDone
	}
	return n, nil
}

// Trailers iterates over the trailer fields of a complete body, without the dropped ones. The
// slices are valid until Reset.
func (d *ChunkDecoder) Trailers() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		if d.state != chunkDone {
			return
		}
		for i := range d.trailer.fields {
			if trailerDropped.has(d.trailer.fields[i].known) {
				continue
			}
			if !yield(d.trailer.FieldName(i), d.trailer.FieldValue(i)) {
				return
			}
		}
	}
}
