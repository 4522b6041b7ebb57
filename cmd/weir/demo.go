package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"weir/pipeline"
)

//go:embed welcome.html
var welcome string

// demo is served in-process: by the event loops of the front.
func demo(_ context.Context, b *pipeline.Builder) error {
	b.Map("/hello", func(b *pipeline.Builder) { b.Run(hello) })
	b.Map("/echo", func(b *pipeline.Builder) { b.Run(echo) })
	b.Map("/events", func(b *pipeline.Builder) { b.Run(pipeline.Blocking(events)) })
	b.Run(func(c *pipeline.Context) {
		if c.Path() != "/" && c.Path() != "" {
			pipeline.NotFoundHandler(c)
			return
		}
		_ = c.SetHeader("Content-Type", "text/html; charset=utf-8") // well-formed
		c.Text(200, welcome)
	})
	return nil
}

// demoWorker is served out-of-process, below /worker, by the pool demo.
func demoWorker(_ context.Context, b *pipeline.Builder) error {
	b.Map("/hello", func(b *pipeline.Builder) { b.Run(hello) })
	b.Map("/echo", func(b *pipeline.Builder) { b.Run(echo) })
	b.Map("/events", func(b *pipeline.Builder) { b.Run(pipeline.Blocking(events)) })
	b.Map("/pid", func(b *pipeline.Builder) {
		b.Run(func(c *pipeline.Context) { c.Text(200, strconv.Itoa(os.Getpid())+"\n") })
	})
	b.Map("/sleep", func(b *pipeline.Builder) { b.Run(pipeline.Blocking(sleep)) })
	b.Map("/crash", func(b *pipeline.Builder) {
		b.Run(func(*pipeline.Context) { os.Exit(3) })
	})
	b.Run(pipeline.NotFoundHandler)
	return nil
}

func hello(c *pipeline.Context) { c.Text(200, "Hello, World!\n") }

// echoBytesMax bounds the body that echo keeps.
const echoBytesMax = 1 << 20

// echo answers with the request's body.
func echo(c *pipeline.Context) {
	c.ReadBody(echoBytesMax, func(c *pipeline.Context, body []byte, err error) {
		if err != nil {
			c.Fail(413, pipeline.EntityTooLarge)
			return
		}
		if t := c.Header("Content-Type"); t != "" {
			_ = c.SetHeader("Content-Type", t) // a value that came in as a field goes out as one
		}
		_, _ = c.Write(body) // a client that is gone needs no echo
	})
}

// events sends the time, once a second, as server-sent events until the client leaves.
func events(c *pipeline.Context) {
	_ = c.SetHeader("Content-Type", "text/event-stream") // well-formed
	_ = c.SetHeader("Cache-Control", "no-store")         // well-formed
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		if _, err := fmt.Fprintf(writer{c}, "id: %d\ndata: %s\n\n", n,
			time.Now().UTC().Format(time.RFC3339)); err != nil {
			return
		}
		if err := c.Flush(); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-c.Context().Done():
			return
		}
	}
}

// writer is a Context's body.
type writer struct{ c *pipeline.Context }

func (w writer) Write(b []byte) (int, error) { return w.c.Write(b) }

var _ io.Writer = writer{}

// sleepMax bounds what /worker/sleep?ms= may ask for.
const sleepMax = 10 * time.Minute

// sleep answers after ms milliseconds.
func sleep(c *pipeline.Context) {
	ms, err := strconv.Atoi(queryValue(c.Query(), "ms"))
	if err != nil || ms < 0 || time.Duration(ms) > sleepMax/time.Millisecond {
		c.Text(400, "want ?ms=N, at most 600000\n")
		return
	}
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		c.Text(200, "slept "+strconv.Itoa(ms)+" ms\n")
	case <-c.Context().Done():
	}
}
