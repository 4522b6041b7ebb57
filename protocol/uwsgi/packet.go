// Package uwsgi is the request packet of the uwsgi protocol, as a web server sends it. The body of the
// request follows the packet; the answer is an HTTP response that ends with the connection.
//
//	packet = modifier1(1)=0 size(2) modifier2(1)=0 variables(size)
//	variable = length(2) name length(2) value
//
// Integers are little-endian. It is pure and does not allocate.
package uwsgi

import (
	"encoding/binary"
	"errors"
)

// HeaderSize is the size of a packet's header.
const HeaderSize = 4

// SizeMax is the most that all variables of a packet take.
const SizeMax = 1<<16 - 1

// ErrSize: the variables do not fit into a packet.
var ErrSize = errors.New("uwsgi: packet: variables too large")

// Open begins a packet at the end of dst.
func Open(dst []byte) []byte { return append(dst, 0, 0, 0, 0) }

// Variable begins a variable, whose name and value of these lengths, each below 64 KiB, are to be
// appended around the result of Value.
func Variable(dst []byte, name int) []byte { return appendLength(dst, name) }

// Value follows a variable's name; its value is to be appended next.
func Value(dst []byte, value int) []byte { return appendLength(dst, value) }

// Close ends the packet that was opened at dst[at:]. ErrSize: nothing of it may be sent.
func Close(dst []byte, at int) ([]byte, error) {
	size := len(dst) - at - HeaderSize
	if size > SizeMax {
		return dst, ErrSize
	}
	binary.LittleEndian.PutUint16(dst[at+1:], uint16(size))
	return dst, nil
}

// appendLength appends a length. One that is too large makes the packet too large as well.
func appendLength(dst []byte, n int) []byte { return binary.LittleEndian.AppendUint16(dst, uint16(n)) }
