package http1

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAccessors(t *testing.T) {
	b := []byte("POST /p?q HTTP/1.1\r\nHost: h:1\r\nX-A: 1\r\nAccept: a\r\nx-a: 2\r\nACCEPT: b\r\n" +
		"Empty:\r\nConnection: x-a\r\n\r\nBODY")
	var r Request
	n, err := r.Parse(b, 0, nil)
	if err != nil || n != len(b)-4 || r.Size() != n {
		t.Fatalf("Parse = %d, %v; Size = %d", n, err, r.Size())
	}
	check := func(when string) {
		t.Helper()
		for _, tc := range []struct{ desc, got, want string }{
			{"Method", string(r.Method()), "POST"},
			{"Target", string(r.Target()), "/p?q"},
			{"Host", string(r.Host()), "h:1"},
			{"Scheme", r.Scheme(), ""},
			{"Get", string(r.Get(Accept)), "a"},
			{"Get of none", string(r.Get(Cookie)), ""},
			{"Lookup", string(r.Lookup("X-a")), "1"},
			{"Lookup of a known one", string(r.Lookup("accept")), "a"},
			{"Lookup of none", string(r.Lookup("X-b")), ""},
			{"FieldName", string(r.FieldName(3)), "x-a"},
			{"FieldValue", string(r.FieldValue(3)), "2"},
		} {
			if tc.got != tc.want {
				t.Errorf("%s: %s = %q; want %q", when, tc.desc, tc.got, tc.want)
			}
		}
	}
	check("parsed")
	if v := r.Lookup("empty"); v == nil || len(v) != 0 {
		t.Errorf("Lookup of an empty field = %v; want empty, not nil", v)
	}
	if r.Lookup("X-b") != nil || r.Get(Cookie) != nil {
		t.Error("absent fields are not nil")
	}
	if !r.Has(Accept) || !r.Repeated(Accept) || r.Repeated(Host) || r.Has(Cookie) {
		t.Error("Has or Repeated")
	}
	var got []string
	for v := range r.Values(Accept) {
		got = append(got, string(v))
	}
	if !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("Values = %q", got)
	}
	for i, want := range []bool{false, true, false, true, false, false, true} {
		if r.HopByHop(i) != want {
			t.Errorf("HopByHop(%d %s) = %v", i, r.FieldName(i), !want)
		}
	}
	if r.Verb != VerbPost || r.Verb.Idempotent() || r.HasBody() {
		t.Error("Verb or HasBody")
	}
	moved := bytes.Clone(b)
	r.Rebase(moved)
	poison(b)
	check("rebased")
	r.Reset()
	if r.NumFields() != 0 || len(r.Host()) != 0 || len(r.Method()) != 0 || cap(r.fields) == 0 {
		t.Error("Reset")
	}
}

