// Command fasthttp is the fasthttp peer: a fixed answer, a file server, or a reverse proxy.
package main

import (
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address")
	root := flag.String("root", "", "serve the files below this directory")
	socket := flag.String("socket", "", "forward to the server on this Unix socket")
	flag.Parse()
	go collectOnSignal()
	s := &fasthttp.Server{Name: "fasthttp", Handler: handler(*root, *socket), ReadBufferSize: 8 << 10}
	log.Fatal(s.ListenAndServe(*listen))
}

func handler(root, socket string) fasthttp.RequestHandler {
	switch {
	case root != "":
		return (&fasthttp.FS{Root: root, CacheDuration: time.Minute}).NewRequestHandler()
	case socket != "":
		return proxy(socket)
	}
	body := []byte("Hello, World!")
	return func(ctx *fasthttp.RequestCtx) {
		if string(ctx.Path()) != "/" {
			ctx.Error("not found", fasthttp.StatusNotFound)
			return
		}
		ctx.SetContentType("text/plain")
		ctx.SetBody(body)
	}
}

// proxy forwards over keep-alive connections and streams the answer's body.
func proxy(socket string) fasthttp.RequestHandler {
	c := &fasthttp.HostClient{Addr: "worker", MaxConns: 4096, StreamResponseBody: true,
		Dial: func(string) (net.Conn, error) { return net.Dial("unix", socket) }}
	return func(ctx *fasthttp.RequestCtx) {
		ctx.Request.Header.Del("Connection")
		if err := c.Do(&ctx.Request, &ctx.Response); err != nil {
			ctx.Error("bad gateway", fasthttp.StatusBadGateway)
			return
		}
		ctx.Response.Header.Del("Connection")
	}
}

// collectOnSignal returns free memory to the system on SIGUSR1, for the idle-memory scenario.
func collectOnSignal() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	for range c {
		debug.FreeOSMemory()
	}
}
