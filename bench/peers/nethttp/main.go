// Command nethttp is the net/http peer: a fixed answer, a file server, or a reverse proxy.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address")
	root := flag.String("root", "", "serve the files below this directory")
	socket := flag.String("socket", "", "forward to the server on this Unix socket")
	flag.Parse()
	go collectOnSignal()
	s := &http.Server{Addr: *listen, Handler: handler(*root, *socket), MaxHeaderBytes: 32 << 10}
	log.Fatal(s.ListenAndServe())
}

func handler(root, socket string) http.Handler {
	switch {
	case root != "":
		return http.FileServer(http.Dir(root))
	case socket != "":
		return proxy(socket)
	}
	body := []byte("Hello, World!")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Server", "net/http")
		h.Set("Content-Type", "text/plain")
		h.Set("Content-Length", "13")
		_, _ = w.Write(body) // an error is the client's disconnect
	})
}

func proxy(socket string) http.Handler {
	target := &url.URL{Scheme: "http", Host: "worker"}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{
			MaxIdleConns: 4096, MaxIdleConnsPerHost: 4096, DisableCompression: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			},
		},
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