// TestForeignProgress: a Request that parsed something else in between gives the same answers.
// TestRefusedHead parses a malformed head with a Request that has held another one. What it says then
// is of the new head or nothing: the old one's bytes are another client's.
func TestRefusedHead(t *testing.T) {
	long := "/" + strings.Repeat("a", 300)
	for _, tc := range []struct {
		desc, old, input, method, target string
		verb                             Verb
		minor                            int
	}{
		{"no method", "HEAD /old HTTP/1.1\r\nHost: h\r\n\r\n", "\x16\x03\x01", "", "", 0, 0},
		{"bad target", "HEAD /old HTTP/1.1\r\nHost: h\r\n\r\n", "GET a HTTP/1.1\r\n", "", "", 0, 0},
		{"bad field behind a longer line", "GET /o HTTP/1.0\r\n\r\n",
			"HEAD " + long + "?q HTTP/1.1\r\nHost: h\r\nA B: c\r\n\r\n", "HEAD", long + "?q", VerbHead, 1},
		{"bad host", "HEAD /old HTTP/1.1\r\nHost: h\r\n\r\n",
			"\r\nPOST http://h/x HTTP/1.0\r\nHost: other\r\nContent-Length: 5\r\n\r\n", "POST", "http://h/x",
			VerbPost, 0},
		{"bad framing behind a good host", "HEAD /old HTTP/1.1\r\nHost: h\r\n\r\n",
			"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "POST", "/x",
			VerbPost, 1},
	} {
		var r Request
		if n, err := r.Parse([]byte(tc.old), 0, nil); n == 0 || err != nil {
			t.Fatalf("%s: Parse(%q) = %d, %v", tc.desc, tc.old, n, err)
		}
		if n, err := r.Parse([]byte(tc.input), 0, nil); n != 0 || err == nil {
			t.Fatalf("%s: Parse(%.40q) = %d, %v; want an error", tc.desc, tc.input, n, err)
		}
		if got := string(r.Method()) + " " + string(r.Target()); got != tc.method+" "+tc.target {
			t.Errorf("%s: method and target %q; want %q", tc.desc, got, tc.method+" "+tc.target)
		}
		if r.Verb != tc.verb || r.Minor != tc.minor || r.KeepAlive || r.HasBody() || r.ExpectContinue {
			t.Errorf("%s: %+v; want verb %d, minor %d, no body, no keep-alive", tc.desc, r, tc.verb, tc.minor)
		}
		if len(r.Host()) > 0 || r.NumFields() > 0 || len(r.Get(UserAgent)) > 0 {
			t.Errorf("%s: host %q, %d fields; want none", tc.desc, r.Host(), r.NumFields())
		}
		_, _ = r.Path(), r.Query() // must not reach beyond the line
	}
}

func TestForeignProgress(t *testing.T) {
	heads := []string{head430, headSmall, get + "\r\n", get + "A: b\nC\r\n\r\n", post + "A : b\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n", strings.Replace(head430, "Host", "Tsoh", 1)}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	var shared Request
	for range 20000 {
		// Two streams fed in turns to one Request, in steps that collide.
		a, b := heads[rnd.IntN(len(heads))], heads[rnd.IntN(len(heads))]
		cut := rnd.IntN(min(len(a), len(b))) + 1
		shared.Reset()
		parsePartial(&shared, a, cut)
		for _, s := range []string{b, a} {
			var fresh Request
			wantN, wantErr := fresh.Parse([]byte(s), 0, nil)
			seen := cut
			if parsePartial(new(Request), s, cut) {
				continue
			}
			n, err := shared.Parse([]byte(s), seen, nil)
			if n != wantN || err != wantErr || !bytes.Equal(shared.Host(), fresh.Host()) ||
				shared.NumFields() != fresh.NumFields() {
				t.Fatalf("Parse(%q, %d) after %q = %d, %v; want %d, %v", s, seen, a[:cut], n, err,
					wantN, wantErr)
			}
			parsePartial(&shared, a, cut)
		}
	}
}

// parsePartial parses s[:cut] and says whether that settled it.
func parsePartial(r *Request, s string, cut int) bool {
	n, err := r.Parse([]byte(s[:cut]), 0, nil)
	return n > 0 || err != nil
}

// TestLinearCost: a head that comes byte by byte costs in proportion to its size, whatever its shape.
// Eight times the bytes take about 8 times as long, 64 times in a quadratic parser.
func TestLinearCost(t *testing.T) {
	const small, ratio = 16 << 10, 8
	lim := &Limits{RequestLineBytes: 1 << 20, HeadBytes: 1 << 20, Fields: 1 << 15}
	for _, tc := range []struct {
		desc string
		head func(n int) string
	}{
		{"many lines", func(n int) string {
			return get + strings.Repeat("A: "+strings.Repeat("b", 95)+"\r\n", n/100) + "\r\n"
		}},
		{"short lines", func(n int) string { return get + strings.Repeat("A: b\r\n", n/6) + "\r\n" }},
		{"long value", func(n int) string { return get + "A: " + strings.Repeat("b", n) + "\r\n\r\n" }},
		{"long target", func(n int) string {
			return "GET /" + strings.Repeat("b", n) + " HTTP/1.1\r\n" + hostA + "\r\n"
		}},
		{"white space", func(n int) string { return get + "A:" + strings.Repeat(" ", n) + "\r\n\r\n" }},
		{"long name", func(n int) string { return get + strings.Repeat("a", n) + "\r\n\r\n" }},
	} {
		got := math.Inf(1)
		for try := 0; try < 5 && got > 3*ratio; try++ { // another process may have had the processor
			a, b := bytewiseCost(lim, tc.head(small)), bytewiseCost(lim, tc.head(ratio*small))
			got = min(got, float64(b)/float64(a))
		}
		if got > 3*ratio {
			t.Errorf("%s: %d times the bytes take %.1f times as long", tc.desc, ratio, got)
		}
	}
}

