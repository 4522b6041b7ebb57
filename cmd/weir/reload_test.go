package main

import (
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"weir/supervisor/admin"
)

const shopFile = `
sites:
  shop:
    bindings: ["127.0.0.1:0", {address: "unix:DIR/shop.sock"}]
    apps:
      /: {pool: shop}
      /text: {respond: {body: one}}
pools:
  shop: {command: [testworker], workers: 2}
  other: {command: [testworker, -say, other]}
`

// fileOf writes a configuration file into dir, with DIR replaced.
func fileOf(t *testing.T, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "weir.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A bad file changes nothing and says where it is bad; by command and by signal.
func TestReloadBadFile(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	file := fileOf(t, dir, shopFile)
	in := start(t, "--config", file)
	before := in.settled("shop", 2)
	fileOf(t, dir, shopFile+"limits: {heda: 1MiB}\n")
	code, _, stderr := in.weir("reload")
	want := file + `:11:10: unknown key "heda" in limits`
	if code != 1 || !strings.Contains(stderr, want) {
		t.Errorf("weir reload: %d, %q; want 1 and %s", code, stderr, want)
	}
	at := in.stderr.count()
	in.signal(syscall.SIGHUP)
	if line, ok := in.stderr.await(at, regexp.MustCompile(`level=ERROR.*reload`)); !ok ||
		!strings.Contains(line, "11:10") {
		t.Errorf("SIGHUP: logged %q; want the place in the file", line)
	}
	if got := in.get("/text"); got.body != "one" || !maps.Equal(pids(in.status(), "shop"), before) {
		t.Errorf("GET /text = %q, workers %v; want what was before: one, %v", got.body,
			pids(in.status(), "shop"), before)
	}
}

// A good file: new listeners and sites serve, what is gone is closed, and what has not changed is not
// touched, under load.
func TestReloadGoodFile(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	file := fileOf(t, dir, shopFile)
	in := start(t, "--config", file)
	shop, other := in.settled("shop", 2), in.settled("other", 1)
	l := startLoad(in.url + "/pid")
	l.passes(in, 5)
	changed := strings.NewReplacer(`, {address: "unix:DIR/shop.sock"}`, "", "body: one", "body: two",
		"-say, other", "-say, changed").Replace(shopFile) +
		"  more: {command: [testworker, -bind, port]}\n"
	changed = strings.Replace(changed, "pools:\n", "  fresh:\n    bindings: [\"unix:DIR/new.sock\"]\n"+
		"    apps: {/: {pool: more}, /other: {pool: other}}\npools:\n", 1)
	fileOf(t, dir, changed)
	if code, _, stderr := in.weir("reload"); code != 0 {
		t.Fatalf("weir reload: %d, %s", code, stderr)
	}
	l.passes(in, 5)
	l.finish(t)
	if got := in.get("/text").body; got != "two" {
		t.Errorf("GET /text = %q; want two", got)
	}
	if now := in.settled("shop", 2); !maps.Equal(now, shop) {
		t.Errorf("workers of an unchanged pool: %v; want %v", now, shop)
	}
	if now := in.settled("other", 1); maps.Equal(now, other) {
		t.Errorf("workers of a changed pool: %v; want others", now)
	}
	for path, want := range map[string]string{"/": "testworker\n", "/other": "changed\n"} {
		if got := askUnix(t, filepath.Join(dir, "new.sock"), path); !strings.HasSuffix(got, want) {
			t.Errorf("GET %s at the new listener = %q; want %q", path, got, want)
		}
	}
	if c, err := net.Dial("unix", filepath.Join(dir, "shop.sock")); err == nil {
		_ = c.Close() // not wanted
		t.Errorf("the removed listener still accepts")
	}
	if s := in.status(); len(s.Listeners) != 2 {
		t.Errorf("listeners %+v; want 2", s.Listeners)
	}
}

// askUnix is a raw answer from a Unix socket.
func askUnix(t *testing.T, path, target string) string {
	t.Helper()
	in := &instance{t: t, url: "unix:" + path}
	return in.raw("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

// A listener whose port is taken refuses the whole reload.
func TestReloadPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // never accepted anything
	dir := shortDir(t)
	text := "sites: {a: {bindings: [\"127.0.0.1:0\"], apps: {/: {respond: {body: one}}}}}\n"
	in := start(t, "--config", fileOf(t, dir, text))
	taken := `["127.0.0.1:0", "` + l.Addr().String() + `"]`
	fileOf(t, dir, strings.NewReplacer(`["127.0.0.1:0"]`, taken, "one", "two").Replace(text)+
		"log: {level: error, format: json}\n")
	at := in.stderr.count()
	code, _, stderr := in.weir("reload")
	if code != 1 || !strings.Contains(stderr, "address already in use by pid") {
		t.Errorf("weir reload: %d, %q; want 1 and who has the port", code, stderr)
	}
	if line, ok := in.stderr.await(at, regexp.MustCompile("ERROR")); !ok ||
		!strings.Contains(line, " level=ERROR msg=reload err=") {
		t.Errorf("logged %q; want the form of the log as before", line)
	}
	if got := in.get("/").body; got != "one" {
		t.Errorf("GET / = %q; want one, as before", got)
	}
}

// SIGUSR1 opens the access log anew: rotation by renaming loses nothing.
func TestReopenAccessLog(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	file, rotated := filepath.Join(dir, "access.log"), filepath.Join(dir, "access.log.1")
	in := start(t, "--listen", "127.0.0.1:0", "--respond", "x", "--access-log", file)
	in.get("/one")
	in.logged(file, "GET /one HTTP/1.1")
	if err := os.Rename(file, rotated); err != nil {
		t.Fatal(err)
	}
	in.signal(syscall.SIGUSR1)
	in.until("a new file", func(*admin.Status) bool { _, err := os.Stat(file); return err == nil })
	in.get("/two")
	in.logged(file, "GET /two HTTP/1.1")
	if b, err := os.ReadFile(rotated); err != nil || strings.Contains(string(b), "/two") {
		t.Errorf("rotated file %q, %v; want the first request alone", b, err)
	}
}

// logged waits until file holds text.
func (in *instance) logged(file, text string) {
	in.until(text+" in "+file, func(*admin.Status) bool {
		b, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(b), text)
	})
}

// The access log moves from file to file under load: the front goes on, and every request is in one
// of them.
func TestReloadAccessLog(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	text := "log: {access: DIR/a.log}\n" +
		"sites: {a: {bindings: [\"127.0.0.1:0\"], apps: {/: {respond: {body: one}}}}}\n"
	in := start(t, "--config", fileOf(t, dir, text))
	front := in.status().Fronts[0].PID
	l := startLoad(in.url + "/")
	for range 3 {
		l.passes(in, 20)
		fileOf(t, dir, strings.ReplaceAll(text, "a.log", "b.log"))
		in.weir("reload")
		l.passes(in, 20)
		fileOf(t, dir, text)
		in.weir("reload")
	}
	l.end()
	now := in.status().Fronts[0].PID
	if now != front || l.failed() > 0 {
		t.Errorf("front %d; want %d as before, and no failures: %q", now, front, l.wrong)
	}
}
