package static

import (
	"net/http"
	"strconv"
	"strings"

	"weir/pipeline"
	"weir/protocol/http1"
)

// precondition returns 304 or 412 if the request's conditions ask for it, else 0.
//
// RFC 9110 section 13.2.2 has the order; an unparsable date is ignored (section 13.1.3).
func (e *entry) precondition(c *pipeline.Context) int {
	r := c.Request()
	if r.Verb != http1.VerbGet && r.Verb != http1.VerbHead {
		return 0 // they were about what the application has done by now
	}
	switch {
	case r.Has(http1.IfMatch):
		if !e.listed(c, "If-Match", true) {
			return http.StatusPreconditionFailed
		}
	case r.Has(http1.IfUnmodifiedSince):
		t, err := http.ParseTime(c.Header("If-Unmodified-Since"))
		if err == nil && e.modified.After(t) {
			return http.StatusPreconditionFailed
		}
	}
	switch {
	case r.Has(http1.IfNoneMatch):
		if e.listed(c, "If-None-Match", false) {
			return http.StatusNotModified
		}
	case r.Has(http1.IfModifiedSince):
		since := c.Header("If-Modified-Since")
		if since == e.lastModified {
			return http.StatusNotModified // what nearly every client sends
		}
		if t, err := http.ParseTime(since); err == nil && !e.modified.After(t) {
			return http.StatusNotModified
		}
	}
	return 0
}

// listed says whether a list of entity tags holds the file's. strong refuses weak tags, RFC 9110
// section 8.8.3.2.
func (e *entry) listed(c *pipeline.Context, name string, strong bool) bool {
	left := etagsMax
	for list := range c.Values(name) {
		for ; list != "" && left > 0; left-- {
			list = strings.TrimLeft(list, " \t,")
			if strings.HasPrefix(list, "*") {
				return true
			}
			tag, weak := strings.CutPrefix(list, "W/")
			if !strings.HasPrefix(tag, `"`) {
				break // malformed from here on
			}
			end := strings.IndexByte(tag[1:], '"')
			if end < 0 {
				break
			}
			if tag[:end+2] == e.etag && !(weak && strong) {
				return true
			}
			list = tag[end+2:]
		}
	}
	return false
}

// inRange says whether Range counts: there is no If-Range, or it names this very file. RFC 9110
// section 13.1.5 wants a strong tag, or the exact date.
func (e *entry) inRange(c *pipeline.Context) bool {
	if !c.Request().Has(http1.IfRange) {
		return true
	}
	v := c.Header("If-Range")
	return v == e.etag || v == e.lastModified
}

// parseRange reads one byte range. ok false: ignore it, for it is malformed, of another unit or
// several ranges. n == 0: it cannot be satisfied.
//
// RFC 9110 section 14.1.2.
func parseRange(s string, size int64) (off, n int64, ok bool) {
	unit, spec, found := strings.Cut(s, "=")
	if !found || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return 0, 0, false
	}
	first, last, found := strings.Cut(strings.Trim(spec, " \t"), "-")
	if !found {
		return 0, 0, false
	}
	if first == "" { // the last bytes
		n, ok = number(last)
		n = min(n, size)
		return size - n, n, ok
	}
	off, ok = number(first)
	end := size - 1
	if last != "" {
		given, valid := number(last)
		if !valid || given < off {
			return 0, 0, false
		}
		end = min(end, given)
	}
	if off >= size {
		return 0, 0, ok
	}
	return off, end - off + 1, ok
}

// number reads digits only; one beyond int64 counts as the largest.
func number(s string) (int64, bool) {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	if s == "" {
		return 0, false
	}
	n, _ := strconv.ParseInt(s, 10, 64) // digits only: an error means n is the largest there is
	return n, true
}

func contentRange(off, n, size int64) string {
	b := append(make([]byte, 0, 64), "bytes "...)
	b = strconv.AppendInt(b, off, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, off+n-1, 10)
	b = append(b, '/')
	return string(strconv.AppendInt(b, size, 10))
}
