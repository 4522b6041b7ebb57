package fastcgi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"strings"
	"testing"
)

func record(kind byte, id uint16, content string, padding int) []byte {
	b := []byte{1, kind, byte(id >> 8), byte(id), byte(len(content) >> 8), byte(len(content)), byte(padding), 0}
	return append(append(b, content...), make([]byte, padding)...)
}

func endRequest(app uint32, status byte, padding int) []byte {
	content := append(binary.BigEndian.AppendUint32(nil, app), status, 0, 0, 0)
	return record(typeEnd, 1, string(content), padding)
}

func pair(p *Params, dst []byte, name, value string) []byte {
	return append(append(p.Pair(dst, len(name), len(value)), name...), value...)
}

// TestEncode: the bytes of a small request, as the specification has them.
func TestEncode(t *testing.T) {
	var p Params
	b := p.Open(AppendBegin([]byte("x")))
	b = pair(&p, b, "A", "b")
	b = pair(&p, b, "LONG", strings.Repeat("v", 128))
	b, err := p.Close(b)
	if err != nil {
		t.Fatal(err)
	}
	b = append(AppendStdin(b, 5), "hello"...)
	b = AppendStdin(b, 0)
	want := "x\x01\x01\x00\x01\x00\x08\x00\x00" + "\x00\x01\x01\x00\x00\x00\x00\x00" +
		"\x01\x04\x00\x01\x00\x8d\x00\x00" + "\x01\x01Ab" + "\x04\x80\x00\x00\x80LONG" + strings.Repeat("v", 128) +
		"\x01\x04\x00\x01\x00\x00\x00\x00" + "\x01\x05\x00\x01\x00\x05\x00\x00hello" +
		"\x01\x05\x00\x01\x00\x00\x00\x00"
	if string(b) != want {
		t.Errorf("got  %q\nwant %q", b, want)
	}
	if b := p.Open(nil); true {
		if b, err := p.Close(b); string(b) != "\x01\x04\x00\x01\x00\x00\x00\x00" || err != nil {
			t.Errorf("no pair: %q, %v; want the empty record alone", b, err)
		}
	}
}

// TestParamsRecords: pairs are spread over records, none over two; one that fits into none is an error.
func TestParamsRecords(t *testing.T) {
	var p Params
	b := p.Open(nil)
	for range 10 {
		b = pair(&p, b, "NAME", strings.Repeat("v", 20_000))
	}
	b, err := p.Close(b)
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for pairs := 0; len(b) > 0; {
		n := int(binary.BigEndian.Uint16(b[4:]))
		sizes = append(sizes, n)
		for c := b[HeaderSize : HeaderSize+n]; len(c) > 0; pairs++ {
			c = c[1+4+4+20_000:] // a pair that is cut panics
		}
		if b = b[HeaderSize+n:]; len(b) == 0 && pairs != 10 {
			t.Errorf("%d pairs; want 10", pairs)
		}
	}
	if len(sizes) != 5 || sizes[4] != 0 {
		t.Errorf("records of %v bytes; want four, and the empty one", sizes)
	}
	b = pair(&p, p.Open(nil), "A", "b")
	b = pair(&p, b, "NAME", strings.Repeat("v", ContentMax))
	b = pair(&p, b, "A", "b")
	if _, err := p.Close(b); !errors.Is(err, ErrPairSize) {
		t.Errorf("a pair of 64 KiB: %v; want ErrPairSize", err)
	}
	b = pair(&p, p.Open(nil), "N", strings.Repeat("v", ContentMax-1-4-1))
	if b, err := p.Close(b); err != nil || len(b) != 2*HeaderSize+ContentMax {
		t.Errorf("the largest pair: %d bytes, %v", len(b), err)
	}
}

