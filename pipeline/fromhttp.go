package pipeline

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// FromHTTP makes a Handler of a net/http handler, to run as Blocking. It gets an ordinary request:
// a streamed body, a context that ends with the exchange, trailers; URL.Path is the path without
// PathBase. Its ResponseWriter implements Flusher, io.StringWriter, what ResponseController asks for a
// flush and full duplex, and Hijacker for CONNECT and for requests that offer protocols to switch to,
// which is what WebSocket libraries need (the handler may hold the connection like any other until it
// closes it).
// Fields that belong to the connection are the exchange's: "Connection: close" is obeyed, the others
// are dropped.
func FromHTTP(h http.Handler) Handler {
	if h == nil {
		panic("pipeline: FromHTTP(nil)")
	}
	return adapt(func(c *Context, body io.Reader) {
		r, err := httpRequest(c, body)
		if err != nil {
			c.Fail(http.StatusBadRequest, ReasonURL)
			return
		}
		w := &responseWriter{c: c, header: make(http.Header)}
		if c.run == nil { // else run.exit sees to it
			defer abortQuietly(c)
		}
		h.ServeHTTP(w, r)
		w.end()
	})
}

// abortQuietly makes Abort of http.ErrAbortHandler, net/http's way to give up without a report. Other
// panics go on.
func abortQuietly(c *Context) {
	switch v := recover(); v {
	case nil:
	case http.ErrAbortHandler:
		c.Abort(http.StatusInternalServerError, HandlerError)
	default:
		panic(v)
	}
}

// httpRequest is c as a request of net/http. It copies what it takes: handlers keep requests.
func httpRequest(c *Context, body io.Reader) (*http.Request, error) {
	target := strings.Clone(c.RawTarget())
	u, err := httpURL(c, target)
	if err != nil {
		return nil, err
	}
	r := &http.Request{
		Method: strings.Clone(c.Method()), URL: u, RequestURI: target,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: c.r.Minor,
		Host: strings.Clone(c.Host()), RemoteAddr: "@", // as net/http for a Unix socket
		Close: !c.r.KeepAlive, ContentLength: max(c.r.ContentLength, 0), Body: http.NoBody,
	}
	if c.r.Minor == 0 {
		r.Proto = "HTTP/1.0"
	}
	if c.Peer().IsValid() {
		r.RemoteAddr = c.Peer().String()
	}
	r.Header = httpHeader(c, r)
	if c.r.Chunked {
		r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
	}
	if c.r.HasBody() {
		r.Body = &httpBody{c: c, r: r, from: body}
	}
	return r.WithContext(c.Context()), nil
}

// httpURL parses the target, with the path below PathBase.
func httpURL(c *Context, target string) (*url.URL, error) {
	if c.r.Target()[0] != '/' && c.Method() == "CONNECT" {
		return &url.URL{Host: target}, nil
	}
	u, err := url.ParseRequestURI(target)
	if err != nil || c.base == 0 {
		return u, err
	}
	path := strings.Clone(c.Path())
	if path == "" {
		path = "/"
	}
	u.Path, u.RawPath = path, ""
	if strings.Contains(path, "%2F") { // the one escape that Path keeps
		u.Path = strings.ReplaceAll(path, "%2F", "/")
		u.RawPath = strings.ReplaceAll((&url.URL{Path: path}).EscapedPath(), "%252F", "%2F")
	}
	return u, nil
}

// httpHeader copies the fields; Host and framing are told otherwise, as net/http does.
func httpHeader(c *Context, r *http.Request) http.Header {
	h := make(http.Header, c.r.NumFields())
	for name, value := range c.RequestFields() {
		key := http.CanonicalHeaderKey(name)
		switch key {
		case "Host", "Transfer-Encoding":
		case "Trailer":
			r.Trailer = declaredTrailers(r.Trailer, value)
		default:
			h[strings.Clone(key)] = append(h[key], strings.Clone(value))
		}
	}
	if c.r.Upgrade && h["Connection"] == nil { // libraries look for it
		h["Connection"] = []string{"Upgrade"}
	}
	return h
}

func declaredTrailers(h http.Header, list string) http.Header {
	if h == nil {
		h = make(http.Header)
	}
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.Clone(trimSpace(name)); validName(name) && !isFraming(name) {
			h[http.CanonicalHeaderKey(name)] = nil
		}
	}
	return h
}

// httpBody is the request body; at its end it fills in the trailers.
type httpBody struct {
	c    *Context
	r    *http.Request
	from io.Reader
}

