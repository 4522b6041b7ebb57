package fastcgi

import (
	"encoding/binary"
	"errors"
)

// Errors of a Decoder.
var (
	ErrVersion = errors.New("fastcgi: record: not version 1")
	ErrRequest = errors.New("fastcgi: record: of a request that does not exist")
	ErrEnd     = errors.New("fastcgi: END_REQUEST: not 8 bytes")
)

// Kind is what a Piece is.
type Kind uint8

// Kinds of pieces.
const (
	More   Kind = iota // nothing: more bytes are needed
	Stdout             // bytes of the answer
	Stderr             // bytes for the log
	End                // END_REQUEST
)

// Status is the protocolStatus of an END_REQUEST.
type Status uint8

// Statuses.
const (
	Complete     Status = iota // FCGI_REQUEST_COMPLETE
	CannotMux                  // FCGI_CANT_MPX_CONN
	Overloaded                 // FCGI_OVERLOADED: not begun
	UnknownRole                // FCGI_UNKNOWN_ROLE
	statusBeyond               // any other
)

// Piece is what Decoder.Next has found.
type Piece struct {
	Kind    Kind
	Content []byte // of Stdout and Stderr: a view of Next's b, not empty
	Status  Status // of End
	App     uint32 // of End: the exit status of the program, where it has one
}

// Decoder reads the records of a program. The zero value is ready for a request; after End it is ready for
// the next.
type Decoder struct {
	kind byte   // of the record whose content goes on
	left uint16 // of its content
	pad  uint8  // behind that
}

// Next takes the next piece off the start of b and returns how many bytes that was. With Kind More, what
// lies behind the n bytes is to come again, with more behind it: at most a header, or an END_REQUEST. An
// error ends the connection.
func (d *Decoder) Next(b []byte) (p Piece, n int, err error) {
	for {
		rest := b[n:]
		switch {
		case d.left > 0:
			if len(rest) == 0 {
				return Piece{}, n, nil
			}
			k := min(int(d.left), len(rest))
			d.left -= uint16(k)
			n += k
			switch d.kind {
			case typeStdout:
				return Piece{Kind: Stdout, Content: rest[:k]}, n, nil
			case typeStderr:
				return Piece{Kind: Stderr, Content: rest[:k]}, n, nil
			}
		case d.pad > 0:
			k := min(int(d.pad), len(rest))
			if k == 0 {
				return Piece{}, n, nil
			}
			d.pad -= uint8(k)
			n += k
		default:
			used, end, err := d.header(rest)
			switch {
			case err != nil:
				return Piece{}, n, err
			case used == 0:
				return Piece{}, n, nil
			case end != nil:
				return Piece{Kind: End, Status: statusOf(end[4]), App: binary.BigEndian.Uint32(end)}, n + used, nil
			}
			n += used
		}
	}
}

// header takes a header at the start of b, or a whole END_REQUEST, whose content is end. 0: b is too short.
func (d *Decoder) header(b []byte) (n int, end []byte, err error) {
	if len(b) > 0 && b[0] != version {
		return 0, nil, ErrVersion
	}
	if len(b) < HeaderSize {
		return 0, nil, nil
	}
	id, length := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint16(b[4:])
	switch {
	case id == 0:
		d.kind = 0 // about the connection
	case id != requestID:
		return 0, nil, ErrRequest
	case b[1] == typeEnd && length != endBytes:
		return 0, nil, ErrEnd
	case b[1] == typeEnd:
		n = HeaderSize + endBytes + int(b[6])
		if len(b) < n {
			return 0, nil, nil
		}
		return n, b[HeaderSize : HeaderSize+endBytes], nil
	default:
		d.kind = b[1]
	}
	d.left, d.pad = length, b[6]
	return HeaderSize, nil, nil
}

func statusOf(b byte) Status { return Status(min(b, byte(statusBeyond))) }

// Rest looks ahead: b is what follows the last piece. whole says that the request ends within b, in order;
// stdout is the bytes of the answer until there, behind those that follow.
func (d Decoder) Rest(b []byte) (stdout, behind int, whole bool) {
	for {
		p, n, err := d.Next(b)
		if err != nil {
			return 0, 0, false
		}
		b = b[n:]
		switch p.Kind {
		case More:
			return 0, 0, false
		case Stdout:
			stdout += len(p.Content)
		case End:
			return stdout, len(b), p.Status == Complete
		}
	}
}