// bytewiseCost is the shortest of several times to parse a head byte by byte.
func bytewiseCost(lim *Limits, head string) time.Duration {
	b := []byte(head)
	var r Request
	best := time.Hour
	for range 5 {
		start := time.Now()
		for i := 1; i <= len(b); i++ {
			if n, err := r.Parse(b[:i], i-1, lim); n > 0 || err != nil {
				break
			}
		}
		best = min(best, time.Since(start))
	}
	return best
}

func TestHostSyntax(t *testing.T) {
	for _, tc := range []struct {
		host string
		want bool
	}{
		{"a", true}, {"a.b-c_d~e", true}, {"example-0.example.org:80", true}, {"under_score.example", true},
		{"example.or/", false}, {"www.exam ple.org", false}, {"www.example.\xffrg", false}, {"1.2.3.4", true}, {"a:0", true}, {"a:65535", true},
		{"a:00080", true}, {"a:000080", false}, {"a:65536", false}, {"a:", false}, {"", false},
		{":1", false}, {"a:b", false}, {"a%20b", false}, {"a!", false}, {"*", false},
		{"[::]", true}, {"[::1]", true}, {"[1::]:8080", true}, {"[1:2:3:4:5:6:7:8]", true},
		{"[1:2:3:4:5:6:7::]", true}, {"[::2:3:4:5:6:7:8]", true}, {"[::ffff:1.2.3.4]", true},
		{"[1:2:3:4:5:6:1.2.3.4]", true}, {"[::ABcd]", true},
		{"[1:2:3:4:5:6:7:8::]", false}, {"[1::2::3]", false}, {"[1:2:3:4:5:6:7]", false},
		{"[1:2:3:4:5:6:7:8:9]", false}, {"[:1]", false}, {"[1:]", false}, {"[:::]", false},
		{"[12345::]", false}, {"[::g]", false}, {"[::1.2.3]", false}, {"[::1.2.3.256]", false},
		{"[::1.2.3.04]", false}, {"[1:2:3:4:5:6:7:1.2.3.4]", false}, {"[]", false}, {"[", false},
		{"[::1]x", false}, {"[::1]:", false}, {"[v1.a]", false}, {"[::1.2.3.4:5]", false},
	} {
		if got := validHost([]byte(tc.host)); got != tc.want {
			t.Errorf("validHost(%q) = %v; want %v", tc.host, got, tc.want)
		}
	}
	for _, tc := range []struct{ host, name, port string }{
		{"a", "a", ""}, {"a:1", "a", "1"}, {"[::1]", "[::1]", ""}, {"[::1]:1", "[::1]", "1"},
	} {
		name, port := SplitHostPort([]byte(tc.host))
		if string(name) != tc.name || string(port) != tc.port {
			t.Errorf("SplitHostPort(%q) = %q, %q", tc.host, name, port)
		}
	}
}

