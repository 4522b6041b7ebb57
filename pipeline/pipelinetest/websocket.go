package pipelinetest

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for it
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Opcodes of WebSocket frames. RFC 6455 section 5.2.
const (
	WebSocketText   = 1
	WebSocketBinary = 2
	WebSocketClose  = 8
)

// WebSocket is one end of a WebSocket, enough of it for tests: whole messages in single frames.
type WebSocket struct {
	net.Conn
	r      *bufio.Reader
	client bool // masks what it sends
}

// ErrWebSocket is a peer that does not keep to RFC 6455.
var ErrWebSocket = errors.New("pipelinetest: not a WebSocket")

// DialWebSocket speaks the opening handshake on c as a client and closes c if that fails.
func DialWebSocket(c net.Conn, path string, fields ...string) (*WebSocket, error) {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	head := "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\n"
	for _, f := range fields {
		head += f + "\r\n"
	}
	ws := &WebSocket{c, bufio.NewReader(c), true}
	_, err := io.WriteString(c, head+"\r\n")
	var resp *http.Response
	if err == nil {
		resp, err = http.ReadResponse(ws.r, nil)
	}
	if err == nil && (resp.StatusCode != 101 || !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket") ||
		!strings.EqualFold(resp.Header.Get("Connection"), "upgrade") ||
		resp.Header.Get("Sec-WebSocket-Accept") != acceptOf(key)) {
		err = fmt.Errorf("%w: %s %v", ErrWebSocket, resp.Status, resp.Header)
	}
	if err != nil {
		_ = c.Close() // the reason is err
		return nil, err
	}
	return ws, nil
}

func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // as above
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Send sends one frame.
func (ws *WebSocket) Send(opcode byte, payload []byte) error {
	b := []byte{0x80 | opcode, 0}
	switch n := len(payload); {
	case n < 126:
		b[1] = byte(n)
	case n < 1<<16:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if ws.client {
		b[1] |= 0x80
		mask := [4]byte{1, 2, 3, 4}
		b = append(b, mask[:]...)
		for i, c := range payload {
			b = append(b, c^mask[i&3])
		}
	} else {
		b = append(b, payload...)
	}
	_, err := ws.Write(b)
	return err
}

// Recv receives one frame.
func (ws *WebSocket) Recv() (opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(ws.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1] & 0x7f)
	var ext [8]byte
	switch n {
	case 126:
		_, err = io.ReadFull(ws.r, ext[6:])
		n = binary.BigEndian.Uint64(ext[:])
	case 127:
		_, err = io.ReadFull(ws.r, ext[:])
		n = binary.BigEndian.Uint64(ext[:])
	}
	masked := head[1]&0x80 != 0
	if err != nil || masked == ws.client || n > 64<<20 {
		return 0, nil, errors.Join(err, ErrWebSocket)
	}
	var mask [4]byte
	if masked {
		if _, err := io.ReadFull(ws.r, mask[:]); err != nil {
			return 0, nil, err
		}
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(ws.r, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= mask[i&3]
	}
	return head[0] & 0x0f, payload, nil
}

// Status is the status that the payload of a Close frame names; 0: none.
func Status(payload []byte) int {
	if len(payload) < 2 {
		return 0
	}
	return int(binary.BigEndian.Uint16(payload))
}

// WebSocketEcho answers every message by itself, and Close by Close. It takes the connection as
// libraries do: with the head written to the connection, or with early by WriteHeader before that.
func WebSocketEcho(early bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := acceptWebSocket(w, r, early)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		defer ws.Close() //nolint:errcheck // the client's end shows
		for {
			op, b, err := ws.Recv()
			if err != nil || ws.Send(op, b) != nil || op == WebSocketClose {
				return
			}
		}
	})
}

func acceptWebSocket(w http.ResponseWriter, r *http.Request, early bool) (*WebSocket, error) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") ||
		!strings.Contains(strings.ToLower(r.Header.Get("Connection")), "upgrade") {
		return nil, ErrWebSocket
	}
	accept := acceptOf(r.Header.Get("Sec-WebSocket-Key"))
	if early {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Accept", accept)
		w.WriteHeader(http.StatusSwitchingProtocols)
	}
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	if !early {
		_, err = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"+
			"Connection: Upgrade\r\nSec-WebSocket-Accept: "+accept+"\r\n\r\n")
	}
	return &WebSocket{c, rw.Reader, false}, err
}
