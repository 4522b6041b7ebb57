// Command app is the application of the bench's hosting scenarios, written for Weir: it answers /small
// (13 bytes), in the front or in a worker, as its flags say.
package main

import (
	"context"

	"weir"
	"weir/pipeline"
)

func main() {
	weir.Main(weir.App{Name: "app", Setup: func(_ context.Context, b *pipeline.Builder) error {
		b.Map("/small", func(b *pipeline.Builder) {
			b.Run(func(c *pipeline.Context) { c.Text(200, "Hello, World!") })
		})
		b.Run(pipeline.NotFoundHandler)
		return nil
	}})
}
