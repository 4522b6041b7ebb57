//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
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

// TestBulk: a body far larger than memory should hold goes each way to a peer that is slow to take
// it, and all of it arrives; the front grows by a few buffers. -bulk says how large.
func TestBulk(t *testing.T) {
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
