package handoff

import (
	"bytes"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

var messages = []Message{
	{Kind: Hello, Min: 1, Max: 3, Slots: 64},
	{Kind: Closed, ID: 7, Requests: 100, Errors: 2},
	{Kind: Recall},
	{Kind: Drain, Flags: FlagEnding},
	{
		Kind: Connection, Flags: FlagTrusted | FlagKeep, ID: 1 << 40, Requests: 1, Errors: 1,
		Peer:   netip.MustParseAddrPort("192.0.2.1:443"),
		Limits: Limits{Line: 8192, Head: 32768, Fields: 100, Body: Unlimited},
		Clocks: Clocks{Header: 30 * time.Second, Keepalive: None, Grace: time.Millisecond, Rate: 240},
		Local:  []byte("127.0.0.1:8080"), Prefix: []byte("/go"), Others: []byte("/go/a\x00/go/b\x00"),
		Bytes: []byte("GET /go HTTP/1.1\r\nHost: x\r\n\r\n"),
	},
	{
		Kind: Connection, ID: 1, Peer: netip.MustParseAddrPort("[2001:db8::1]:1"),
		Limits: Limits{Unlimited, Unlimited, Unlimited, 30_000_000},
		Clocks: Clocks{0, time.Hour, None, None, Unlimited},
		Local:  []byte{}, Prefix: []byte{}, Others: []byte{}, Bytes: []byte{},
	},
}

func TestRoundTrip(t *testing.T) {
	for _, want := range messages {
		b, err := Append([]byte("before"), &want)
		if err != nil {
			t.Fatalf("Append(%+v) = %v", want, err)
		}
		var got Message
		if err := Parse(b[len("before"):], &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Parse = %+v, %v; want %+v", got, err, want)
		}
		for n := range len(b) - len("before") {
			if err := Parse(b[len("before"):][:n], &got); err == nil {
				t.Errorf("Parse of %d of %d bytes of kind %d is accepted", n, len(b), want.Kind)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	connection, _ := Append(nil, &messages[4])
	change := func(at int, v byte) []byte {
		b := bytes.Clone(connection)
		b[at] = v
		return b
	}
	for _, c := range []struct {
		desc string
		b    []byte
		want error
	}{
		{"version 2", change(0, 2), ErrVersion},
		{"kind 0", change(1, 0), ErrKind},
		{"kind 6", change(1, 6), ErrKind},
		{"flag 16", change(2, 16), ErrFlags},
		{"no id", append(append(bytes.Clone(connection[:4]), make([]byte, 8)...), connection[12:]...), ErrID},
		{"family 5", change(HeaderSize+8, 5), ErrPeer},
		{"local longer", change(HeaderSize+68, 15), ErrText}, // so others end elsewhere
		{"bytes longer", change(HeaderSize+74, 255), ErrLength},
		{"a byte more", append(bytes.Clone(connection), 0), ErrLength},
		{"too long", make([]byte, MessageMax+1), ErrLength},
	} {
		if err := Parse(c.b, new(Message)); err != c.want && !(c.want == ErrText && err == ErrLength) {
			t.Errorf("%s: %v; want %v", c.desc, err, c.want)
		}
	}
	for _, m := range []Message{
		{Kind: Connection, ID: 1, Bytes: make([]byte, BytesMax+1)},
		{Kind: Connection, ID: 1, Local: make([]byte, LocalMax+1)},
		{Kind: Connection, ID: 1, Prefix: make([]byte, PrefixMax+1)},
		{Kind: Connection, ID: 1, Others: make([]byte, OthersMax+1)},
	} {
		if b, err := Append([]byte("x"), &m); err != ErrTooLong || string(b) != "x" {
			t.Errorf("Append of too much = %d bytes, %v; want ErrTooLong", len(b), err)
		}
	}
	if b, _ := Append(nil, &Message{Kind: Connection, ID: 1, Bytes: make([]byte, BytesMax),
		Local: make([]byte, LocalMax), Prefix: make([]byte, PrefixMax),
		Others: make([]byte, OthersMax)}); len(b) != MessageMax {
		t.Errorf("the longest message has %d bytes; want %d", len(b), MessageMax)
	}
}

func TestScope(t *testing.T) {
	s := ScopeOf(&messages[4])
	s.Host = "x:80"
	for _, c := range []struct {
		host, path string
		want       bool
	}{
		{"x:80", "/go", true}, {"X:80", "/go/c", true}, {"x:80", "/go/ab", true},
		{"y:80", "/go", false}, {"x", "/go", false}, {"x:80", "/", false}, {"x:80", "/gone", false},
		{"x:80", "/go/a", false}, {"x:80", "/go/b/c", false},
	} {
		if got := s.Has(c.host, c.path); got != c.want {
			t.Errorf("Has(%q, %q) = %v", c.host, c.path, got)
		}
	}
	once := Scope{Host: "x"}
	if once.Has("x", "/") {
		t.Error("a connection without flag 4 may be kept")
	}
}

// FuzzParse: whatever is accepted means the same when it is written again, and is bounded.
func FuzzParse(f *testing.F) {
	for i := range messages {
		b, _ := Append(nil, &messages[i])
		f.Add(b)
	}
	f.Add([]byte(strings.Repeat("\x01", 80)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again Message
		if Parse(b, &m) != nil {
			return
		}
		out, err := Append(nil, &m)
		if err != nil {
			t.Fatalf("Append of a parsed message: %v", err)
		}
		if err := Parse(out, &again); err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v became %+v, %v", m, again, err)
		}
		ScopeOf(&m)
	})
}
