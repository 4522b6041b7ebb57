package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

// Server serves the API on Unix sockets.
type Server struct {
	inst Instance
	log  *slog.Logger
	http http.Server

	bodyTimeout time.Duration
}

// peerKey is the context key of a connection's peer.
type peerKey struct{}

// NewServer is the API of inst. Close ends it.
func NewServer(inst Instance, log *slog.Logger) *Server {
	s := &Server{inst: inst, log: log, bodyTimeout: bodyTimeout}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("GET /v1/requests", s.requests)
	mux.HandleFunc("POST /v1/pools/{pool}/{verb}", s.act)
	mux.HandleFunc("POST /v1/pools/{pool}/workers/{worker}/{verb}", s.act)
	mux.HandleFunc("POST /v1/reload", s.reload)
	mux.HandleFunc("POST /v1/shutdown", s.shutdown)
	for path, method := range map[string]string{
		"/metrics": "GET, HEAD", "/v1/status": "GET, HEAD", "/v1/requests": "GET, HEAD",
		"/v1/pools/{pool}/{verb}":                  "POST",
		"/v1/pools/{pool}/workers/{worker}/{verb}": "POST", "/v1/reload": "POST", "/v1/shutdown": "POST",
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", method)
			s.fail(w, http.StatusMethodNotAllowed, "method-not-allowed", r.Method+" is not for this path")
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, http.StatusNotFound, "not-found", "no such path")
	})
	s.http = http.Server{
		Handler: s.guard(mux), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: headBytesMax, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, peerOf(c))
		},
	}
	return s
}

// Serve takes connections from l, a listening Unix socket, until Close.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("admin: serve on %s: %w", l.Addr(), err)
}

// Close lets answers in progress go out for a moment, then ends every connection.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

// guard admits the instance's own user and root. The socket's mode says the same; this holds too if
// somebody widens it.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := r.Context().Value(peerKey{}).(peer)
		if !p.known || p.uid != 0 && p.uid != os.Geteuid() {
			s.fail(w, http.StatusForbidden, "forbidden", "only for root and the user of the instance")
			return
		}
		if err := s.skipBody(w, r); err != nil {
			w.Header().Set("Connection", "close")
			s.fail(w, http.StatusBadRequest, "bad-request", "body: "+err.Error())
			return
		}
		next.ServeHTTP(w, r)
	})
}

// skipBody reads a request's body, which means nothing here, before anything is done: one that is too
// large or does not come would hold the answer back.
func (s *Server) skipBody(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	c := http.NewResponseController(w)
	if err := c.SetReadDeadline(time.Now().Add(s.bodyTimeout)); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, bodyBytesMax)); err != nil {
		return err
	}
	return c.SetReadDeadline(time.Time{})
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	s.answer(w, http.StatusOK, s.inst.Status(r.Context()))
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	s.change(w, r, "reload", s.inst.Reload)
}

func (s *Server) shutdown(w http.ResponseWriter, r *http.Request) {
	s.inst.Drain()
	s.change(w, r, "shutdown", func(ctx context.Context) error {
		select {
		case <-s.inst.Stopped():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// change carries f out and answers when it is done, or at once with ?wait=false. Without its client f
// goes on.
func (s *Server) change(w http.ResponseWriter, r *http.Request, what string,
	f func(context.Context) error) {
	switch r.URL.Query().Get("wait") {
	case "", "true":
		if err := f(r.Context()); err != nil {
			s.failWith(w, err)
			return
		}
		s.answer(w, http.StatusOK, Done{"done"})
	case "false":
		ctx := context.WithoutCancel(r.Context())
		go func() {
			if err := f(ctx); err != nil {
				s.log.Error("admin: "+what, "err", err)
			}
		}()
		s.answer(w, http.StatusAccepted, Done{"begun"})
	default:
		s.fail(w, http.StatusBadRequest, "bad-request", "wait is true or false")
	}
}

func (s *Server) failWith(w http.ResponseWriter, err error) {
	status, code := http.StatusInternalServerError, "failed"
	switch {
	case errors.Is(err, ErrUnknownPool):
		status, code = http.StatusNotFound, "unknown-pool"
	case errors.Is(err, ErrUnknownWorker):
		status, code = http.StatusNotFound, "unknown-worker"
	case errors.Is(err, ErrConflict):
		status, code = http.StatusConflict, "conflict"
	case errors.Is(err, ErrRefused):
		status, code = http.StatusUnprocessableEntity, "refused"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		status, code = http.StatusGatewayTimeout, "timeout"
	}
	s.fail(w, status, code, err.Error())
}

func (s *Server) fail(w http.ResponseWriter, status int, code, message string) {
	var f failure
	f.Error.Code, f.Error.Message = code, message
	s.answer(w, status, &f)
}

func (s *Server) answer(w http.ResponseWriter, status int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("admin: answer: %v", err)) // our own types
	}
	s.write(w, status, "application/json", append(b, '\n'))
}

func (s *Server) write(w http.ResponseWriter, status int, contentType string, b []byte) {
	// Where deadlines are not supported a slow reader only holds its own goroutine.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(statusWriteSlow))
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b) // a client that is gone needs no answer
}
