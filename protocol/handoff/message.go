package handoff

import (
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"time"
)

// Kind is what a message is.
type Kind uint8

// Kinds; the package comment has their bodies.
const (
	Hello Kind = iota + 1
	Connection
	Closed
	Recall
	Drain
	kindEnd
)

// Flags of CONNECTION.
const (
	FlagTrusted = 1 << iota
	FlagHTTPS
	FlagKeep
	FlagLast
	connectionFlags = 1<<iota - 1
)

// FlagEnding of DRAIN: the front itself ends.
const FlagEnding = 1

// Errors of Parse and of Append.
var (
	ErrVersion = errors.New("handoff: version that is not spoken here")
	ErrKind    = errors.New("handoff: unknown kind")
	ErrFlags   = errors.New("handoff: unknown flag")
	ErrLength  = errors.New("handoff: message of a wrong length")
	ErrID      = errors.New("handoff: id where none belongs, or none")
	ErrPeer    = errors.New("handoff: unknown address family")
	ErrText    = errors.New("handoff: list of paths not ended by NUL")
	ErrTooLong = errors.New("handoff: more than a message holds")
	ErrOrder   = errors.New("handoff: message that cannot come now")
)

// Unlimited is the value of a limit that is no bound.
const Unlimited = -1

// Limits are what the route allows a request; Unlimited: no bound.
type Limits struct {
	Line, Head, Fields int
	Body               int64
}

// None is the value of a clock that is off, and of a FIN that changes nothing.
const None = time.Duration(-1)

// Clocks are those of the client's connection, in whole milliseconds.
type Clocks struct {
	Header    time.Duration // None: no bound, as with the others
	Keepalive time.Duration
	HalfClose time.Duration // 0: a FIN cancels at once
	Grace     time.Duration
	Rate      int // bytes per second; Unlimited: no bound
}

// Message is one message. What does not belong to its kind is zero. Byte slices of a parsed message
// alias the packet.
type Message struct {
	Kind  Kind
	Flags uint16
	ID    uint64

	Min, Max uint8  // HELLO
	Slots    uint32 // HELLO

	Requests, Errors uint32 // CLOSED, CONNECTION

	Peer   netip.AddrPort // CONNECTION, as the rest; not valid for a Unix socket
	Limits Limits
	Clocks Clocks
	Local  []byte
	Prefix []byte
	Others []byte // paths, each ended by a NUL
	Bytes  []byte
}

// Append appends m to dst. ErrTooLong: a part of it is longer than the format allows; dst is returned
// as it was.
//
// Hot path: once per hand-off. No allocation: TestAllocs.
func Append(dst []byte, m *Message) ([]byte, error) {
	if len(m.Local) > LocalMax || len(m.Prefix) > PrefixMax || len(m.Others) > OthersMax ||
		len(m.Bytes) > BytesMax {
		return dst, ErrTooLong
	}
	le := binary.LittleEndian
	dst = append(dst, VersionMax, byte(m.Kind))
	dst = le.AppendUint16(dst, m.Flags)
	dst = le.AppendUint64(dst, m.ID)
	switch m.Kind {
	case Hello:
		dst = append(dst, m.Min, m.Max, 0, 0)
		dst = le.AppendUint32(dst, m.Slots)
	case Closed:
		dst = le.AppendUint32(dst, m.Requests)
		dst = le.AppendUint32(dst, m.Errors)
	case Connection:
		dst = appendConnection(dst, m)
	}
	return dst, nil
}

func appendConnection(dst []byte, m *Message) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, m.Requests)
	dst = le.AppendUint32(dst, m.Errors)
	var family byte
	var address [16]byte
	switch a := m.Peer.Addr().Unmap(); {
	case a.Is4():
		family = 4
		v4 := a.As4()
		copy(address[:], v4[:])
	case a.Is6():
		family, address = 6, a.As16()
	}
	dst = append(dst, family, 0)
	dst = le.AppendUint16(dst, m.Peer.Port())
	dst = append(dst, address[:]...)
	l := &m.Limits
	dst = le.AppendUint32(dst, uint32(l.Line))
	dst = le.AppendUint32(dst, uint32(l.Head))
	dst = le.AppendUint32(dst, uint32(l.Fields))
	dst = le.AppendUint64(dst, uint64(l.Body))
	for _, d := range [...]time.Duration{m.Clocks.Header, m.Clocks.Keepalive, m.Clocks.HalfClose,
		m.Clocks.Grace} {
		dst = le.AppendUint32(dst, millisOf(d))
	}
	dst = le.AppendUint32(dst, uint32(m.Clocks.Rate))
	dst = le.AppendUint16(dst, uint16(len(m.Local)))
	dst = le.AppendUint16(dst, uint16(len(m.Prefix)))
	dst = le.AppendUint16(dst, uint16(len(m.Others)))
	dst = le.AppendUint32(dst, uint32(len(m.Bytes)))
	dst = append(append(dst, m.Local...), m.Prefix...)
	return append(append(dst, m.Others...), m.Bytes...)
}

