package weir

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"weir/pipeline/server"
	"weir/supervisor/config"
)

func levelOf(l config.LogLevel) slog.Level {
	switch l {
	case config.LevelDebug:
		return slog.LevelDebug
	case config.LevelWarn:
		return slog.LevelWarn
	case config.LevelError:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// ownLog is Weir's own log: RFC 3339 in UTC with milliseconds. Its level and form follow the
// configuration while it is in use.
type ownLog struct {
	*slog.Logger
	level slog.LevelVar
	json  atomic.Bool
}

func newOwnLog(w io.Writer, c config.Log) *ownLog {
	l := &ownLog{}
	o := &slog.HandlerOptions{Level: &l.level, ReplaceAttr: readable}
	w = &wholeLines{w: w}
	l.Logger = slog.New(formHandler{&l.json, slog.NewTextHandler(w, o), slog.NewJSONHandler(w, o)})
	l.follow(c)
	return l
}

func (l *ownLog) follow(c config.Log) {
	l.level.Set(levelOf(c.Level))
	l.json.Store(c.Format == config.LogJSON)
}

// readable has the time in UTC with milliseconds, and durations with their unit in both forms.
func readable(groups []string, a slog.Attr) slog.Attr {
	switch {
	case a.Key == slog.TimeKey && len(groups) == 0:
		return slog.String(slog.TimeKey, a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
	case a.Value.Kind() == slog.KindDuration:
		return slog.String(a.Key, a.Value.Duration().String())
	}
	return a
}

// formHandler is a slog.Handler of two forms.
type formHandler struct {
	json         *atomic.Bool
	text, object slog.Handler
}

func (h formHandler) now() slog.Handler {
	if h.json.Load() {
		return h.object
	}
	return h.text
}

// Enabled implements slog.Handler.
func (h formHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.text.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (h formHandler) Handle(ctx context.Context, r slog.Record) error { return h.now().Handle(ctx, r) }

// WithAttrs implements slog.Handler.
func (h formHandler) WithAttrs(as []slog.Attr) slog.Handler {
	return formHandler{h.json, h.text.WithAttrs(as), h.object.WithAttrs(as)}
}

// WithGroup implements slog.Handler.
func (h formHandler) WithGroup(name string) slog.Handler {
	return formHandler{h.json, h.text.WithGroup(name), h.object.WithGroup(name)}
}

// wholeLines is a writer for both forms: each has a lock of its own only.
type wholeLines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *wholeLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// accessLogs is the access log in force and how it was asked for.
type accessLogs struct {
	stdout *os.File // nil: os.Stdout
	now    *server.AccessLog
	access string
	format config.LogFormat
}

// next is the access log that c asks for: the one in force, a new one, or none (nil).
func (a *accessLogs) next(c *config.Config) (*server.AccessLog, error) {
	if a.now != nil && c.Log.Access == a.access && c.Log.Format == a.format {
		return a.now, nil
	}
	format := server.LogCombined
	if c.Log.Format == config.LogJSON {
		format = server.LogJSON
	}
	switch c.Log.Access {
	case "off", "":
		return nil, nil
	case "-":
		return server.NewAccessLog(cmp.Or(a.stdout, os.Stdout), format), nil
	}
	return server.OpenAccessLog(c.Log.Access, format)
}

// settle makes log, asked for by c, the one in force; no loop uses the old one any more.
func (a *accessLogs) settle(log *server.AccessLog, c *config.Config) {
	if a.now != nil && a.now != log {
		a.now.Close()
	}
	a.now, a.access, a.format = log, c.Log.Access, c.Log.Format
}

// drop closes a log that did not come into force.
func (a *accessLogs) drop(log *server.AccessLog) {
	if log != nil && log != a.now {
		log.Close()
	}
}

func (a *accessLogs) reopen() {
	if a.now != nil {
		a.now.Reopen()
	}
}

func (a *accessLogs) close() {
	if a.now != nil {
		a.now.Close()
	}
}
