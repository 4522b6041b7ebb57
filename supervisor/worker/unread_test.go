package worker

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"weir/pipeline"
)

// TestUnreadBodies: what a handler leaves of its request's body is never taken for the next request.
func TestUnreadBodies(t *testing.T) {
	part := pipeline.Blocking(func(c *pipeline.Context) {
		b := make([]byte, 10)
		_, err := io.ReadFull(c.BodyReader(), b)
		c.Text(200, fmt.Sprintf("%s %v", b, err))
	})
	stream := pipeline.Blocking(func(c *pipeline.Context) {
		_, _ = io.ReadFull(c.BodyReader(), make([]byte, 10)) // the answer is what the test looks at
		_ = c.Flush()
		_, _ = c.WriteString("streamed")
	})
	_, socket := serving(t, func(ctx context.Context) error {
		return Serve(ctx, func(c *pipeline.Context) {
			switch c.Path() {
			case "/part":
				part(c)
			case "/stream":
				stream(c)
			case "/refuse":
				c.ReadBody(10, func(c *pipeline.Context, b []byte, err error) {
					c.Text(c.Status(), fmt.Sprint(len(b), " ", err))
				})
			default:
				c.Text(200, c.Path())
			}
		})
	})
	smuggled := "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, size := range []int{1, 100, 5000} { // of smuggled requests: within a read, beyond prefetchBytes
		body := strings.Repeat(smuggled, size)
		for _, framing := range []string{
			fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body),
			fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body),
		} {
			for path, want := range map[string]string{
				"/none": "200 /none", "/part": "200 GET /smugg <nil>", "/stream": "200 streamed",
				"/refuse": "413 0 pipeline: request body too large",
			} {
				desc := fmt.Sprintf("%s, %d bytes, %.17s", path, len(body), framing)
				conn, err := net.Dial("unix", socket)
				if err != nil {
					t.Fatal(err)
				}
				if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
					t.Fatal(err)
				}
				go io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\n"+framing+ //nolint:errcheck // the answers tell
					"GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				got := answers(conn)
				if len(got) == 0 || got[0] != want {
					t.Errorf("%s: %q; want %q first", desc, got, want)
				} else if len(got) > 2 || len(got) == 2 && got[1] != "200 /next" {
					t.Errorf("%s: %q; want nothing or /next behind the answer", desc, got)
				}
				conn.Close() //nolint:errcheck // read to its end
			}
		}
	}
}

// answers reads answers until the connection ends.
func answers(conn net.Conn) (all []string) {
	r := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return all
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			b = append(b, " cut"...)
		}
		all = append(all, fmt.Sprint(resp.StatusCode, " ", string(b)))
	}
}
