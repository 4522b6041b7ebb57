package pipeline_test

import (
	"strings"
	"testing"

	"weir/pipeline"
	"weir/pipeline/pipelinetest"
)

// mark is a middleware that writes "name>" going in and "<name" coming out.
func mark(name string) pipeline.Middleware {
	return func(next pipeline.Handler) pipeline.Handler {
		return func(c *pipeline.Context) {
			_, _ = c.WriteString(name + ">")
			next(c)
			_, _ = c.WriteString("<" + name)
		}
	}
}

// say is a handler that writes what it was given and where it is.
func say(name string) pipeline.Handler {
	return func(c *pipeline.Context) {
		_, _ = c.WriteString(name + "(" + c.PathBase() + "|" + c.Path() + ")")
	}
}

func stop(pipeline.Handler) pipeline.Handler { return say("stop") }

func isPost(c *pipeline.Context) bool { return c.Method() == "POST" }

// TestChain has rows M1 to M6 and M10 of systems.md.
func TestChain(t *testing.T) {
	for _, tc := range []struct {
		desc   string
		build  func(b *pipeline.Builder)
		target string // with "POST " in front for that method
		status int
		want   string
	}{
		{"M1 order in and out", func(b *pipeline.Builder) {
			b.Use(mark("a"), mark("b")).Use(mark("c")).Run(say("x"))
		}, "/", 200, "a>b>c>x(|/)<c<b<a"},
		{"M1 short-circuit", func(b *pipeline.Builder) {
			b.Use(mark("a"), stop, mark("b")).Run(say("x"))
		}, "/", 200, "a>stop(|/)<a"},
		{"M3 map moves the prefix", func(b *pipeline.Builder) {
			b.Map("/a", func(b *pipeline.Builder) { b.Use(mark("m")).Run(say("in")) }).Run(say("out"))
		}, "/a/b", 200, "m>in(/a|/b)<m"},
		{"M3 whole of the path", func(b *pipeline.Builder) {
			b.Map("/a", func(b *pipeline.Builder) { b.Run(say("in")) }).Run(say("out"))
		}, "/a?q", 200, "in(/a|)"},
		{"M3 segment boundary", func(b *pipeline.Builder) {
			b.Map("/a", func(b *pipeline.Builder) { b.Run(say("in")) }).Run(say("out"))
		}, "/ab", 200, "out(|/ab)"},
		{"M3 case-sensitive", func(b *pipeline.Builder) {
			b.Map("/a", func(b *pipeline.Builder) { b.Run(say("in")) }).Run(say("out"))
		}, "/A", 200, "out(|/A)"},
		{"M3 encoded slash is no boundary", func(b *pipeline.Builder) {
			b.Map("/a", func(b *pipeline.Builder) { b.Run(say("in")) }).Run(say("out"))
		}, "/a%2fb", 200, "out(|/a%2Fb)"},
		{"M3 decoded and dots resolved", func(b *pipeline.Builder) {
			b.Map("/a b", func(b *pipeline.Builder) { b.Run(say("in")) }).Run(say("out"))
		}, "/x/%2e%2e/a%20b/c", 200, "in(/a b|/c)"},
		{"M3 nested and multi-segment", func(b *pipeline.Builder) {
			b.Map("/a/b", func(b *pipeline.Builder) {
				b.Map("/c", func(b *pipeline.Builder) { b.Run(say("c")) }).Run(say("ab"))
			}).Run(say("out"))
		}, "/a/b/c/d", 200, "c(/a/b/c|/d)"},
		{"M3 never rejoins", func(b *pipeline.Builder) {
			b.Map("/a", func(b *pipeline.Builder) { b.Run(func(*pipeline.Context) {}) })
			b.Use(mark("after")).Run(say("out"))
		}, "/a", 200, ""},
		{"M3 everything", func(b *pipeline.Builder) {
			b.Map("/", func(b *pipeline.Builder) { b.Run(say("in")) })
		}, "/x", 200, "in(|/x)"},
		{"M3 longer first", func(b *pipeline.Builder) {
			b.Map("/a/b", func(b *pipeline.Builder) { b.Run(say("ab")) })
			b.Map("/a", func(b *pipeline.Builder) { b.Run(say("a")) }).Run(say("out"))
		}, "/a/c", 200, "a(/a|/c)"},
		{"M4 chosen", func(b *pipeline.Builder) {
			b.MapWhen(isPost, func(b *pipeline.Builder) { b.Use(mark("p")).Run(say("in")) }).Run(say("out"))
		}, "POST /x", 200, "p>in(|/x)<p"},
		{"M4 not chosen", func(b *pipeline.Builder) {
			b.MapWhen(isPost, func(b *pipeline.Builder) { b.Use(mark("p")).Run(say("in")) }).Run(say("out"))
		}, "/x", 200, "out(|/x)"},
		{"M5 rejoins", func(b *pipeline.Builder) {
			b.Use(mark("a")).UseWhen(isPost, func(b *pipeline.Builder) { b.Use(mark("p"), mark("q")) })
			b.Use(mark("b")).Run(say("out"))
		}, "POST /", 200, "a>p>q>b>out(|/)<b<q<p<a"},
		{"M5 not chosen", func(b *pipeline.Builder) {
			b.UseWhen(isPost, func(b *pipeline.Builder) { b.Use(mark("p")) }).Run(say("out"))
		}, "/", 200, "out(|/)"},
		{"M5 answers within", func(b *pipeline.Builder) {
			b.UseWhen(isPost, func(b *pipeline.Builder) { b.Use(stop) }).Run(say("out"))
		}, "POST /", 200, "stop(|/)"},
		{"M5 with a map inside", func(b *pipeline.Builder) {
			b.UseWhen(isPost, func(b *pipeline.Builder) {
				b.Map("/a", func(b *pipeline.Builder) { b.Run(say("in")) })
			}).Run(say("out"))
		}, "POST /b", 200, "out(|/b)"},
		{"M6 before what came earlier", func(b *pipeline.Builder) {
			b.Use(mark("a")).ShortCircuit("/up", say("short")).Run(say("out"))
		}, "/up", 200, "short(|/up)"},
		{"M6 behind Run", func(b *pipeline.Builder) {
			b.Use(mark("a")).Run(say("out")).ShortCircuit("/up", say("short"))
		}, "/up", 200, "short(|/up)"},
		{"M6 that path only", func(b *pipeline.Builder) {
			b.Use(mark("a")).ShortCircuit("/up", say("short")).Run(say("out"))
		}, "/up/x", 200, "a>out(|/up/x)<a"},
		{"M6 status", func(b *pipeline.Builder) {
			b.Use(mark("a")).MapShortCircuit(204, "/x", "/favicon.ico").Run(say("out"))
		}, "/favicon.ico", 204, ""},
		{"M6 status of failure, below a prefix", func(b *pipeline.Builder) {
			b.Use(mark("a")).MapShortCircuit(404, "/x").Run(say("out"))
		}, "/x/y", 404, "404 Not Found\nrequest id: id\n"},
		{"M6 segment boundary", func(b *pipeline.Builder) {
			b.Use(mark("a")).MapShortCircuit(404, "/x").Run(say("out"))
		}, "/xy", 200, "a>out(|/xy)<a"},
		{"M6 in a branch", func(b *pipeline.Builder) {
			b.Use(mark("a")).Map("/m", func(b *pipeline.Builder) {
				b.Use(mark("m")).ShortCircuit("/up", say("short")).Run(say("in"))
			}).Run(say("out"))
		}, "/m/up", 200, "a>short(/m|/up)<a"},
		{"M6 beside a map with middleware", func(b *pipeline.Builder) {
			b.Map("/m", func(b *pipeline.Builder) { b.Use(mark("m")).Run(say("in")) })
			b.ShortCircuit("/mm", say("short")).Run(say("out"))
		}, "/mm", 200, "short(|/mm)"},
		{"M10 end of chain", func(b *pipeline.Builder) {
			b.Map("/a", func(b *pipeline.Builder) { b.Run(say("in")) }).Run(pipeline.NotFoundHandler)
		}, "/b", 404, "404 Not Found\nrequest id: id\n"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			b := pipeline.New()
			tc.build(b)
			h, err := b.Build()
			if err != nil {
				t.Fatalf("Build = %v", err)
			}
			method, target, ok := strings.Cut(tc.target, " ")
			if !ok {
				method, target = "GET", tc.target
			}
			x := pipelinetest.New(t, method+" "+target+" HTTP/1.1\r\nHost: a\r\n\r\n")
			x.Serve(func(c *pipeline.Context) {
				c.SetRequestID("id")
				h(c)
			})
			if got := string(x.Body); got != tc.want || x.Status != tc.status || !x.Ended {
				t.Errorf("%s = %d %q, ended %v; want %d %q", tc.target, x.Status, got, x.Ended, tc.status, tc.want)
			}
		})
	}
}

