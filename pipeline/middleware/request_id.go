package middleware

import (
	"fmt"

	"weir/pipeline"
)

// RequestIDSpec is request-id in configuration.
var RequestIDSpec = Spec{
	Name: "request-id", Class: ClassIdentity, New: func() Options { return new(RequestID) },
}

// RequestID gives every exchange an id, takes over that of a trusted client, and sends it back. The
// zero value works.
type RequestID struct {
	// Header is the field's name in request and response; default X-Request-Id.
	Header string `yaml:"header"`
	// Trust says whose id is believed: "proxies" (the default: a peer in trusted_proxies), "all" or
	// "none". One that is no id, over 128 bytes or not visible ASCII, is replaced.
	Trust string `yaml:"trust"`
	// Accept, if not nil, decides instead of Trust. Go code only.
	Accept pipeline.Predicate `yaml:"-" json:"-"`
}

// Build makes the middleware.
func (o RequestID) Build() (pipeline.Middleware, error) {
	name := o.Header
	if name == "" {
		name = "X-Request-Id"
	}
	if err := new(pipeline.Fields).Add(name, ""); err != nil {
		return nil, fmt.Errorf("request-id: header %q: %w", name, err)
	}
	accept := o.Accept
	if accept == nil {
		switch o.Trust {
		case "", "proxies":
			accept = (*pipeline.Context).PeerTrusted
		case "all":
			accept = func(*pipeline.Context) bool { return true }
		case "none":
			accept = func(*pipeline.Context) bool { return false }
		default:
			return nil, fmt.Errorf("request-id: trust %q: want proxies, all or none", o.Trust)
		}
	}
	onStarting := func(c *pipeline.Context) {
		_ = c.SetHeader(name, c.RequestID()) // both checked; with 256 fields there it is left out
	}
	return func(next pipeline.Handler) pipeline.Handler {
		return func(c *pipeline.Context) {
			if id := c.Header(name); id != "" && accept(c) {
				c.SetRequestID(id)
			}
			_ = c.OnStarting(onStarting) // a started response has its fields
			next(c)
		}
	}, nil
}
