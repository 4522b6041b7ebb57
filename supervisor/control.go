package supervisor

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Message is one message of a control channel: a kind, and a body that the kind defines.
type Message struct {
	Kind string
	Body json.RawMessage // JSON; may be empty
}

// NewMessage is a message whose body is the JSON form of v.
func NewMessage(kind string, v any) (Message, error) {
	if v == nil {
		return Message{Kind: kind}, nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return Message{}, fmt.Errorf("supervisor: control: %s: %w", kind, err)
	}
	return Message{Kind: kind, Body: b}, nil
}

// Decode stores the body in v.
func (m *Message) Decode(v any) error {
	if err := json.Unmarshal(m.Body, v); err != nil {
		return fmt.Errorf("supervisor: control: %s: %w", m.Kind, err)
	}
	return nil
}

// envelope is the packet: the body is inline, or in a file which is the packet's last descriptor.
type envelope struct {
	Kind   string          `json:"k"`
	Body   json.RawMessage `json:"b,omitempty"`
	InFile int             `json:"n,omitempty"` // bytes of the body in the file
}

// ControlConn is one end of a control channel: messages with descriptors over a Unix socket pair,
// SOCK_SEQPACKET where the system has it (the kernel keeps boundaries), else a stream on which each
// packet follows its length (4 bytes, big-endian).
//
// Send may be called from any goroutine, Recv from one at a time. A body over controlInlineMax travels
// in a sealed file, so that no message depends on a socket buffer's size.
type ControlConn struct {
	c      *net.UnixConn
	stream bool
	wmu    sync.Mutex // one packet at a time
	buf    []byte     // Recv's; valid during Recv
	oob    []byte
}

// ErrControlProtocol is wrapped by errors about a peer that does not keep to the protocol.
var ErrControlProtocol = errors.New("control channel: protocol error")

// ControlPair makes a channel: our end, and the other as a file for a child process to inherit.
func ControlPair() (*ControlConn, *os.File, error) {
	ours, theirs, err := socketPair(controlSocketType)
	if err != nil {
		return nil, nil, fmt.Errorf("supervisor: control: %w", os.NewSyscallError("socketpair", err))
	}
	c, err := NewControlConn(ours)
	if err != nil {
		_ = unix.Close(theirs) // err is what matters
		return nil, nil, err
	}
	return c, os.NewFile(uintptr(theirs), "weir-control"), nil
}

// NewControlConn is the channel whose end is fd. It takes fd, also when it fails.
func NewControlConn(fd int) (*ControlConn, error) { return newControlConn(fd, controlPacketMax) }

// newControlConn is NewControlConn for packets of at most packetMax bytes.
func newControlConn(fd, packetMax int) (*ControlConn, error) {
	f := os.NewFile(uintptr(fd), "weir-control")
	if f == nil {
		return nil, fmt.Errorf("supervisor: control: fd %d: %w", fd, unix.EBADF)
	}
	defer f.Close() // FileConn holds a duplicate
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("supervisor: control: fd %d: %w", fd, err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close() // not ours to use
		return nil, fmt.Errorf("supervisor: control: fd %d is not a Unix socket", fd)
	}
	return &ControlConn{
		c: u, stream: controlSocketType == unix.SOCK_STREAM,
		buf: make([]byte, packetMax),
		oob: make([]byte, unix.CmsgSpace((controlFDsMax+1)*4)),
	}, nil
}

// Send sends m with copies of fds, which stay the caller's. It blocks while the peer does not read,
// until the write deadline: then the error wraps os.ErrDeadlineExceeded and the channel is unusable.
func (c *ControlConn) Send(m *Message, fds []int) error {
	if len(fds) > controlFDsMax {
		return fmt.Errorf("supervisor: control: %s: %d descriptors, more than %d", m.Kind, len(fds),
			controlFDsMax)
	}
	env := envelope{Kind: m.Kind, Body: m.Body}
	if len(m.Body) > controlInlineMax {
		f, err := payloadFile(m)
		if err != nil {
			return err
		}
		defer f.Close()
		env.Body, env.InFile = nil, len(m.Body)
		fds = append(fds[:len(fds):len(fds)], int(f.Fd()))
	}
	packet, err := json.Marshal(&env)
	if err != nil {
		return fmt.Errorf("supervisor: control: %s: %w", m.Kind, err)
	}
	if err := c.write(packet, fds); err != nil {
		return fmt.Errorf("supervisor: control: send %s: %w", m.Kind, err)
	}
	return nil
}

func (c *ControlConn) write(packet []byte, fds []int) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.stream {
		packet = append(binary.BigEndian.AppendUint32(nil, uint32(len(packet))), packet...)
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	n, _, err := c.c.WriteMsgUnix(packet, oob, nil)
	if err == nil && n < len(packet) { // streams only
		_, err = c.c.Write(packet[n:])
	}
	return err
}

