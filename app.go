package weir

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"weir/pipeline"
	"weir/pipeline/middleware"
	"weir/supervisor/config"
)

// Setup composes an application: it adds middleware and handlers to b. It runs in the process that
// hosts the application, a front or a worker, never in the supervisor. ctx ends with that process,
// whose environment is the supervisor's without Weir's own variables.
type Setup func(ctx context.Context, b *pipeline.Builder) error

// App is a program's own part of a server.
type App struct {
	// Name is what a configuration file calls the application: `handler: NAME`. Letters, digits,
	// '-', '_' and '.'.
	Name string
	// Setup composes the application that is served when no other content is given. nil: the program
	// serves commands, files and fixed texts, and its demo.
	Setup Setup
	// Handlers are further applications, by the name that `handler:` uses.
	Handlers map[string]Setup
	// Middleware are the program's own, by the name that `middleware:` uses: an options struct, or a
	// pointer to one, that holds the defaults and has Build() (pipeline.Middleware, error).
	Middleware map[string]any
}

// errNoHandler: a configuration from elsewhere names a handler that this binary does not have.
var errNoHandler = errors.New("no such handler in this binary")

// setup finds the application of that name.
func (a *App) setup(name string) Setup {
	if name == a.Name && a.Setup != nil {
		return a.Setup
	}
	return a.Handlers[name]
}

// build composes the application of that name.
func (a *App) build(ctx context.Context, name string) (pipeline.Handler, error) {
	setup := a.setup(name)
	if setup == nil {
		return nil, fmt.Errorf("weir: handler %s: %w", name, errNoHandler)
	}
	b := pipeline.New()
	if err := setup(ctx, b); err != nil {
		return nil, fmt.Errorf("weir: handler %s: %w", name, err)
	}
	h, err := b.Build()
	if err != nil {
		return nil, fmt.Errorf("weir: handler %s: %w", name, err)
	}
	return h, nil
}

// builder is what an options struct of a middleware can do.
type builder interface {
	Build() (pipeline.Middleware, error)
}

// registry tells configuration which middleware and handlers exist.
type registry struct{ app *App }

// prototype is the options struct of a middleware with its defaults; nil when there is none.
func (r registry) prototype(name string) any {
	if p, ok := r.app.Middleware[name]; ok {
		return p
	}
	for _, s := range middleware.Specs() {
		if s.Name == name {
			return s.New()
		}
	}
	return nil
}

// Middleware implements config.Registry.
func (r registry) Middleware(name string) (any, bool) {
	p := r.prototype(name)
	return p, p != nil
}

// MiddlewareNames implements config.Registry.
func (r registry) MiddlewareNames() []string {
	names := slices.Collect(maps.Keys(r.app.Middleware))
	for _, s := range middleware.Specs() {
		if _, own := r.app.Middleware[s.Name]; !own {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Handler implements config.Registry.
func (r registry) Handler(name string) bool { return r.app.setup(name) != nil }

// hosts reports whether a front that serves c runs code of the program's own.
func (r registry) hosts(c *config.Config) bool {
	for i := range c.Sites {
		s := &c.Sites[i]
		for j := range s.Middleware {
			if _, own := r.app.Middleware[s.Middleware[j].Name]; own {
				return true
			}
		}
		for j := range s.Apps {
			if s.Apps[j].Kind() == config.AppHandler {
				return true
			}
		}
	}
	return false
}
