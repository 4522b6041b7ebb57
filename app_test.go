package weir

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"weir/pipeline"
	"weir/supervisor/config"
)

// stamp is a program's own middleware.
type stamp struct{ Value string }

func (s stamp) Build() (pipeline.Middleware, error) {
	if s.Value == "bad" {
		return nil, errors.New("a bad value")
	}
	return func(next pipeline.Handler) pipeline.Handler { return next }, nil
}

func text(body string) Setup {
	return func(_ context.Context, b *pipeline.Builder) error {
		b.Run(func(c *pipeline.Context) { c.Text(200, body) })
		return nil
	}
}

var errSetup = errors.New("no database")

func TestAppBuild(t *testing.T) {
	a := &App{Name: "main", Setup: text("main"), Handlers: map[string]Setup{
		"other":  text("other"),
		"broken": func(context.Context, *pipeline.Builder) error { return errSetup },
		"empty":  func(context.Context, *pipeline.Builder) error { return nil },
	}}
	for name, want := range map[string]string{
		"main": "", "other": "", "broken": "weir: handler broken: no database",
		"empty": "weir: handler empty: ", "none": "weir: handler none: no such handler in this binary",
	} {
		h, err := a.build(t.Context(), name)
		switch {
		case want == "" && (err != nil || h == nil):
			t.Errorf("build(%s) = %v; want a handler", name, err)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("build(%s) = %v; want %s", name, err, want)
		}
		if got := (registry{a}).Handler(name); got != (name != "none") {
			t.Errorf("Handler(%s) = %t", name, got)
		}
	}
}

func TestRegistryMiddleware(t *testing.T) {
	r := registry{&App{Middleware: map[string]any{"stamp": stamp{"default"}, "odd": 7}}}
	names := r.MiddlewareNames()
	if !slices.IsSorted(names) || !slices.Contains(names, "stamp") || !slices.Contains(names, "headers") {
		t.Errorf("MiddlewareNames() = %q; want own and built-in ones, sorted", names)
	}
	for _, tt := range []struct{ name, options, want string }{
		{"stamp", "", ""},
		{"stamp", `{"Value":"x"}`, ""},
		{"stamp", `{"Value":"bad"}`, "a bad value"},
		{"odd", "", "no Build method"},
		{"none", "", "unknown in this binary"},
	} {
		c := &config.Middleware{Name: tt.name}
		if tt.options != "" {
			c.Options = []byte(tt.options)
		}
		_, err := r.middleware(c)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("middleware(%s %s) = %v; want %q", tt.name, tt.options, err, tt.want)
		}
	}
	if p, _ := r.Middleware("stamp"); p != (stamp{"default"}) {
		t.Errorf("the prototype has become %+v", p)
	}
}