func payloadFile(m *Message) (*os.File, error) {
	if len(m.Body) > controlPayloadMax {
		return nil, fmt.Errorf("supervisor: control: %s: %d bytes, more than %d", m.Kind, len(m.Body),
			controlPayloadMax)
	}
	f, err := newSharedFile("weir-message", len(m.Body), false)
	if err != nil {
		return nil, fmt.Errorf("supervisor: control: %s: %w", m.Kind, err)
	}
	if _, err = f.WriteAt(m.Body, 0); err == nil {
		err = sealContent(f)
	}
	if err != nil {
		_ = f.Close() // reported below
		return nil, fmt.Errorf("supervisor: control: %s: %w", m.Kind, err)
	}
	return f, nil
}

// Recv waits for the next message. The descriptors are the caller's, close-on-exec. After the peer
// closed its end it returns io.EOF; after a protocol error the channel is unusable.
func (c *ControlConn) Recv() (Message, []int, error) {
	packet, fds, err := c.read()
	if err != nil {
		closeFDs(fds)
		return Message{}, nil, err
	}
	var env envelope
	if err := json.Unmarshal(packet, &env); err != nil || env.Kind == "" {
		closeFDs(fds)
		return Message{}, nil, fmt.Errorf("supervisor: %w: bad envelope", ErrControlProtocol)
	}
	if env.InFile == 0 {
		return Message{Kind: env.Kind, Body: env.Body}, fds, nil
	}
	if len(fds) == 0 || env.InFile < 0 || env.InFile > controlPayloadMax {
		closeFDs(fds)
		return Message{}, nil, fmt.Errorf("supervisor: %w: %s: bad payload", ErrControlProtocol, env.Kind)
	}
	last := len(fds) - 1
	body, err := readPayload(fds[last], env.InFile)
	if err != nil {
		closeFDs(fds[:last])
		return Message{}, nil, fmt.Errorf("supervisor: %w: %s: %w", ErrControlProtocol, env.Kind, err)
	}
	return Message{Kind: env.Kind, Body: body}, fds[:last], nil
}

// readPayload copies rather than maps: the peer's file may shrink under a mapping. It takes fd.
func readPayload(fd, size int) ([]byte, error) {
	f := os.NewFile(uintptr(fd), "weir-message")
	defer f.Close()
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < size {
		return nil, fmt.Errorf("payload: %d of %d bytes: %w", n, size, err)
	}
	return b, nil
}

// read is one packet, valid until the next read, and its descriptors.
func (c *ControlConn) read() (packet []byte, fds []int, err error) {
	dst := c.buf
	if c.stream {
		dst = c.buf[:4]
	}
	n, oobn, flags, _, err := c.c.ReadMsgUnix(dst, c.oob)
	if oobn > 0 {
		fds, err = parseRights(c.oob[:oobn], err)
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil, fds, io.EOF // without the address of an unnamed socket
	case err != nil:
		return nil, fds, err
	case n == 0:
		return nil, fds, io.EOF
	case flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
		return nil, fds, fmt.Errorf("supervisor: %w: packet too large", ErrControlProtocol)
	}
	if c.stream {
		packet, err = c.readFrame(n)
		return packet, fds, err
	}
	return c.buf[:n], fds, nil
}

// readFrame reads the rest of a frame of which n <= 4 bytes of the length are in buf.
func (c *ControlConn) readFrame(n int) ([]byte, error) {
	if _, err := io.ReadFull(c.c, c.buf[n:4]); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(c.buf))
	if size > len(c.buf) {
		return nil, fmt.Errorf("supervisor: %w: packet too large", ErrControlProtocol)
	}
	_, err := io.ReadFull(c.c, c.buf[:size])
	return c.buf[:size], err
}

// SetWriteDeadline bounds Sends that wait for the peer to read; the zero time removes the bound.
func (c *ControlConn) SetWriteDeadline(t time.Time) error { return c.c.SetWriteDeadline(t) }

// Close closes the channel; a blocked Recv returns an error that wraps net.ErrClosed.
func (c *ControlConn) Close() error { return c.c.Close() }

// parseRights is every descriptor in oob, also those that arrived with an error.
func parseRights(oob []byte, err error) ([]int, error) {
	scms, perr := unix.ParseSocketControlMessage(oob)
	if perr != nil {
		return nil, errors.Join(err, perr)
	}
	var fds []int
	for i := range scms {
		got, rerr := unix.ParseUnixRights(&scms[i])
		if rerr != nil {
			continue // another kind of control message
		}
		fds = append(fds, got...)
	}
	return fds, err
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd) // given up; nothing can be done about an error
	}
}
