package pipeline_test

import (
	"fmt"
	"net/http"

	"weir/pipeline"
)

// A chain with a middleware, a branch that runs a net/http handler, and an answer made on the loop.
func ExampleBuilder() {
	poweredBy := func(next pipeline.Handler) pipeline.Handler {
		return func(c *pipeline.Context) {
			_ = c.SetHeader("X-Powered-By", "Weir")
			next(c)
		}
	}
	b := pipeline.New().Use(poweredBy)
	b.Map("/files", func(b *pipeline.Builder) {
		b.Run(pipeline.FromHTTP(http.FileServer(http.Dir("."))))
	})
	b.Run(func(c *pipeline.Context) { c.Text(http.StatusOK, "Hello, "+c.Path()+"\n") })
	handler, err := b.Build()
	fmt.Println(handler != nil, err)

	_, err = pipeline.New().Use(poweredBy).Build()
	fmt.Println(err)
	// Output:
	// true <nil>
	// pipeline: chain without Run: end it with Run(pipeline.NotFoundHandler) if nothing else is to answer
}
