package main

import "testing"

// defects are what tests have found and nobody has mended yet. A test that meets one is skipped and
// says so; one that does not meet it any more fails until the entry is removed.
var defects = map[string]string{
	"access log lost at end": "pipeline/server: what a loop has collected is not flushed when it ends",
	"access log swapped": "pipeline/server: the batch of a log that a reload has replaced is flushed " +
		"later, to a channel that is closed: the front panics",
	"request-id": "pipeline/middleware: RequestID.Accept is a func, which has no JSON form: the " +
		"configuration panics",
}

// rare are defects that show in some runs only; nothing tells when they are mended.
var rare = map[string]string{
	"replay": "pipeline/dispatch: a request may be replayed on the very worker that is dying, which " +
		"has the fewest in flight, until its replays are used up: 502",
}

// holds reports a failure unless ok, or skips where the defect is known.
func holds(t *testing.T, defect string, ok bool, format string, args ...any) {
	t.Helper()
	why, known := defects[defect]
	switch {
	case ok && known:
		t.Errorf("mended: remove %q from defects", defect)
	case !ok && rare[defect] != "":
		t.Skipf("known defect: %s; "+format, append([]any{rare[defect]}, args...)...)
	case !ok && known:
		t.Skipf("known defect: %s", why)
	case !ok:
		t.Errorf(format, args...)
	}
}
