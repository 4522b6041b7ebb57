package weir

import (
	"encoding/json"
	"fmt"
	"reflect"

	"weir/pipeline"
	"weir/supervisor/config"
)

// chain wraps h in a site's middleware, the first of the list outermost.
func (r registry) chain(h pipeline.Handler, site *config.Site) (pipeline.Handler, error) {
	for i := len(site.Middleware) - 1; i >= 0; i-- {
		m, err := r.middleware(&site.Middleware[i])
		if err != nil {
			return nil, fmt.Errorf("weir: site %s: middleware %s: %w", site.Name,
				site.Middleware[i].Name, err)
		}
		h = m(h)
	}
	return h, nil
}

// middleware makes one from a copy of its options struct.
func (r registry) middleware(c *config.Middleware) (pipeline.Middleware, error) {
	proto := r.prototype(c.Name)
	if proto == nil {
		return nil, fmt.Errorf("unknown in this binary")
	}
	v := reflect.ValueOf(proto)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	own := reflect.New(v.Type())
	own.Elem().Set(v)
	if len(c.Options) > 0 {
		if err := json.Unmarshal(c.Options, own.Interface()); err != nil {
			return nil, err
		}
	}
	b, ok := own.Interface().(builder)
	if !ok {
		return nil, fmt.Errorf("its options have no Build method")
	}
	return b.Build()
}