// decode gives b to a Decoder in pieces of at most step bytes and says what came of it.
func decode(b []byte, step int) (out string, rest int, err error) {
	var d Decoder
	var held []byte
	for len(b) > 0 || len(held) > 0 {
		k := min(step, len(b))
		held, b = append(held, b[:k]...), b[k:]
		for {
			p, n, err := d.Next(held)
			held = held[n:]
			if err != nil {
				return out, len(held) + len(b), err
			}
			if p.Kind == More {
				break
			}
			switch p.Kind {
			case Stdout:
				out += string(p.Content)
			case Stderr:
				out += "<" + string(p.Content) + ">"
			case End:
				out += "END" + string(rune('0'+p.Status))
			}
		}
		if k == 0 {
			return out, len(held), nil
		}
	}
	return out, 0, nil
}

// joinErr makes one of neighbouring pieces for the log, which have no borders of their own.
func joinErr(s string) string { return strings.ReplaceAll(s, "><", "") }

func TestDecode(t *testing.T) {
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, tt := range []struct {
		desc string
		in   []byte
		want string
		rest int
		err  error
	}{
		{"an answer", join(record(typeStdout, 1, "head", 0), record(typeStdout, 1, "body", 4),
			record(typeStdout, 1, "", 0), endRequest(0, 0, 0)), "headbodyEND0", 0, nil},
		{"padding everywhere", join(record(typeStdout, 1, "a", 255), record(typeStderr, 1, "oops", 7),
			endRequest(3, 0, 5)), "a<oops>END0", 0, nil},
		{"of the connection, and unknown ones", join(record(10, 0, "\x04\x01name1", 3), record(8, 1, "data", 4),
			record(99, 1, "", 0), record(typeStdout, 1, "a", 0)), "a", 0, nil},
		{"overloaded", endRequest(0, 2, 0), "END2", 0, nil},
		{"a status of the future", endRequest(0, 200, 0), "END4", 0, nil},
		{"half an end", endRequest(0, 0, 8)[:20], "", 20, nil},
		{"another version", []byte("HTTP/1.1 200 OK\r\n"), "", 17, ErrVersion},
		{"another request", record(typeStdout, 2, "a", 0), "", 9, ErrRequest},
		{"a short end", record(typeEnd, 1, "1234567", 0), "", 15, ErrEnd},
	} {
		for step := 1; step <= len(tt.in); step++ {
			got, rest, err := decode(tt.in, step)
			if joinErr(got) != tt.want || !errors.Is(err, tt.err) || err == nil && rest != tt.rest {
				t.Errorf("%s, by %d: %q, %d left, %v; want %q, %d, %v", tt.desc, step, got, rest, err, tt.want,
					tt.rest, tt.err)
			}
		}
	}
}

func TestRest(t *testing.T) {
	var d Decoder
	b := append(record(typeStdout, 1, "hello", 3), record(typeStderr, 1, "oops", 0)...)
	if n, _, whole := d.Rest(b); whole {
		t.Errorf("without an end: %d, %t", n, whole)
	}
	all := append(bytes.Clone(b), endRequest(0, 0, 0)...)
	if n, behind, whole := d.Rest(append(bytes.Clone(all), "xy"...)); n != 5 || behind != 2 || !whole {
		t.Errorf("Rest = %d, %d, %t; want 5, 2, true", n, behind, whole)
	}
	if _, n, _ := d.Next(all[:10]); n != 10 {
		t.Fatal("no first piece")
	}
	if n, _, whole := d.Rest(all[10:]); n != 3 || !whole {
		t.Errorf("Rest within a record = %d, %t; want 3, true", n, whole)
	}
	if _, _, whole := d.Rest(append(bytes.Clone(b), endRequest(0, 2, 0)...)); whole {
		t.Error("an overloaded program's answer is whole")
	}
}

