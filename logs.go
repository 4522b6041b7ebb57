package weir

import (
	"io"
	"log/slog"
	"os"

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

// newLogger writes Weir's own log: RFC 3339 in UTC with milliseconds.
func newLogger(w io.Writer, format config.LogFormat, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.String(slog.TimeKey, a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
		}
		return a
	}}
	if format == config.LogJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// accessLogs is the access log in force and how it was asked for.
type accessLogs struct {
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
		return server.NewAccessLog(os.Stdout, format), nil
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
