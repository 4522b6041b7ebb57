package frame

import "encoding/binary"

var magic = [4]byte{'W', 'E', 'I', 'R'}

// Greeting is a HELLO.
type Greeting struct {
	Min, Max uint8
	Window   uint32 // bytes of body that the sender takes per stream before it gives credit
	Slots    uint32 // requests that a worker handles at once; 0: it does not say
}

// AppendHello appends the HELLO of this implementation.
func AppendHello(dst []byte, slots uint32) []byte {
	dst = AppendHeader(dst, Hello, false, 0, helloSize)
	dst = append(append(dst, magic[:]...), Version, Version, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, Window)
	return binary.LittleEndian.AppendUint32(dst, slots)
}

// ParseHello reads a HELLO's payload.
func ParseHello(b []byte) (g Greeting, err error) {
	if len(b) != helloSize || [4]byte(b) != magic {
		return g, ErrMagic
	}
	g = Greeting{Min: b[4], Max: b[5], Window: binary.LittleEndian.Uint32(b[8:]),
		Slots: binary.LittleEndian.Uint32(b[12:])}
	if g.Min > Version || g.Max < Version || g.Min > g.Max {
		return Greeting{}, ErrVersion
	}
	if g.Window < EarlyWindow || g.Window > WindowMax {
		return Greeting{}, ErrCredit
	}
	return g, nil
}

// Code is why a stream is cancelled.
type Code uint8

// Codes of CANCEL.
const (
	Over    Code = 1 // the exchange is over for the sender
	Refused Code = 2 // the request was not begun
)

// AppendCancel appends a CANCEL.
func AppendCancel(dst []byte, stream uint32, c Code) []byte {
	return append(AppendHeader(dst, Cancel, true, stream, 1), byte(c))
}

// ParseCancel reads a CANCEL's payload. Codes that are not known count as Over.
func ParseCancel(b []byte) Code {
	if len(b) == 1 && Code(b[0]) == Refused {
		return Refused
	}
	return Over
}

// AppendCredit appends a CREDIT of n bytes.
func AppendCredit(dst []byte, stream, n uint32) []byte {
	return binary.LittleEndian.AppendUint32(AppendHeader(dst, Credit, false, stream, 4), n)
}

// ParseCredit reads a CREDIT's payload.
func ParseCredit(b []byte) (n uint32, err error) {
	if len(b) != 4 {
		return 0, ErrLength
	}
	if n = binary.LittleEndian.Uint32(b); n == 0 || n > WindowMax {
		return 0, ErrCredit
	}
	return n, nil
}

// AppendPing and AppendPong append a PING and its answer.
func AppendPing(dst []byte, n uint64) []byte {
	return binary.LittleEndian.AppendUint64(AppendHeader(dst, Ping, false, 0, 8), n)
}

// AppendPong answers the PING with number n.
func AppendPong(dst []byte, n uint64) []byte {
	return binary.LittleEndian.AppendUint64(AppendHeader(dst, Pong, false, 0, 8), n)
}

// ParseNumber reads the payload of a PING or PONG.
func ParseNumber(b []byte) (n uint64, err error) {
	if len(b) != 8 {
		return 0, ErrLength
	}
	return binary.LittleEndian.Uint64(b), nil
}

// AppendDrain appends a DRAIN: streams after last are not begun.
func AppendDrain(dst []byte, last uint32) []byte {
	return binary.LittleEndian.AppendUint32(AppendHeader(dst, Drain, false, 0, 4), last)
}

// ParseDrain reads a DRAIN's payload.
func ParseDrain(b []byte) (last uint32, err error) {
	if len(b) != 4 {
		return 0, ErrLength
	}
	return binary.LittleEndian.Uint32(b), nil
}
