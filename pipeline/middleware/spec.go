// Package middleware has the middlewares that come with Weir, one a file. Each exports a Spec, by
// which configuration finds it and knows its options; in Go code the options structs serve
// directly:
//
//	m, err := middleware.RequestID{Trust: "proxies"}.Build()
package middleware

import "weir/pipeline"

// Spec describes one middleware to configuration.
type Spec struct {
	Name  string         // in a middleware list: "request-id"
	Class Class          // where in a chain it belongs
	New   func() Options // a pointer to an options struct with its defaults, to decode into
}

// Options is an options struct: its fields carry yaml tags.
type Options interface {
	// Build checks the options and makes the middleware. An error names the key.
	Build() (pipeline.Middleware, error)
}

// Class orders middlewares from the outside in: one of a higher class outside one of a lower class
// is likely a mistake. systems.md section 7b; the gaps are for what is not built yet.
type Class uint8

// Classes.
const (
	ClassIdentity Class = 10 // gives the exchange its name: before anything that logs
	ClassErrors   Class = 40 // sees the failures of all inside
	ClassFields   Class = 60 // fields of every response, also of errors made further in
)

// Specs returns all middlewares of this package, sorted by name.
func Specs() []Spec { return []Spec{HeadersSpec, RecovererSpec, RequestIDSpec} }
