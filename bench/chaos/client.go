package chaos

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	answerMax = 20 * time.Second // for one answer: longer than every clock of the instance
	bodyMax   = 1 << 10          // bytes of an answer
)

// exchange is one request and what became of it.
type exchange struct {
	method     string
	start, end time.Time
	status     int    // 0: no answer
	reason     string // X-Weir-Reason
	err        error
	wrong      bool // the answer was another request's

	// lost is when the connection was opened that ended before the request was sent on it; the
	// answer then came on another. Zero: none did.
	lost time.Time
}

// client asks without pause on one connection, and opens another when that has ended.
type client struct {
	addr  string
	name  string
	posts int
	tell  func(*exchange)

	conn  net.Conn
	r     *bufio.Reader
	since time.Time // when conn was opened
	used  bool      // conn has had an answer
	n     int
}

func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		c.n++
		x := c.ask()
		c.tell(x)
	}
	c.hangUp()
}

func (c *client) hangUp() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing is in flight
		c.conn = nil
	}
}

func (c *client) ask() *exchange {
	x := &exchange{method: "GET", start: time.Now()}
	if c.posts > 0 && c.n%c.posts == 0 {
		x.method = "POST"
	}
	used := c.used
	begun, err := c.once(x)
	if err != nil && used && !begun && errors.Is(err, errEnded) && x.method == "GET" {
		// The connection may have ended before the request was sent: a client asks again on another.
		// Whether it may have ended at all is judged later.
		x.lost = c.since
		c.hangUp()
		_, err = c.once(x)
	}
	x.end = time.Now()
	if x.err = err; err != nil {
		c.hangUp()
	}
	return x
}

// errEnded: the connection ended without a byte of an answer.
var errEnded = errors.New("connection ended without an answer")

// once sends the request; begun says whether a byte of an answer came.
func (c *client) once(x *exchange) (begun bool, err error) {
	if c.conn == nil {
		if c.conn, err = net.DialTimeout("tcp", c.addr, answerMax); err != nil {
			return false, fmt.Errorf("connect: %w", err)
		}
		c.r, c.since, c.used = bufio.NewReader(c.conn), time.Now(), false
	}
	if err := c.conn.SetDeadline(time.Now().Add(answerMax)); err != nil {
		return false, err
	}
	want := fmt.Sprintf("%s-%d", c.name, c.n)
	length := ""
	if x.method == "POST" {
		length = "Content-Length: 0\r\n"
	}
	req := x.method + " /echo/" + want + " HTTP/1.1\r\nHost: chaos\r\n" + length + "\r\n"
	if _, err := io.WriteString(c.conn, req); err != nil {
		return false, fmt.Errorf("%w: %w", errEnded, err)
	}
	if _, err := c.r.Peek(1); err != nil {
		var n net.Error
		if errors.As(err, &n) && n.Timeout() {
			return false, fmt.Errorf("no answer within %s", answerMax)
		}
		return false, fmt.Errorf("%w: %w", errEnded, err)
	}
	return true, c.answer(x, want)
}

func (c *client) answer(x *exchange, want string) error {
	resp, err := http.ReadResponse(c.r, &http.Request{Method: x.method})
	if err != nil {
		return fmt.Errorf("broken answer: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyMax))
	if err != nil {
		return fmt.Errorf("cut answer: %w", err)
	}
	c.used = true
	x.status, x.reason = resp.StatusCode, resp.Header.Get("X-Weir-Reason")
	x.wrong = resp.StatusCode == 200 && strings.TrimSpace(string(body)) != want
	if resp.Close {
		c.hangUp()
	}
	return nil
}
