package middleware

import (
	"fmt"
	"maps"
	"slices"

	"weir/pipeline"
)

// HeadersSpec is headers in configuration.
var HeadersSpec = Spec{
	Name: "headers", Class: ClassFields, New: func() Options { return new(Headers) },
}

// Headers changes the fields of every response that passes: of handlers, of workers, and of errors.
// It removes first, then sets, then adds. The zero value changes nothing.
type Headers struct {
	Set    map[string]string   `yaml:"set"`    // replaces all fields of the name
	Add    map[string][]string `yaml:"add"`    // adds fields
	Remove []string            `yaml:"remove"` // removes all fields of the name
}

// change is one configured field.
type change struct{ name, value string }

// Build makes the middleware. Names and values are checked here; fields that belong to the
// connection are refused.
func (o Headers) Build() (pipeline.Middleware, error) {
	var set, add []change
	for _, name := range slices.Sorted(maps.Keys(o.Set)) {
		set = append(set, change{name, o.Set[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(o.Add)) {
		for _, value := range o.Add[name] {
			add = append(add, change{name, value})
		}
	}
	remove := slices.Clone(o.Remove)
	for key, changes := range map[string][]change{"set": set, "add": add, "remove": named(remove)} {
		for _, ch := range changes {
			if err := new(pipeline.Fields).Add(ch.name, ch.value); err != nil {
				return nil, fmt.Errorf("headers: %s: %q: %w", key, ch.name, err)
			}
		}
	}
	onStarting := func(c *pipeline.Context) {
		for _, name := range remove {
			_ = c.DelHeader(name) // the response is starting: it can change
		}
		for _, ch := range set {
			_ = c.SetHeader(ch.name, ch.value) // checked; with 256 fields there it is left out
		}
		for _, ch := range add {
			_ = c.AddHeader(ch.name, ch.value) // as above
		}
	}
	return func(next pipeline.Handler) pipeline.Handler {
		return func(c *pipeline.Context) {
			_ = c.OnStarting(onStarting) // a started response has its fields
			next(c)
		}
	}, nil
}

func named(names []string) (changes []change) {
	for _, n := range names {
		changes = append(changes, change{name: n})
	}
	return changes
}
