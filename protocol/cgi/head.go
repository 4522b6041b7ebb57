package cgi

import (
	"bytes"
	"errors"
)

const crlf = "\r\n"

// Errors of AppendHead.
var (
	ErrLine   = errors.New("cgi: head: a line is no field")
	ErrEmpty  = errors.New("cgi: head: no field")
	ErrStatus = errors.New("cgi: head: Status is not three digits, 200 to 999, or is there twice")
)

// HeadEnd is the length of the head at the start of b, its empty line included; 0 if that has not come
// yet. The first from bytes have been looked at before.
func HeadEnd(b []byte, from int) int {
	at := max(from-2, 0)
	if from <= 2 { // an empty first line ends an empty head
		switch {
		case len(b) > 0 && b[0] == '\n':
			return 1
		case len(b) > 1 && b[0] == '\r' && b[1] == '\n':
			return 2
		}
	}
	for {
		n := bytes.IndexByte(b[at:], '\n')
		if n < 0 {
			return 0
		}
		at += n + 1
		switch {
		case at < len(b) && b[at] == '\n':
			return at + 1
		case at+1 < len(b) && b[at] == '\r' && b[at+1] == '\n':
			return at + 2
		}
	}
}

// AppendHead appends the HTTP/1.1 response head that head, as HeadEnd has found it, means: the status
// is that of Status, else 302 where there is a Location, else 200. Fields that concern a connection or
// how a body is framed on it are left out, since there is none. On error dst is returned as it was.
//
// Fields go over as they are; Response.Parse of package http1 holds them to what it takes.
func AppendHead(dst, head []byte) ([]byte, error) {
	base := len(dst)
	dst = append(dst, "HTTP/1.1 200 \r\n"...)
	status, fields, moved := 0, 0, false
	for len(head) > 0 {
		var field []byte
		field, head = cutLine(head)
		if len(field) == 0 {
			break
		}
		colon := bytes.IndexByte(field, ':')
		if colon <= 0 {
			return dst[:base], ErrLine
		}
		fields++
		switch name := field[:colon]; {
		case foldIs(name, "status"):
			n := statusOf(field[colon+1:])
			if n == 0 || status != 0 {
				return dst[:base], ErrStatus
			}
			status = n
			continue
		case ofConnection(name):
			continue
		case foldIs(name, "location"):
			moved = true
		}
		dst = append(append(dst, field...), crlf...)
	}
	switch {
	case fields == 0:
		return dst[:base], ErrEmpty
	case status == 0 && moved:
		status = 302
	case status == 0:
		status = 200
	}
	digits := dst[base+len("HTTP/1.1 "):]
	digits[0], digits[1], digits[2] = byte('0'+status/100), byte('0'+status/10%10), byte('0'+status%10)
	return append(dst, crlf...), nil
}

// cutLine takes a line, without its end, off b.
func cutLine(b []byte) (line, rest []byte) {
	n := bytes.IndexByte(b, '\n')
	if n < 0 {
		return b, nil
	}
	return bytes.TrimSuffix(b[:n], []byte("\r")), b[n+1:]
}

// statusOf reads "404 Not Found"; 0: it is none.
func statusOf(v []byte) (status int) {
	v = bytes.Trim(v, " \t")
	if len(v) < 3 || len(v) > 3 && v[3] != ' ' {
		return 0
	}
	for _, c := range v[:3] {
		if c < '0' || c > '9' {
			return 0
		}
		status = 10*status + int(c-'0')
	}
	if status < 200 {
		return 0
	}
	return status
}

// ofConnection reports fields that have a meaning between two ends of a connection only.
func ofConnection(name []byte) bool {
	for _, s := range [...]string{
		"connection", "transfer-encoding", "keep-alive", "upgrade", "te", "trailer", "proxy-connection",
	} {
		if foldIs(name, s) {
			return true
		}
	}
	return false
}

// foldIs compares with a lower-case word.
func foldIs[T string | []byte](b T, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range len(b) {
		c := b[i]
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
