//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/supervisor/admin"
)

// bulkMiB is the size of the bodies of TestBulk:
//
//	go test ./cmd/weir -run TestBulk -bulk 2048
var bulkMiB = flag.Int("bulk", 256, "MiB of the bodies that TestBulk sends each way")

// bulkGrowthMax is by how much a front may grow while it relays a body of any size.
const bulkGrowthMax = 16 << 20

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

// TestBulk: a body far larger than memory should hold goes each way to a peer that is slow to take
// it, and all of it arrives; the front grows by a few buffers. -bulk says how large.
func TestBulk(t *testing.T) {
	t.Parallel()
	in := start(t, "--listen", "127.0.0.1:0", "--loops", "1", "--max-body-bytes", "off",
		"--", "testworker")
	size := int64(*bulkMiB) << 20
	if testing.Short() {
		size = min(size, 64<<20)
	}
	for _, tc := range []struct {
		desc string
		run  func(*testing.T, *instance, int64) string
	}{
		{"upload", bulkUp("Content-Length: %[1]d", false)},
		{"chunked upload", bulkUp("Transfer-Encoding: chunked", true)},
		{"download", bulkDown("")},
		{"chunked download", bulkDown("&chunked=1")},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			pid := in.status().Fronts[0].PID
			resetPeak(t, pid)
			before := memory(t, pid, "VmRSS")
			began := time.Now()
			if got, want := tc.run(t, in, size), fmt.Sprint(size, " <nil>"); got != want {
				t.Errorf("%s of %d bytes: %s arrived; want %s", tc.desc, size, got, want)
			}
			grown := memory(t, pid, "VmHWM") - before
			if grown >= bulkGrowthMax {
				t.Errorf("the front grew by %d KiB; want less than 16 MiB", grown>>10)
			}
			t.Logf("%d MiB in %v, the front grew by %d KiB", size>>20,
				time.Since(began).Round(time.Millisecond), grown>>10)
			in.until("the worker free", func(s *admin.Status) bool { return !inFlight(s) })
		})
	}
}

// resetPeak makes the peak of a process's resident memory what it is now.
func resetPeak(t *testing.T, pid int) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		t.Skipf("the peak of another process cannot be reset here: %v", err)
	}
}

// bulkUp sends as fast as it can to a worker that is slow.
func bulkUp(framing string, chunked bool) func(*testing.T, *instance, int64) string {
	return func(t *testing.T, in *instance, size int64) string {
		c := bulkDial(t, in)
		head := framing
		if !chunked {
			head = fmt.Sprintf(framing, size)
		}
		c.send("POST /bulk/take HTTP/1.1\r\nHost: x\r\n" + head + "\r\n\r\n")
		body := io.LimitReader(zeros{}, size)
		if chunked {
			piece := make([]byte, 64<<10)
			for left := size; left > 0; left -= int64(len(piece)) {
				c.send(fmt.Sprintf("%x\r\n", len(piece)))
				if _, err := c.Write(piece); err != nil {
					t.Fatalf("write: %v", err)
				}
				c.send("\r\n")
			}
			c.send("0\r\n\r\n")
		} else if _, err := io.Copy(c, body); err != nil {
			t.Fatalf("write: %v", err)
		}
		got, _ := c.answer("POST")
		return strings.TrimSpace(strings.TrimPrefix(got, "200 "))
	}
}

// bulkDown reads slowly what a worker sends as fast as it can.
func bulkDown(query string) func(*testing.T, *instance, int64) string {
	return func(t *testing.T, in *instance, size int64) string {
		c := bulkDial(t, in)
		c.send(fmt.Sprintf("GET /bulk/give?bytes=%d%s HTTP/1.1\r\nHost: x\r\n\r\n", size, query))
		resp, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Fatalf("response: %v", err)
		}
		n, err := discard(newPacer(resp.Body, bulkStall))
		return fmt.Sprint(n, " ", err)
	}
}

// bulkDial is talk for as long as a bulk transfer takes.
func bulkDial(t *testing.T, in *instance) *talk {
	c := in.talk(t)
	_ = c.SetDeadline(time.Now().Add(10 * patience)) // a fresh socket takes one
	return c
}
