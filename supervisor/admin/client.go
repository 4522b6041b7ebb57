package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Client speaks to one instance.
type Client struct {
	http   http.Client
	socket string
}

// NewClient is a client of the instance whose admin socket is at path. It connects when it is used.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		d := net.Dialer{Timeout: dialTimeout}
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{socket: path, http: http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
	}}
}

// Error is the instance's refusal. It wraps ErrUnknownPool, ErrUnknownWorker, ErrConflict or
// ErrRefused where that is the case.
type Error struct {
	Status  int    // HTTP status
	Code    string // see the package comment
	Message string
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Is lets errors.Is see the sentinel that the server saw.
func (e *Error) Is(target error) bool {
	switch e.Code {
	case "unknown-pool":
		return target == ErrUnknownPool
	case "unknown-worker":
		return target == ErrUnknownWorker
	case "conflict":
		return target == ErrConflict
	case "refused":
		return target == ErrRefused
	}
	return false
}

// Status asks what the instance is now.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	s := new(Status)
	return s, c.do(ctx, http.MethodGet, "/v1/status", s)
}

// Recycle replaces every worker of pool. With wait it returns when that has happened.
func (c *Client) Recycle(ctx context.Context, pool string, wait bool) error {
	return c.Act(ctx, Action{Verb: VerbRecycle, Pool: pool}, wait)
}

// Reload applies the configuration anew. With wait it returns when it is in force.
func (c *Client) Reload(ctx context.Context, wait bool) error {
	return c.post(ctx, "/v1/reload", wait)
}

// Shutdown drains the instance. With wait it returns when it has ended.
func (c *Client) Shutdown(ctx context.Context, wait bool) error {
	err := c.post(ctx, "/v1/shutdown", wait)
	if wait && ctx.Err() == nil && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return nil // it ended before it could say so
	}
	return err
}

func (c *Client) post(ctx context.Context, path string, wait bool) error {
	if !wait {
		mark := "?"
		if strings.Contains(path, mark) {
			mark = "&"
		}
		path += mark + "wait=false"
	}
	return c.do(ctx, http.MethodPost, path, new(Done))
}

func (c *Client) do(ctx context.Context, method, path string, answer any) error {
	r, err := http.NewRequestWithContext(ctx, method, "http://weir"+path, nil)
	if err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		if ue := (*url.Error)(nil); errors.As(err, &ue) {
			err = ue.Err // the URL is not one that a person knows
		}
		return fmt.Errorf("admin: %s: %w", c.socket, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end or given up
	b, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	if err != nil {
		return fmt.Errorf("admin: %s: %w", c.socket, err)
	}
	if resp.StatusCode/100 == 2 {
		return json.Unmarshal(b, answer)
	}
	var f failure
	if err := json.Unmarshal(b, &f); err != nil || f.Error.Code == "" {
		return &Error{resp.StatusCode, "failed", resp.Status}
	}
	return &Error{resp.StatusCode, f.Error.Code, f.Error.Message}
}
