//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"weir/supervisor/admin"
)

// bodyRows are about bodies that the front takes over from workers, and for them.
var bodyRows = []keyRow{
	{
		key: "pools.*.sendfile.root", set: edit{pool: "sendfile: {root: DIR}"},
		before: "the worker's own", after: "EFFECT=filed", probe: body("/named?path=/env.list"),
	},
	{
		key: "pools.*.sendfile.prefix", base: edit{pool: "sendfile: {root: DIR}"},
		set:    edit{pool: "sendfile: {root: DIR, prefix: /protected/}"},
		before: "404 NotFound", after: "200", probe: status("/named?path=/protected/env.list"),
	},
	{
		key: "pools.*.buffer", set: edit{pool: "buffer: request"}, before: "at the worker",
		after: "on disk", probe: uploading(where),
	},
	{
		key: "sites.*.apps.*.buffer", base: edit{pool: "buffer: request"},
		set:    edit{pool: "buffer: request", app: "/body: {pool: p, buffer: off}"},
		before: "on disk", after: "at the worker", probe: uploading(where),
	},
	{
		key: "spool.memory", base: edit{pool: "buffer: request"},
		set:    edit{pool: "buffer: request", top: "spool: {memory: 1MiB}"},
		before: "on disk", after: "in memory", probe: uploading(where),
	},
	{
		key: "spool.disk", base: edit{pool: "buffer: request"},
		set:    edit{pool: "buffer: request", top: "spool: {disk: 90kB}"},
		before: "200", after: "503 SpoolFull", probe: uploaded,
	},
	{
		key: "spool.dir", before: never, set: edit{pool: "buffer: request", top: "spool: {dir: DIR}"},
		after: "a file without a name", probe: uploading(unnamed),
	},
}

// speaking is a worker of FastCGI, and more keys of its pool.
func speaking(keys string) edit {
	return edit{command: "testworker, -kind, fastcgi", pool: "protocol: fastcgi" + keys}
}

// gatewayRows are about workers that do not speak HTTP.
var gatewayRows = []keyRow{
	{
		key: "pools.*.protocol", base: edit{command: "testworker, -kind, fastcgi"}, set: speaking(""),
		before: "502 Abandoned_By_Worker", after: "200", probe: status("/"),
	},
	{
		key: "pools.*.fastcgi.root", base: speaking(""),
		set:    speaking(", fastcgi: {root: DIR, extensions: [.list]}"),
		before: "testworker", after: "env.list", probe: body("/env.list"),
	},
	{
		key: "pools.*.fastcgi.index", base: speaking(", fastcgi: {root: DIR}"),
		set:    speaking(", fastcgi: {root: DIR, index: env.list}"),
		before: "404 NotFound", after: "200", probe: status("/"),
	},
	{
		key: "pools.*.fastcgi.extensions", base: speaking(", fastcgi: {root: DIR}"),
		set:    speaking(", fastcgi: {root: DIR, extensions: [.list]}"),
		before: "404 NotFound", after: "200", probe: status("/env.list"),
	},
	{
		key: "pools.*.fastcgi.fallback", base: speaking(", fastcgi: {root: DIR}"),
		set:    speaking(", fastcgi: {root: DIR, fallback: /env.list}"),
		before: "404 NotFound", after: "200", probe: status("/pretty"),
	},
}

const uploadBytes = 100_000

// uploading looks while a client has sent most of a body and no more.
func uploading(look func(b *bed) string) probe {
	return func(b *bed) string {
		c := b.dial()
		defer c.Close() //nolint:errcheck // the body is cut
		text := fmt.Sprintf("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", uploadBytes,
			strings.Repeat("x", uploadBytes*9/10))
		if _, err := io.WriteString(c, text); err != nil {
			b.instance.t.Fatalf("write: %v", err)
		}
		return look(b)
	}
}

// where says who has the body of the upload.
func where(b *bed) (place string) {
	b.until("somebody with the body", func(s *admin.Status) bool {
		if inFlight(s) {
			place = "at the worker"
		}
		for _, f := range s.Fronts {
			var r struct {
				Spool struct{ Memory, Disk int64 }
			}
			if err := json.Unmarshal(f.Report, &r); err != nil {
				b.instance.t.Fatalf("report of front %d: %v", f.Slot, err)
			}
			switch {
			case r.Spool.Disk > 0:
				place = "on disk"
			case r.Spool.Memory >= uploadBytes*9/10:
				place = "in memory"
			}
		}
		return place != ""
	})
	return place
}

// unnamed looks for the front's descriptor of a file in the directory of the configuration.
func unnamed(b *bed) (found string) {
	b.until("a file of the front", func(s *admin.Status) bool {
		for _, f := range s.Fronts {
			fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", f.PID))
			for _, fd := range fds {
				to, _ := os.Readlink(fd) // closed meanwhile: none
				if strings.HasPrefix(to, b.conf+"/") && strings.HasSuffix(to, "(deleted)") {
					found = "a file without a name"
				}
			}
		}
		return found != ""
	})
	return found
}

// uploaded is what a whole upload gets.
func uploaded(b *bed) string {
	body := strings.NewReader(strings.Repeat("x", uploadBytes))
	resp, err := http.Post(b.url+"/body", "text/plain", body)
	if err != nil {
		b.instance.t.Fatalf("POST: %v", err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	_, _ = io.Copy(io.Discard, resp.Body)
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Weir-Reason")))
}
