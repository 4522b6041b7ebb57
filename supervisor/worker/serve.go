package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/valyala/fasthttp"

	"weir/pipeline"
)

// serverName is the Server field of answers that set none: it tells them from the front's own.
const serverName = "Weir-Worker"

// Serve serves h on this worker's socket until ctx ends or SIGTERM or SIGINT comes, then finishes the
// exchanges begun and returns nil. h must not be used elsewhere at the same time only if it says so:
// every connection has its own goroutine, which is the loop of its exchanges.
//
// A worker that speaks frames (dispatch: mux) may get a larger GOMAXPROCS from it.
//
// The error is ErrNotWorker outside Weir, or why the socket could not be served.
func Serve(ctx context.Context, h pipeline.Handler) error {
	if h == nil {
		return errors.New("worker: Serve: no handler")
	}
	if serve := spoken[os.Getenv("WEIR_DISPATCH")]; serve != nil {
		return serve(ctx, h)
	}
	host := newHost(h)
	return serveFast(ctx, host.handle, host.tunnels.Wait)
}

// spoken is how the supervisor may want to be served, beside HTTP/1.1: the frames of protocol/frame,
// the connections of protocol/handoff.
var spoken = map[string]func(context.Context, pipeline.Handler) error{
	"mux": serveMux, "handoff": serveHandoff,
}

func serveMux(ctx context.Context, h pipeline.Handler) error {
	spareProcessor(muxLoops)
	s, err := newMuxServer(h, muxLoops, concurrency())
	if err != nil {
		return err
	}
	return run(ctx, s.serve, s.shutdown)
}

// spareProcessor gives the process one more processor of the runtime than it has loops, so that each
// keeps its own through a short wait: with one CPU there would be none to keep, and a request over one
// connection would cost a third more. CPU masks and quotas hold all the same.
func spareProcessor(loops int) {
	if runtime.GOMAXPROCS(0) <= loops {
		runtime.GOMAXPROCS(loops + 1)
	}
}

// ServeFastHTTP is Serve for a fasthttp handler. Request bodies are streams; HTTP/1.1 keep-alive.
func ServeFastHTTP(ctx context.Context, h fasthttp.RequestHandler) error {
	if h == nil {
		return errors.New("worker: ServeFastHTTP: no handler")
	}
	if serve := spoken[os.Getenv("WEIR_DISPATCH")]; serve != nil {
		return serve(ctx, pipeline.FromFastHTTP(h))
	}
	// To CONNECT fasthttp's server would answer with a Content-Length, also where h hijacks: the front
	// takes no such tunnel.
	host := newHost(pipeline.FromFastHTTP(h))
	return serveFast(ctx, func(ctx *fasthttp.RequestCtx) {
		if ctx.IsConnect() {
			host.handle(ctx)
			return
		}
		h(ctx)
	}, host.tunnels.Wait)
}

// serveFast serves h over HTTP/1.1; a shutdown also waits for what left the server's hands.
func serveFast(ctx context.Context, h fasthttp.RequestHandler, rest func()) error {
	s := &fasthttp.Server{
		Handler: counted(h), Name: serverName, StreamRequestBody: true, ReadBufferSize: readBuffer,
		MaxRequestBodySize: prefetchBytes, DisablePreParseMultipartForm: true,
		NoDefaultContentType: true, CloseOnShutdown: true, Logger: log.New(io.Discard, "", 0),
	}
	return run(ctx, s.Serve, func(ctx context.Context) error {
		err := s.ShutdownWithContext(ctx)
		rest()
		return err
	})
}

// counted is h with the requests that it holds counted for pongs.
func counted(h fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		inFlight.Add(1)
		defer inFlight.Add(-1)
		h(ctx)
	}
}

// ServeHTTP is Serve for a net/http handler.
func ServeHTTP(ctx context.Context, h http.Handler) error {
	if h == nil {
		return errors.New("worker: ServeHTTP: no handler")
	}
	if serve := spoken[os.Getenv("WEIR_DISPATCH")]; serve != nil {
		return serve(ctx, pipeline.FromHTTP(h))
	}
	s := &http.Server{MaxHeaderBytes: headBytesMax, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			inFlight.Add(1)
			defer inFlight.Add(-1)
			w.Header().Set("Server", serverName)
			if r.Method == http.MethodConnect {
				// For who writes the head before Hijack: no chunks, nor a next request behind the answer.
				w.Header().Set("Transfer-Encoding", "identity")
			}
			h.ServeHTTP(w, r)
		})}
	serve := func(l net.Listener) error {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
	return run(ctx, serve, s.Shutdown)
}

// run listens, says READY, serves, and drains when it is time. The supervisor bounds the drain
// (stop_timeout), so nothing here does.
func run(ctx context.Context, serve func(net.Listener) error,
	shutdown func(context.Context) error) error {
	return runOn(ctx, listen, serve, shutdown)
}

// runOn is run with another way to listen.
func runOn(ctx context.Context, listen func() (net.Listener, error), serve func(net.Listener) error,
	shutdown func(context.Context) error) error {
	stop, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer cancel()
	l, err := listen()
	if err != nil {
		if errors.Is(err, ErrNotWorker) {
			return err
		}
		return fmt.Errorf("worker: listen: %w", err)
	}
	alive, err := startAlive()
	if err != nil {
		_ = l.Close() // the reason is err
		return fmt.Errorf("worker: control: %w", err)
	}
	defer alive.close()
	served := make(chan error, 1)
	go func() { served <- serve(l) }()
	if err := notify("READY=1"); err != nil {
		_ = l.Close() // the reason is err
		<-served
		return fmt.Errorf("worker: notify: %w", err)
	}
	select {
	case err := <-served:
		return fmt.Errorf("worker: serve: %w", err)
	case <-stop.Done():
	}
	_ = notify("STOPPING=1") // the supervisor may be gone
	if err := shutdown(context.WithoutCancel(ctx)); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("worker: drain: %w", err)
	}
	<-served
	return nil
}
