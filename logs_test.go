package weir

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weir/supervisor/config"
)

// The log changes level and form while loggers made from it are in use.
func TestOwnLogFollows(t *testing.T) {
	var out strings.Builder
	l := newOwnLog(&out, config.Log{Level: config.LevelInfo, Format: config.LogText})
	derived := l.With("pool", "shop").WithGroup("w")
	line := func() string {
		got := out.String()
		out.Reset()
		return got
	}
	derived.Info("up", "n", 1)
	want := regexp.MustCompile(
		`^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=INFO msg=up pool=shop w.n=1\n$`)
	if got := line(); !want.MatchString(got) {
		t.Errorf("text: %q; want %v", got, want)
	}
	l.follow(config.Log{Level: config.LevelWarn, Format: config.LogJSON})
	derived.Info("quiet")
	if got := line(); got != "" {
		t.Errorf("info at level warn: %q; want nothing", got)
	}
	derived.Warn("late", "n", 2)
	var got struct {
		Time, Level, Msg, Pool string
		W                      struct{ N int }
	}
	if err := json.Unmarshal([]byte(line()), &got); err != nil || got.Level != "WARN" ||
		got.Pool != "shop" || got.W.N != 2 || !strings.HasSuffix(got.Time, "Z") {
		t.Errorf("json: %+v, %v; want WARN, shop, 2, in UTC", got, err)
	}
}

// An access log in force stays the same object while its configuration does.
func TestAccessLogsNext(t *testing.T) {
	var a accessLogs
	file := filepath.Join(t.TempDir(), "a.log")
	c := &config.Config{Log: config.Log{Access: file, Format: config.LogText}}
	first, err := a.next(c)
	if err != nil || first == nil {
		t.Fatalf("next = %v, %v; want a log", first, err)
	}
	a.settle(first, c)
	if again, err := a.next(c); err != nil || again != first {
		t.Errorf("next without a change = %p, %v; want %p", again, err, first)
	}
	asJSON := &config.Config{Log: config.Log{Access: file, Format: config.LogJSON}}
	other, err := a.next(asJSON)
	if err != nil || other == first || other == nil {
		t.Errorf("next with another form = %p, %v; want another log", other, err)
	}
	a.drop(other) // that reload was refused
	if again, err := a.next(c); err != nil || again != first {
		t.Errorf("next after a refused reload = %p, %v; want %p", again, err, first)
	}
	if _, err := a.next(&config.Config{Log: config.Log{Access: t.TempDir()}}); err == nil {
		t.Errorf("next with a directory = nil error; want one")
	}
	off, err := a.next(&config.Config{Log: config.Log{Access: "off"}})
	if err != nil || off != nil {
		t.Errorf("next with off = %p, %v; want none", off, err)
	}
	a.close()
}
