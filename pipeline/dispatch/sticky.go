package dispatch

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"

	"weir/pipeline"
	"weir/protocol/http1"
)

// cookiePrefix and the pool's name are the name of a sticky cookie. Its value is the worker's
// number in base 36, a full stop, and the start of an HMAC-SHA-256 over pool and number.
const cookiePrefix = "weir-"

// newSecret is a key for cookies that nobody else knows.
func newSecret() []byte {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails
	return b
}

// cookie is the value that names worker n. It is worked out once per worker: a request's cookie is
// compared with it, not computed.
func (p *Pool) cookie(n uint64) string {
	number := strconv.FormatUint(n, 36)
	h := hmac.New(sha256.New, p.secret)
	h.Write([]byte(p.name))
	h.Write([]byte{0})
	h.Write([]byte(number))
	return number + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:cookieMACBytes])
}

// askSticky takes the worker from the request's cookie, if it is one of ours and the worker takes
// requests. Otherwise the answer carries a cookie for the worker it comes from.
func (j *job) askSticky() {
	p := j.s.pool
	if w := p.named(cookieOf(j.c.Request(), p.cookieName)); w != nil && w.inRotation() {
		j.wish.worker, j.wish.sticks = w.n, true
		return
	}
	_ = j.c.OnStarting(func(c *pipeline.Context) { // nothing has started
		if j.c == c && j.lane != nil { // not an answer of our own
			_ = c.Fields().Add("Set-Cookie", j.setCookie()) // a full list can do without
		}
	})
}

// named is the worker that a cookie's value names; nil for one that is forged, or of a worker that
// is not there.
func (p *Pool) named(value []byte) *worker {
	number, _, ok := bytes.Cut(value, []byte("."))
	if !ok || len(number) > base36UintMax {
		return nil
	}
	n, err := strconv.ParseUint(view(number), 36, 64)
	if err != nil {
		return nil
	}
	for _, w := range *p.workers.Load() {
		if w.n == n {
			if subtle.ConstantTimeCompare(value, w.cookie) == 1 {
				return w
			}
			return nil
		}
	}
	return nil
}

// setCookie is the Set-Cookie field for the worker that j is on: until the browser ends, for what
// lies below the app's prefix, not for scripts, nor for requests that other sites make.
func (j *job) setCookie() string {
	var b strings.Builder
	b.WriteString(j.s.pool.cookieName)
	b.WriteByte('=')
	b.Write(j.lane.w.cookie)
	b.WriteString("; Path=")
	b.WriteString(cookiePath(j.c.PathBase()))
	b.WriteString("; HttpOnly; SameSite=Lax")
	if j.secure() {
		b.WriteString("; Secure")
	}
	return b.String()
}

// cookiePath is prefix where that can stand in a cookie as it is, else the whole site.
func cookiePath(prefix string) string {
	for i := range len(prefix) {
		c := prefix[i]
		if c-'0' >= 10 && (c|0x20)-'a' >= 26 && !strings.ContainsRune("/-._~", rune(c)) {
			return "/"
		}
	}
	if prefix == "" {
		return "/"
	}
	return prefix
}

// secure says whether the client speaks TLS, to us or to a trusted proxy. A browser drops a Secure
// cookie that comes in the clear.
func (j *job) secure() bool {
	if j.c.Scheme() == "https" {
		return true
	}
	return j.trusted() && foldIs(j.c.Request().Get(http1.XForwardedProto), "https")
}

// stuckTo is the lane of the worker that w names, if it can take the request now.
func (s *shard) stuckTo(w *wish, workers []*worker, not *worker) *lane {
	if !w.sticks {
		return nil
	}
	for _, x := range workers {
		if x.n == w.worker {
			return s.candidate(x, not)
		}
	}
	return nil
}
