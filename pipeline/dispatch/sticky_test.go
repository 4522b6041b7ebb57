package dispatch

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"weir/pipeline"
)

// visit is one request with a cookie; it gives the worker and the cookie that is set.
func (c *client) visit(cookie, more string) (worker string, set *http.Cookie) {
	c.t.Helper()
	if cookie != "" {
		more += "Cookie: theme=dark; " + cookie + "\r\n"
	}
	c.write("GET / HTTP/1.1\r\nHost: x\r\n" + more + "\r\n")
	resp, body := c.response("GET")
	if all := resp.Cookies(); len(all) > 0 {
		set = all[0]
	}
	return body, set
}

// TestSticky: a client's cookie leads back to its worker, whatever the others hold; one that is
// forged, or whose worker has gone, counts for nothing and is replaced.
func TestSticky(t *testing.T) {
	f := startFront(t, 2, Options{
		Balance:        Balance{Rule: Sticky},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	})
	newCrew(f, 4, 8)
	at, set := f.dial().visit("", "")
	if set == nil || set.Name != "weir-shop" || set.Path != "/" || !set.HttpOnly || set.Secure ||
		set.SameSite != http.SameSiteLaxMode || set.MaxAge != 0 || !set.Expires.IsZero() {
		t.Fatalf("set %+v; want a cookie of the session for /, HttpOnly and Lax", set)
	}
	mine := set.Name + "=" + set.Value
	for range 20 {
		if again, set := f.dial().visit(mine, ""); again != at || set != nil {
			t.Fatalf("with the cookie: worker %s, set %v; want worker %s, no cookie", again, set, at)
		}
	}
	if _, set := f.dial().visit("", "X-Forwarded-Proto: https\r\n"); set == nil || !set.Secure {
		t.Errorf("over TLS at a trusted proxy: %v; want a Secure cookie", set)
	}
	number, mac, _ := strings.Cut(set.Value, ".")
	other := NewPool(Options{Name: "other", Secret: f.secret}, f.loops, &f.told)
	for _, forged := range []string{
		"", ".", number, number + ".", number + ".x" + mac[1:], "4." + mac, "5." + mac, "-1." + mac,
		strings.Repeat("z", 100) + "." + mac, other.cookie(1), set.Value + "x",
	} {
		if forged == set.Value {
			continue
		}
		if _, set := f.dial().visit("weir-shop="+forged, ""); set == nil {
			t.Errorf("the cookie %q was believed", forged)
		}
	}
	n := uint64(at[0] - '0')
	f.DrainWorker(n)
	<-f.told.drained
	next, set := f.dial().visit(mine, "")
	if next == at || set == nil || set.Value == mine[len("weir-shop="):] {
		t.Errorf("its worker drains: worker %s, set %v; want another one and its cookie", next, set)
	}
	f.RemoveWorker(n)
	if next, set = f.dial().visit(mine, ""); next == at || set == nil {
		t.Errorf("its worker has gone: worker %s, set %v; want another one and its cookie", next, set)
	}
	f.SetAvailable(Disabled)
	resp := f.dial().get("/").wantReason("our own answer", 503, pipeline.Disabled)
	if len(resp.Cookies()) > 0 {
		t.Errorf("our own answer has %v", resp.Cookies())
	}
	f.audit()
}

// TestStickyFull: while its worker has no slot a request goes elsewhere, and the client keeps its
// cookie.
func TestStickyFull(t *testing.T) {
	f := startFront(t, 1, Options{Balance: Balance{Rule: Sticky}})
	a, release := held(t)
	f.add(1, a, 1)
	cookie := "weir-shop=" + f.cookie(1)
	first := f.dial().write("GET / HTTP/1.1\r\nHost: x\r\nCookie: " + cookie + "\r\n\r\n")
	f.eventually("held", func() bool { return f.Snapshot().Workers[0].InFlight == 1 })
	f.add(2, startWorker(t, serveHello), 1)
	if body, set := f.dial().visit(cookie, ""); body != "GET / " || set != nil {
		t.Errorf("while it is full: %q, set %v; want the other, no cookie", body, set)
	}
	release <- struct{}{}
	first.want("held", 200, "done")
	f.audit()
}

func TestCookiePath(t *testing.T) {
	for prefix, want := range map[string]string{
		"": "/", "/shop": "/shop", "/a/b-c_d.e~f": "/a/b-c_d.e~f", "/a;b": "/", "/a b": "/", "/ä": "/",
		"/a,b": "/", "/a\x00": "/", "/[": "/", "/@": "/",
	} {
		if got := cookiePath(prefix); got != want {
			t.Errorf("cookiePath(%q) = %q; want %q", prefix, got, want)
		}
	}
}
