package middleware

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"weir/pipeline"
)

// RecovererSpec is recover in configuration.
var RecovererSpec = Spec{
	Name: "recover", Class: ClassErrors, New: func() Options { return new(Recoverer) },
}

// Recoverer shapes the page that answers a panic of a handler. The recovering itself, the log line
// and the status 500 are Weir's, with or without this middleware: what runs behind a chain
// (streams, posted functions, workers' answers) is not on its stack. The zero value keeps the short
// text.
type Recoverer struct {
	// Page is the body. {status}, {reason} and {request_id} are replaced.
	Page string `yaml:"page"`
	// File is read at start instead of Page.
	File string `yaml:"file"`
	// ContentType is the page's; default text/html; charset=utf-8.
	ContentType string `yaml:"content_type"`
}

const pageMax = 64 << 10 // bytes of an error page: one is built per failure, in the response buffer

// Build makes the middleware.
func (o Recoverer) Build() (pipeline.Middleware, error) {
	text, err := o.text()
	if err != nil {
		return nil, err
	}
	contentType := o.ContentType
	if contentType == "" {
		contentType = "text/html; charset=utf-8"
	}
	if err := new(pipeline.Fields).Add("Content-Type", contentType); err != nil {
		return nil, fmt.Errorf("recover: content_type %q: %w", contentType, err)
	}
	if text == "" {
		return func(next pipeline.Handler) pipeline.Handler { return next }, nil
	}
	parts := cutPage(text)
	page := func(
		c *pipeline.Context, dst []byte, status int, reason pipeline.Reason,
	) ([]byte, string) {
		if reason != pipeline.HandlerPanic {
			return pipeline.PlainPage(c, dst, status, reason)
		}
		for _, p := range parts {
			dst = p.append(c, dst, status, reason)
		}
		return dst, contentType
	}
	return func(next pipeline.Handler) pipeline.Handler {
		return func(c *pipeline.Context) {
			c.SetErrorPage(page)
			next(c)
		}
	}, nil
}

func (o Recoverer) text() (string, error) {
	text := o.Page
	switch {
	case o.File != "" && o.Page != "":
		return "", fmt.Errorf("recover: page and file exclude each other")
	case o.File != "":
		b, err := os.ReadFile(o.File)
		if err != nil {
			return "", fmt.Errorf("recover: file: %w", err)
		}
		text = string(b)
	}
	if len(text) > pageMax {
		return "", fmt.Errorf("recover: page of %d bytes: want at most %d", len(text), pageMax)
	}
	return text, nil
}

// part is a piece of a page: literal text, or the name of a placeholder.
type part struct {
	text string
	name bool
}

var placeholders = []string{"{status}", "{reason}", "{request_id}"}

// cutPage splits a page at its placeholders; braces that are none stay.
func cutPage(text string) (parts []part) {
	for text != "" {
		at, found := len(text), ""
		for _, p := range placeholders {
			if i := strings.Index(text, p); i >= 0 && i < at {
				at, found = i, p
			}
		}
		parts = append(parts, part{text: text[:at]}, part{found, true})
		text = text[at+len(found):]
	}
	return parts
}

func (p part) append(c *pipeline.Context, dst []byte, status int, reason pipeline.Reason) []byte {
	switch {
	case !p.name:
		return append(dst, p.text...)
	case p.text == "{status}":
		return strconv.AppendInt(dst, int64(status), 10)
	case p.text == "{reason}":
		return append(dst, reason.String()...)
	case p.text == "{request_id}":
		return appendEscaped(dst, c.RequestID())
	}
	return dst
}

// appendEscaped appends s, which may come from a client, so that it is text in HTML.
func appendEscaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '<', '>', '&', '"', '\'':
			dst = append(dst, "&#"...)
			dst = strconv.AppendInt(dst, int64(s[i]), 10)
			dst = append(dst, ';')
		default:
			dst = append(dst, s[i])
		}
	}
	return dst
}