// Read reads the body. After the handler returned it gives ErrEnded.
func (b *httpBody) Read(p []byte) (int, error) {
	if b.from == nil {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.from.Read(p)
	if err == io.EOF && b.c != nil {
		for name, value := range b.c.RequestTrailers().All() {
			if b.r.Trailer == nil {
				b.r.Trailer = make(http.Header)
			}
			b.r.Trailer.Add(strings.Clone(name), strings.Clone(value))
		}
		b.c = nil
	}
	return n, err
}

// Close gives the body up.
func (b *httpBody) Close() error {
	b.from = nil
	return nil
}

// responseWriter is a Context as an http.ResponseWriter.
type responseWriter struct {
	c       *Context
	header  http.Header
	wrote   bool     // WriteHeader was called with a final status
	sniffed bool     // the first body bytes were looked at
	told    []string // keys of declared trailers
	// switching is the status that begins a tunnel, if it is one: Hijack is to follow.
	switching int
}

var errHandlerDone = errors.New("pipeline: ResponseWriter used after its handler returned")

// Header is the response header; changes count until WriteHeader.
func (w *responseWriter) Header() http.Header { return w.header }

// WriteHeader sets status and fields; 1xx go out at once.
func (w *responseWriter) WriteHeader(status int) {
	if w.wrote || w.c == nil {
		return // superfluous, as in net/http
	}
	if status < 100 || status > 999 {
		panic("pipeline: invalid WriteHeader code")
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		if status != http.StatusContinue { // reading the body sends that
			var f Fields
			w.addTo(f.Add)
			_ = w.c.Inform(status, &f) // a lost hint, when the response has started
		}
		return
	}
	w.wrote = true
	w.told = nil
	for name := range declaredTrailers(nil, strings.Join(w.header["Trailer"], ",")) {
		w.told = append(w.told, name)
	}
	if w.c.asTunnel(status) {
		w.switching = status
	} else {
		_ = w.c.SetStatus(status) // not started: only this writer starts it
	}
	w.addTo(w.c.AddHeader)
}

// addTo adds the header's fields but trailers. A field that cannot be sent is left out.
func (w *responseWriter) addTo(add func(name, value string) error) {
	for name, values := range w.header {
		if strings.HasPrefix(name, http.TrailerPrefix) || w.isTrailer(name) {
			continue
		}
		for _, v := range values {
			_ = add(name, v) // see above
		}
	}
}

func (w *responseWriter) isTrailer(name string) bool {
	for _, t := range w.told {
		if t == name {
			return true
		}
	}
	return false
}

// Write writes body bytes.
func (w *responseWriter) Write(b []byte) (int, error) {
	if err := w.begin(b); err != nil {
		return 0, err
	}
	n, err := w.c.Write(b)
	return n, httpErr(err)
}

// WriteString is Write for a string.
func (w *responseWriter) WriteString(s string) (int, error) {
	if err := w.begin(bytesOf(s[:min(len(s), 512)])); err != nil {
		return 0, err
	}
	n, err := w.c.WriteString(s)
	return n, httpErr(err)
}

// begin sends 200 if no status was given, and finds the content type out from the first bytes.
func (w *responseWriter) begin(b []byte) error {
	if w.c == nil {
		return errHandlerDone
	}
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if s := w.c.status; w.switching != 0 || s == http.StatusNoContent || s == http.StatusNotModified {
		return http.ErrBodyNotAllowed
	}
	if !w.sniffed && len(b) > 0 {
		w.sniffed = true
		if !has(w.header, "Content-Type") && !has(w.header, "Content-Encoding") {
			_ = w.c.SetHeader("Content-Type", http.DetectContentType(b)) // too late: no type then
		}
	}
	return nil
}

func has(h http.Header, key string) bool { _, ok := h[key]; return ok }

// Flush sends what was written so far.
func (w *responseWriter) Flush() { _ = w.FlushError() } // Flusher has no way to tell

// FlushError is Flush for http.ResponseController.
func (w *responseWriter) FlushError() error {
	if w.c == nil {
		return errHandlerDone
	}
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if w.switching != 0 {
		return nil // the head goes out with Hijack
	}
	return w.c.Flush()
}

// EnableFullDuplex says that reading the request while writing the response is fine: it always is.
func (w *responseWriter) EnableFullDuplex() error { return nil }

// end completes the response when the handler has returned.
func (w *responseWriter) end() {
	switch {
	case w.c == nil:
		return // hijacked
	case w.c.connects() && (!w.wrote || w.switching != 0):
		RefuseConnect(w.c) // the handler has answered it as any request
		w.c = nil
		return
	case w.switching != 0:
		w.c.Fail(http.StatusInternalServerError, HandlerError)
		w.c = nil
		return
	}
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	for name, values := range w.header {
		bare, prefixed := strings.CutPrefix(name, http.TrailerPrefix)
		if !prefixed && !w.isTrailer(name) {
			continue
		}
		for _, v := range values {
			_ = w.c.Trailers().Add(bare, v) // a trailer that cannot be sent is left out
		}
	}
	w.c = nil
}

func httpErr(err error) error {
	if err == ErrLength {
		return http.ErrContentLength
	}
	return err
}