func TestKnown(t *testing.T) {
	slots := map[uint8]Known{}
	for k := Host; k < knownCount; k++ {
		name := k.String()
		if len(name) == 0 || len(name) > 8*knownWords {
			t.Fatalf("known field %d is called %q", k, name)
		}
		slot := knownSlot(loadPart([]byte(strings.ToLower(name)), 0), len(name))
		if len(name) > 8 {
			slot = knownSlot(loadPart([]byte(name), 0), len(name))
		}
		if other, ok := slots[slot]; ok {
			t.Errorf("%v and %v share a hash slot: choose another knownHashMult", k, other)
		}
		slots[slot] = k
		for _, spelt := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := parsedKnown(t, spelt); got != k {
				t.Errorf("%q is parsed as %v; want %v", spelt, got, k)
			}
			if got := KnownName(spelt); got != k {
				t.Errorf("KnownName(%q) = %v; want %v", spelt, got, k)
			}
		}
		// One wrong byte anywhere, one more, one less: another field.
		for i := range name {
			b := []byte(name)
			b[i] ^= 1
			if KnownName(b) == Unknown && all(b, classToken) && parsedKnown(t, string(b)) != Unknown {
				t.Errorf("%q is taken for %v", b, k)
			}
		}
		for _, s := range []string{name + "x", "x" + name, name[1:]} {
			if s != "" && KnownName(s) == Unknown && parsedKnown(t, s) != Unknown {
				t.Errorf("%q is taken for a known field", s)
			}
		}
	}
}

func parsedKnown(t *testing.T, name string) Known {
	t.Helper()
	var h head
	b := []byte(name + ":\r\n\r\n")
	if end, err := h.fieldLines(b, 9); err != nil || end != len(b) {
		t.Fatalf("field %q: %d, %v", name, end, err)
	}
	return h.KnownOf(0)
}

// TestSwarMasks compares the masks with their definitions, for every byte at every place beside every
// kind of neighbour.
func TestSwarMasks(t *testing.T) {
	for c := range 256 {
		for _, beside := range []byte{0, 1, ' ', '#', ':', '?', 'a', 0x7e, 0x7f, 0x80, 0xff} {
			for place := range 8 {
				var b [8]byte
				for i := range b {
					b[i] = beside
				}
				b[place] = byte(c)
				w := load64(b[:], 0)
				for i, x := range b {
					bit := func(m uint64) bool { return m>>(8*i+7)&1 != 0 }
					if bit(ctlMask(w)) != (x < ' ' || x == 0x7f) ||
						bit(equalMask(w, swarColon)) != (x == ':') ||
						bit(hostMask(w)) != (classes[x]&classHost == 0 || x == '_' || x == '~') ||
						bit(targetMask(w)) != (x <= ' ' || x >= 0x7f || x == '#' || x == '?') {
						t.Fatalf("masks of %x at byte %d", b, i)
					}
				}
				if (ctlMask(w)|equalMask(w, swarColon)|targetMask(w)|hostMask(w))&^uint64(swarHigh) != 0 {
					t.Fatalf("masks of %x have other bits than the high ones", b)
				}
			}
		}
	}
}

func TestBodyKind(t *testing.T) {
	for _, tc := range []struct {
		head              string
		isHead, isConnect bool
		want              Body
		length            int64
	}{
		{"200 OK\r\n", false, false, BodyUntilClose, 0},
		{"200 OK\r\nContent-Length: 7\r\n", false, false, BodyLength, 7},
		{"200 OK\r\nContent-Length: 0\r\n", false, false, BodyNone, 0},
		{"200 OK\r\nTransfer-Encoding: chunked\r\n", false, false, BodyChunked, 0},
		{"200 OK\r\nTransfer-Encoding: chunked\r\n", true, false, BodyNone, 0},
		{"200 OK\r\nContent-Length: 7\r\n", true, false, BodyNone, 0},
		{"200 OK\r\n", false, true, BodyTunnel, 0},
		{"407 No\r\nContent-Length: 7\r\n", false, true, BodyLength, 7},
		{"101 Up\r\n", false, false, BodyTunnel, 0},
		{"100 Go\r\n", false, false, BodyNone, 0},
		{"204 No\r\n", false, false, BodyNone, 0},
		{"304 No\r\nContent-Length: 7\r\n", false, false, BodyNone, 0},
	} {
		var r Response
		if _, err := r.Parse([]byte("HTTP/1.1 "+tc.head+"\r\n"), 0, nil); err != nil {
			t.Fatal(err)
		}
		if k, n := r.BodyKind(tc.isHead, tc.isConnect); k != tc.want || n != tc.length {
			t.Errorf("BodyKind(%q, %v, %v) = %d, %d; want %d, %d", tc.head, tc.isHead, tc.isConnect,
				k, n, tc.want, tc.length)
		}
	}
}
