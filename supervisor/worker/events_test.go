package worker

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEventsArrive: a server-sent event is with the client as soon as its handler flushes it; half of
// them at least within 50 ms, on a machine that may be busy with something else.
func TestEventsArrive(t *testing.T) {
	for _, mode := range tunnelModes {
		t.Run(mode, func(t *testing.T) {
			next := make(chan time.Time)
			addr, _ := tunnelled(t, mode, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				rc := http.NewResponseController(w)
				_ = rc.Flush()
				for at := range next {
					_, _ = fmt.Fprintf(w, "data: %d\n\n", at.UnixNano())
					_ = rc.Flush()
				}
			}))
			c := dialled(t, addr)
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(resp.Body)
			var took []time.Duration
			for range 21 {
				sent := time.Now()
				next <- sent
				if !lines.Scan() || lines.Text() != fmt.Sprint("data: ", sent.UnixNano()) {
					t.Fatalf("got %q, %v", lines.Text(), lines.Err())
				}
				took = append(took, time.Since(sent))
				if !lines.Scan() || strings.TrimSpace(lines.Text()) != "" {
					t.Fatalf("got %q, %v; want the end of the event", lines.Text(), lines.Err())
				}
			}
			close(next)
			slices.Sort(took)
			if took[len(took)/2] > 50*time.Millisecond {
				t.Errorf("events took %v", took)
			}
		})
	}
}