// TestPeer: the standard library's responder understands us, and we it.
func TestPeer(t *testing.T) {
	ours, theirs := net.Pipe()
	l := &oneConn{conn: theirs, done: make(chan struct{})}
	go func() {
		_ = fcgi.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Got", r.Method+" "+r.Header.Get("Accept-Language")+" "+string(body))
			w.WriteHeader(201)
		})) // ends with the listener
	}()
	var p Params
	b := p.Open(AppendBegin(nil))
	for _, kv := range [][2]string{
		{"REQUEST_METHOD", "POST"}, {"SERVER_PROTOCOL", "HTTP/1.1"}, {"REQUEST_URI", "/x"},
		{"HTTP_ACCEPT_LANGUAGE", "de"}, {"CONTENT_LENGTH", "5"},
	} {
		b = pair(&p, b, kv[0], kv[1])
	}
	b, err := p.Close(b)
	if err != nil {
		t.Fatal(err)
	}
	b = AppendStdin(append(AppendStdin(b, 5), "hello"...), 0)
	go func() { _, _ = ours.Write(b) }() // an error shows as an answer that does not come
	var d Decoder
	var held []byte
	got, buf := "", make([]byte, 4096)
	for {
		n, err := ours.Read(buf)
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		held = append(held, buf[:n]...)
		for {
			p, n, err := d.Next(held)
			if err != nil {
				t.Fatal(err)
			}
			if held = held[n:]; p.Kind == End {
				if !strings.HasPrefix(got, "Status: 201 Created\r\n") || !strings.Contains(got, "X-Got: POST de hello\r\n") {
					t.Errorf("got %q", got)
				}
				_ = ours.Close()
				close(l.done)
				return
			} else if p.Kind == More {
				break
			}
			got += string(p.Content)
		}
	}
}

// oneConn is a listener of one connection.
type oneConn struct {
	conn net.Conn
	done chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.done
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{} }

// FuzzDecoder: whatever a program sends, whole or byte by byte it means the same, and no more is consumed
// than came.
func FuzzDecoder(f *testing.F) {
	f.Add(append(record(typeStdout, 1, "head", 3), endRequest(0, 0, 1)...))
	f.Add(append(record(typeStderr, 1, "oops", 0), endRequest(255, 2, 0)...))
	f.Add(record(typeStdout, 7, "x", 0))
	f.Add(record(typeEnd, 1, "short", 0))
	f.Add(record(11, 0, "\x00", 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, rest, err := decode(b, len(b)+1)
		if rest > len(b) {
			t.Fatalf("%d bytes left of %d", rest, len(b))
		}
		split, rest2, err2 := decode(b, 1)
		if joinErr(split) != joinErr(whole) || !errors.Is(err2, err) || err == nil && rest != rest2 {
			t.Fatalf("whole %q %d %v, split %q %d %v", whole, rest, err, split, rest2, err2)
		}
	})
}

// FuzzParams: what is written can be read: the same pairs, in records that are whole.
func FuzzParams(f *testing.F) {
	f.Add("REQUEST_METHOD", "GET", 3)
	f.Add("", strings.Repeat("v", 128), 600)
	f.Add("N", strings.Repeat("v", 65530), 2)
	f.Fuzz(func(t *testing.T, name, value string, count int) {
		count = count & 1023
		var p Params
		b := p.Open(nil)
		for range count {
			if b = pair(&p, b, name, value); len(b) > 1<<21 {
				return
			}
		}
		b, err := p.Close(b)
		if err != nil {
			return
		}
		for n := 0; ; {
			size := int(binary.BigEndian.Uint16(b[4:]))
			c := b[HeaderSize : HeaderSize+size]
			if b = b[HeaderSize+size:]; size == 0 {
				if n != count || len(b) != 0 {
					t.Fatalf("%d pairs, %d bytes behind; want %d, 0", n, len(b), count)
				}
				return
			}
			for ; len(c) > 0; n++ {
				var nl, vl int
				nl, c = readLength(c)
				vl, c = readLength(c)
				if string(c[:nl]) != name || string(c[nl:nl+vl]) != value {
					t.Fatalf("pair %d: %q", n, c[:nl+vl])
				}
				c = c[nl+vl:]
			}
		}
	})
}

func readLength(b []byte) (int, []byte) {
	if b[0] < 1<<7 {
		return int(b[0]), b[1:]
	}
	return int(binary.BigEndian.Uint32(b) &^ (1 << 31)), b[4:]
}