func TestNoHandler(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	x.Serve(nil)
	if x.Status != 404 || x.T.Reason() != pipeline.NotFound {
		t.Errorf("Serve(nil) = %d %v; want 404 NotFound", x.Status, x.T.Reason())
	}
}

func TestBuildErrors(t *testing.T) {
	run := func(b *pipeline.Builder) { b.Run(say("x")) }
	for _, tc := range []struct {
		desc  string
		build func(b *pipeline.Builder)
		want  string // part of the message
	}{
		{"no run", func(b *pipeline.Builder) { b.Use(mark("a")) }, "chain without Run"},
		{"M2 use behind run", func(b *pipeline.Builder) { b.Run(say("x")).Use(mark("a")) },
			"Use is unreachable behind Run"},
		{"M2 second run", func(b *pipeline.Builder) { b.Run(say("x")).Run(say("y")) },
			"Run is unreachable behind Run"},
		{"behind map of everything", func(b *pipeline.Builder) { b.Map("/", run).Run(say("x")) },
			`Run is unreachable behind Map("/")`},
		{"shadowed map", func(b *pipeline.Builder) { b.Map("/a", run).Map("/a/b", run).Run(say("x")) },
			`Map("/a/b") is unreachable behind Map("/a")`},
		{"branch without run", func(b *pipeline.Builder) {
			b.Map("/a", func(b *pipeline.Builder) { b.Use(mark("a")) }).Run(say("x"))
		}, `Map("/a") without Run`},
		{"nested branch without run", func(b *pipeline.Builder) {
			b.Map("/a", func(b *pipeline.Builder) {
				b.MapWhen(isPost, func(*pipeline.Builder) {}).Run(say("x"))
			}).Run(say("x"))
		}, `in Map("/a"): Map("/a") MapWhen without Run`},
		{"rejoining branch with run", func(b *pipeline.Builder) { b.UseWhen(isPost, run).Run(say("x")) },
			"use MapWhen"},
		{"prefix without slash", func(b *pipeline.Builder) { b.Map("a", run).Run(say("x")) },
			"want a prefix like"},
		{"prefix with slash at the end", func(b *pipeline.Builder) { b.Map("/a/", run).Run(say("x")) },
			"want a prefix like"},
		{"M6 round the middleware of a map", func(b *pipeline.Builder) {
			b.Map("/a", func(b *pipeline.Builder) { b.Use(mark("a")).Run(say("x")) })
			b.ShortCircuit("/a/b", say("y")).Run(say("x"))
		}, `short circuit of /a/b goes round the middleware of Map("/a")`},
		{"M6 above a map with middleware", func(b *pipeline.Builder) {
			b.MapShortCircuit(404, "/a")
			b.Map("/a/b", func(b *pipeline.Builder) { b.Use(mark("a")).Run(say("x")) }).Run(say("x"))
		}, `short circuit of /a goes round the middleware of Map("/a/b")`},
		{"M6 in a branch, round a map of it", func(b *pipeline.Builder) {
			b.Map("/m", func(b *pipeline.Builder) {
				b.Map("/a", func(b *pipeline.Builder) { b.Use(mark("a")).Run(say("x")) })
				b.ShortCircuit("/a", say("y")).Run(say("x"))
			}).Run(say("x"))
		}, `in Map("/m"): short circuit of /a goes round the middleware of Map("/a")`},
		{"M6 twice", func(b *pipeline.Builder) {
			b.MapShortCircuit(404, "/a").ShortCircuit("/a/b", say("y")).Run(say("x"))
		}, `ShortCircuit("/a/b") is unreachable: /a is short-circuited before`},
		{"M6 no path", func(b *pipeline.Builder) { b.MapShortCircuit(404, "a").Run(say("x")) }, "want a path like"},
		{"M6 no status", func(b *pipeline.Builder) { b.MapShortCircuit(100, "/a").Run(say("x")) },
			"want a status"},
		{"M6 nil handler", func(b *pipeline.Builder) { b.ShortCircuit("/a", nil).Run(say("x")) },
			"without a handler"},
		{"nil middleware", func(b *pipeline.Builder) { b.Use(nil).Run(say("x")) }, "Use(nil)"},
		{"nil handler", func(b *pipeline.Builder) { b.Run(nil) }, "Run(nil)"},
		{"nil predicate", func(b *pipeline.Builder) { b.MapWhen(nil, run).Run(say("x")) },
			"without a predicate"},
		{"nil branch", func(b *pipeline.Builder) { b.Map("/a", nil).Run(say("x")) }, "without a function"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			b := pipeline.New()
			tc.build(b)
			h, err := b.Build()
			if h != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Build = %v; want an error with %q", err, tc.want)
			}
		})
	}
}
