package middleware_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/pipeline"
	"weir/pipeline/middleware"
	"weir/pipeline/pipelinetest"
)

func build(t *testing.T, o middleware.Options, h pipeline.Handler) pipeline.Handler {
	t.Helper()
	m, err := o.Build()
	if err != nil {
		t.Fatalf("Build(%+v) = %v", o, err)
	}
	return m(h)
}

func TestSpecs(t *testing.T) {
	names := map[string]bool{}
	for _, s := range middleware.Specs() {
		if names[s.Name] || s.Class == 0 {
			t.Errorf("spec %q twice or without class", s.Name)
		}
		names[s.Name] = true
		h := build(t, s.New(), func(c *pipeline.Context) { c.Text(200, "ok") }) // the zero value works
		x := pipelinetest.Get(t, "/", "")
		if x.Serve(h); string(x.Body) != "ok" {
			t.Errorf("%s: body %q; want ok", s.Name, x.Body)
		}
	}
}

func TestRequestID(t *testing.T) {
	for _, tc := range []struct {
		desc    string
		o       middleware.RequestID
		trusted bool
		sent    string
		believe bool
	}{
		{"stranger", middleware.RequestID{}, false, "abc", false},
		{"proxy", middleware.RequestID{}, true, "abc", true},
		{"proxy with rubbish", middleware.RequestID{}, true, "a b", false},
		{"proxy with a long one", middleware.RequestID{}, true, strings.Repeat("a", 129), false},
		{"longest", middleware.RequestID{}, true, strings.Repeat("a", 128), true},
		{"all", middleware.RequestID{Trust: "all"}, false, "abc", true},
		{"none", middleware.RequestID{Trust: "none"}, true, "abc", false},
		{"nothing sent", middleware.RequestID{}, true, "", false},
		{"accept", middleware.RequestID{Accept: func(c *pipeline.Context) bool {
			return c.Peer().Addr() == netip.MustParseAddr("192.0.2.1")
		}}, false, "abc", true},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			x := pipelinetest.Get(t, "/", "x-request-id: "+tc.sent+"\r\n")
			x.Origin.Trusted = tc.trusted
			var inside string
			x.Serve(build(t, tc.o, func(c *pipeline.Context) { inside = strings.Clone(c.RequestID()) }))
			got := x.Fields.Get("X-Request-Id")
			if got != inside || (got == tc.sent) != tc.believe || !tc.believe && len(got) != 32 {
				t.Errorf("id %q, inside %q, sent %q; want believed %v", got, inside, tc.sent, tc.believe)
			}
		})
	}
}

func TestRequestIDOnErrors(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	x.Serve(build(t, middleware.RequestID{Header: "X-Trace"}, pipeline.NotFoundHandler))
	if id := x.Fields.Get("X-Trace"); id == "" || !strings.Contains(string(x.Body), id) {
		t.Errorf("404 with id %q and page %q; want the same id in both", id, x.Body)
	}
}

func TestHeaders(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	x.Serve(build(t, middleware.Headers{
		Set:    map[string]string{"X-B": "2", "X-A": "1"},
		Add:    map[string][]string{"Vary": {"Accept", "Cookie"}},
		Remove: []string{"x-powered-by"},
	}, func(c *pipeline.Context) {
		_ = c.SetHeader("X-Powered-By", "PHP")
		_ = c.SetHeader("x-a", "0")
		_ = c.SetHeader("Vary", "Origin")
		c.Text(200, "")
	}))
	var got []string
	for name, value := range x.Fields.All() {
		got = append(got, name+"="+value)
	}
	want := []string{
		"Vary=Origin", "Content-Type=text/plain; charset=utf-8", "X-A=1", "X-B=2",
		"Vary=Accept", "Vary=Cookie",
	}
	if !slices.Equal(got, want) {
		t.Errorf("fields %q; want %q", got, want)
	}
}

func TestRecoverer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "500.html")
	page := "<p>{status} {reason} {request_id} {other}{status}"
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []middleware.Recoverer{{Page: page}, {File: file}} {
		h := build(t, o, func(c *pipeline.Context) { c.SetRequestID("<id>") })
		x := pipelinetest.Get(t, "/", "")
		x.Begin()
		h(&x.T.Context)
		x.T.Fail(500, pipeline.HandlerPanic) // what the server's recover does
		want := "<p>500 HandlerPanic &#60;id&#62; {other}500"
		if string(x.Body) != want || x.Fields.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("page %q of %s; want %q", x.Body, x.Fields.Get("Content-Type"), want)
		}
		x = pipelinetest.Get(t, "/", "")
		x.Begin()
		h(&x.T.Context)
		x.T.Fail(404, pipeline.NotFound)
		if !strings.HasPrefix(string(x.Body), "404 Not Found\n") {
			t.Errorf("404 page %q; want the plain one", x.Body)
		}
	}
}

func TestBuildErrors(t *testing.T) {
	for _, tc := range []struct {
		o    middleware.Options
		want string
		is   error
	}{
		{middleware.RequestID{Header: "a b"}, "header", pipeline.ErrField},
		{middleware.RequestID{Trust: "some"}, "want proxies, all or none", nil},
		{middleware.Headers{Set: map[string]string{"A": "b\r\n"}}, "set", pipeline.ErrField},
		{middleware.Headers{Add: map[string][]string{"Connection": {"x"}}}, "add", pipeline.ErrFraming},
		{middleware.Headers{Remove: []string{""}}, "remove", pipeline.ErrField},
		{middleware.Recoverer{Page: "a", File: "b"}, "exclude", nil},
		{middleware.Recoverer{File: "/does/not/exist"}, "file", os.ErrNotExist},
		{middleware.Recoverer{Page: "a", ContentType: "\n"}, "content_type", pipeline.ErrField},
		{middleware.Recoverer{Page: strings.Repeat("a", 65<<10)}, "at most", nil},
	} {
		_, err := tc.o.Build()
		if err == nil || !strings.Contains(err.Error(), tc.want) || tc.is != nil && !errors.Is(err, tc.is) {
			t.Errorf("Build(%+v) = %v; want %q", tc.o, err, tc.want)
		}
	}
}
