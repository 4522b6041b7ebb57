package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// bulkStall is how long a slow peer takes nothing at all, which fills every buffer on the way, and
// bulkRate what it takes per second afterwards: less than the other side could send.
const (
	bulkStall = 500 * time.Millisecond
	bulkRate  = 300 << 20
)

// pacer is a slow peer's end of a stream.
type pacer struct {
	from io.Reader
	tick *time.Ticker
	left int // bytes that may be read before the next tick
}

const pacerTick = 5 * time.Millisecond

func newPacer(r io.Reader, stall time.Duration) *pacer {
	<-time.After(stall)
	return &pacer{from: r, tick: time.NewTicker(pacerTick)}
}

// Read implements io.Reader.
func (p *pacer) Read(b []byte) (int, error) {
	for p.left <= 0 {
		<-p.tick.C
		p.left += bulkRate / int(time.Second/pacerTick)
	}
	n, err := p.from.Read(b[:min(len(b), p.left)])
	p.left -= n
	return n, err
}

// discard reads r to its end with a buffer of its own.
func discard(r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 64<<10))
}

// bulkHandlers are a worker's ends of a bulk transfer: each is the slow one of an upload, or as fast
// as it can be.
func bulkHandlers(m *http.ServeMux) {
	m.HandleFunc("/bulk/take", func(w http.ResponseWriter, r *http.Request) {
		n, err := discard(newPacer(r.Body, bulkStall))
		fmt.Fprintln(w, n, err)
	})
	m.HandleFunc("/bulk/give", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.ParseInt(r.FormValue("bytes"), 10, 64) // 0 shows in the test
		if r.FormValue("chunked") == "" {
			w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		}
		_, _ = io.CopyN(w, zeros{}, n) // a cut one shows in the test
	})
}

// zeros is a source without end.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// echoTrailers answers with the body and the trailers of its request.
func echoTrailers(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body) // a cut one shows in the test
	for name, values := range r.Trailer {
		for _, v := range values {
			w.Header().Add(http.TrailerPrefix+name, v)
		}
	}
	_, _ = w.Write(b) // the front is gone: nobody to tell
}
