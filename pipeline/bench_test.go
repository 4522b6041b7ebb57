package pipeline_test

import (
	"testing"

	"weir/pipeline"
	"weir/pipeline/pipelinetest"
)

var benchKey = pipeline.NewKey[*int]("pipeline_test.bench")

// plaintextChain is three middlewares, one using each hook, around a text.
func plaintextChain(tb testing.TB) pipeline.Handler {
	tb.Helper()
	value := new(int)
	onStarting := func(c *pipeline.Context) { _ = c.SetHeader("X-Frame-Options", "DENY") }
	onCompleted := func(c *pipeline.Context, _ pipeline.Outcome) {
		if _, ok := benchKey.Get(c); !ok {
			tb.Error("key lost")
		}
	}
	b := pipeline.New()
	b.Use(func(next pipeline.Handler) pipeline.Handler {
		return func(c *pipeline.Context) {
			_ = c.OnStarting(onStarting)
			next(c)
		}
	})
	b.Use(func(next pipeline.Handler) pipeline.Handler {
		return func(c *pipeline.Context) {
			benchKey.Set(c, value)
			c.OnCompleted(onCompleted)
			next(c)
		}
	})
	b.Use(func(next pipeline.Handler) pipeline.Handler {
		return func(c *pipeline.Context) {
			_ = c.SetHeader("X-Request-Id", c.RequestID())
			next(c)
		}
	})
	h, err := b.Run(func(c *pipeline.Context) { c.Text(200, "Hello, World!") }).Build()
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func BenchmarkText(b *testing.B) {
	x := pipelinetest.Get(b, "/hello", "Accept: */*\r\n")
	h := plaintextChain(b)
	b.ReportAllocs()
	for b.Loop() {
		x.Serve(h)
		x.Complete()
	}
}
