package fastcgi

import (
	"encoding/binary"
	"errors"
)

// HeaderSize is the size of a record's header.
const HeaderSize = 8

// ContentMax is the longest content of a record.
const ContentMax = 1<<16 - 1

// BeginSize is how many bytes AppendBegin appends.
const BeginSize = HeaderSize + beginBytes

const (
	version    = 1
	requestID  = 1
	beginBytes = 8
	endBytes   = 8

	roleResponder = 1
	flagKeepConn  = 1
)

// Types of records.
const (
	typeBegin  = 1
	typeEnd    = 3
	typeParams = 4
	typeStdin  = 5
	typeStdout = 6
	typeStderr = 7
)

// ErrPairSize: a name and its value do not fit into a record together.
var ErrPairSize = errors.New("fastcgi: name-value pair: too large for a record")

func appendHeader(dst []byte, kind byte, length int) []byte {
	return append(dst, version, kind, 0, requestID, byte(length>>8), byte(length), 0, 0)
}

// AppendBegin appends the BEGIN_REQUEST of a request to a responder, which is to keep the connection open.
func AppendBegin(dst []byte) []byte {
	dst = appendHeader(dst, typeBegin, beginBytes)
	return append(dst, 0, roleResponder, flagKeepConn, 0, 0, 0, 0, 0)
}

// AppendStdin appends the header of a STDIN record with n bytes, 1 to ContentMax, which follow it; with 0
// it is the record that ends the stream.
func AppendStdin(dst []byte, n int) []byte { return appendHeader(dst, typeStdin, n) }

// Params writes the PARAMS stream. No pair lies in two records, because some programs, php-fpm among them,
// read each record by itself. The zero value is ready.
//
//	dst = p.Open(dst)
//	dst = append(append(p.Pair(dst, len(name), len(value)), name...), value...)
//	dst, err = p.Close(dst)
type Params struct {
	at    int // of the header of the record that is open
	large bool
}

// Open begins the stream.
func (p *Params) Open(dst []byte) []byte {
	p.at, p.large = len(dst), false
	return appendHeader(dst, typeParams, 0)
}

// Pair begins a pair, whose name and value of these lengths are to be appended next.
func (p *Params) Pair(dst []byte, name, value int) []byte {
	size := lengthSize(name) + lengthSize(value) + name + value
	if size > ContentMax {
		p.large = true
		return dst
	}
	if len(dst)-p.at-HeaderSize+size > ContentMax {
		p.end(dst)
		p.at = len(dst)
		dst = appendHeader(dst, typeParams, 0)
	}
	return appendLength(appendLength(dst, name), value)
}

// Close ends the stream. ErrPairSize: one of the pairs was too large; nothing of dst may be sent.
func (p *Params) Close(dst []byte) ([]byte, error) {
	if p.large {
		return dst, ErrPairSize
	}
	if len(dst) == p.at+HeaderSize {
		return dst, nil // it is the empty record
	}
	p.end(dst)
	return appendHeader(dst, typeParams, 0), nil
}

// end writes the length of the record that is open.
func (p *Params) end(dst []byte) {
	if p.large {
		return // bytes without a pair's head are in it
	}
	binary.BigEndian.PutUint16(dst[p.at+4:], uint16(len(dst)-p.at-HeaderSize))
}

// lengthSize is how many bytes the length n of a name or value takes.
func lengthSize(n int) int {
	if n < 1<<7 {
		return 1
	}
	return 4
}

func appendLength(dst []byte, n int) []byte {
	if n < 1<<7 {
		return append(dst, byte(n))
	}
	return binary.BigEndian.AppendUint32(dst, 1<<31|uint32(n))
}
