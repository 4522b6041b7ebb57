// Command worker is the application behind every proxy of the bench: a fasthttp server on a Unix
// socket that answers /small (13 bytes) and /1m (1 MiB).
package main

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/valyala/fasthttp"
)

func main() {
	socket := flag.String("socket", os.Getenv("WEIR_SOCKET"), "Unix socket to listen on")
	flag.Parse()
	log.SetFlags(0)
	if *socket == "" {
		log.Fatal("worker: no socket: give -socket or WEIR_SOCKET")
	}
	if err := os.Remove(*socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Fatalf("worker: %v", err)
	}
	ln, err := net.Listen("unix", *socket)
	if err != nil {
		log.Fatalf("worker: %v", err)
	}
	small, large := []byte("Hello, World!"), bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	s := &fasthttp.Server{Name: "worker", Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("text/plain")
		switch string(ctx.Path()) {
		case "/small":
			ctx.SetBody(small)
		case "/1m":
			// A stream, not SetBody: that would copy 1 MiB into a second buffer.
			ctx.SetBodyStream(bytes.NewReader(large), len(large))
		default:
			ctx.Error("not found", fasthttp.StatusNotFound)
		}
	}}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-term
		os.Exit(0)
	}()
	log.Fatalf("worker: %v", s.Serve(ln))
}