// Parse reads the message that b is into m.
//
// Hot path: once per hand-off. No allocation: TestAllocs.
func Parse(b []byte, m *Message) error {
	*m = Message{}
	le := binary.LittleEndian
	if len(b) < HeaderSize || len(b) > MessageMax {
		return ErrLength
	}
	if b[0] < VersionMin || b[0] > VersionMax {
		return ErrVersion
	}
	kind, flags, id := Kind(b[1]), le.Uint16(b[2:]), le.Uint64(b[4:])
	if kind == 0 || kind >= kindEnd {
		return ErrKind
	}
	r := &rules[kind]
	body := b[HeaderSize:]
	switch {
	case flags&^r.flags != 0:
		return ErrFlags
	case r.named != (id != 0):
		return ErrID
	case len(body) < r.size || kind != Connection && len(body) > r.size:
		return ErrLength
	}
	m.Kind, m.Flags, m.ID = kind, flags, id
	switch kind {
	case Hello:
		m.Min, m.Max, m.Slots = body[0], body[1], le.Uint32(body[4:])
	case Closed:
		m.Requests, m.Errors = le.Uint32(body), le.Uint32(body[4:])
	case Connection:
		return m.connection(body)
	}
	return nil
}

// rules say which flags a kind has, whether it names a connection, and how long its body is at least.
var rules = [kindEnd]struct {
	flags uint16
	named bool
	size  int
}{
	Hello:      {0, false, helloSize},
	Connection: {connectionFlags, true, connectionSize},
	Closed:     {0, true, closedSize},
	Recall:     {0, false, 0},
	Drain:      {FlagEnding, false, 0},
}

// connection reads the body of a CONNECTION.
func (m *Message) connection(b []byte) error {
	le := binary.LittleEndian
	m.Requests, m.Errors = le.Uint32(b), le.Uint32(b[4:])
	port, address := le.Uint16(b[10:]), b[12:28]
	switch b[8] {
	case 0:
	case 4:
		m.Peer = netip.AddrPortFrom(netip.AddrFrom4([4]byte(address)), port)
	case 6:
		m.Peer = netip.AddrPortFrom(netip.AddrFrom16([16]byte(address)), port)
	default:
		return ErrPeer
	}
	m.Limits = Limits{
		Line: limitOf(le.Uint32(b[28:])), Head: limitOf(le.Uint32(b[32:])),
		Fields: limitOf(le.Uint32(b[36:])), Body: max(int64(le.Uint64(b[40:])), Unlimited),
	}
	m.Clocks = Clocks{
		Header: clockOf(le.Uint32(b[48:])), Keepalive: clockOf(le.Uint32(b[52:])),
		HalfClose: clockOf(le.Uint32(b[56:])), Grace: clockOf(le.Uint32(b[60:])),
		Rate: limitOf(le.Uint32(b[64:])),
	}
	b = b[48+20:]
	local, prefix, others := int(le.Uint16(b)), int(le.Uint16(b[2:])), int(le.Uint16(b[4:]))
	bytes := le.Uint32(b[6:])
	b = b[10:]
	switch {
	case local > LocalMax || prefix > PrefixMax || others > OthersMax || bytes > BytesMax,
		local+prefix+others+int(bytes) != len(b):
		return ErrLength
	}
	m.Local, b = b[:local:local], b[local:]
	m.Prefix, b = b[:prefix:prefix], b[prefix:]
	m.Others, m.Bytes = b[:others:others], b[others:]
	if others > 0 && m.Others[others-1] != 0 {
		return ErrText
	}
	return nil
}

// limitOf is a limit of four bytes; those that no int32 holds are no bound.
func limitOf(v uint32) int { return int(max(int32(v), Unlimited)) }

// millisOf is how a clock is sent, rounded up. One that is longer than can be said is off.
func millisOf(d time.Duration) uint32 {
	if d < 0 || d >= math.MaxUint32*time.Millisecond {
		return math.MaxUint32
	}
	return uint32((d + time.Millisecond - 1) / time.Millisecond)
}

func clockOf(ms uint32) time.Duration {
	if ms == math.MaxUint32 {
		return None
	}
	return time.Duration(ms) * time.Millisecond
}
