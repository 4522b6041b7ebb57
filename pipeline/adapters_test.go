package pipeline_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"weir/pipeline"
	"weir/pipeline/pipelinetest"
)

const upload = "POST /up%2Fload/x?q=1 HTTP/1.1\r\nHost: example.org:81\r\nX-A: 1\r\nX-A: 2\r\n" +
	"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"

// both runs a test in a Blocking handler and inline.
func both(t *testing.T, f func(t *testing.T, wrap func(pipeline.Handler) pipeline.Handler)) {
	t.Helper()
	t.Run("blocking", func(t *testing.T) {
		f(t, func(h pipeline.Handler) pipeline.Handler { return h })
	})
	t.Run("inline", func(t *testing.T) { f(t, pipeline.Inline) })
}

func TestFromHTTP(t *testing.T) {
	both(t, func(t *testing.T, wrap func(pipeline.Handler) pipeline.Handler) {
		x := pipelinetest.New(t, upload)
		x.Serve(wrap(pipeline.FromHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			w.Header().Set("Trailer", "X-Done")
			w.Header().Set("Connection", "close")
			w.Header().Set("Transfer-Encoding", "identity")
			w.Header().Add("Set-Cookie", "a=1")
			w.Header().Add("Set-Cookie", "b=2")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusCreated)
			w.Header().Set("X-Late", "1")
			fmt.Fprintf(w, "%s %s raw=%s q=%s host=%s peer=%s a=%v len=%d te=%v %q %v sum=%s",
				r.Method, r.URL.Path, r.URL.EscapedPath(), r.URL.RawQuery, r.Host, r.RemoteAddr,
				r.Header["X-A"], r.ContentLength, r.TransferEncoding, body, err, r.Trailer.Get("X-Sum"))
			w.(http.Flusher).Flush()
			w.Header().Set("X-Done", "yes")
			w.Header().Set(http.TrailerPrefix+"X-Too", "also")
		}))))
		x.Feed("body")
		_ = x.T.RequestTrailers().Add("x-sum", "7")
		x.EndBody(nil)
		x.Finish()
		want := `POST /up/load/x raw=/up%2Fload/x q=q=1 host=example.org:81 peer=192.0.2.1:1234 ` +
			`a=[1 2] len=-1 te=[chunked] "body" <nil> sum=7`
		if got := string(x.Body); got != want || x.Status != 201 {
			t.Errorf("response %d\n got %s\nwant %s", x.Status, got, want)
		}
		cookies := 0
		for range x.Fields.Values("set-cookie") {
			cookies++
		}
		if cookies != 2 || x.Fields.Has("X-Late") || x.Fields.Has("X-Done") || !x.T.CloseRequested() ||
			!strings.HasPrefix(x.Fields.Get("Content-Type"), "text/plain") {
			t.Errorf("%d cookies, close %v, type %q", cookies, x.T.CloseRequested(), x.Fields.Get("Content-Type"))
		}
		if x.Trailers.Get("x-done") != "yes" || x.Trailers.Get("x-too") != "also" {
			t.Errorf("trailers lost: %d", x.Trailers.Len())
		}
		if len(x.Informed) != 1 || x.Informed[0] != 103 {
			t.Errorf("informed %v; want 103", x.Informed)
		}
		x.Complete()
	})
}

func TestFromHTTPMapped(t *testing.T) {
	for target, want := range map[string]string{
		"/app": "/ /", "/app/": "/ /", "/app/a%20b": "/a b /a%20b", "/app/a%2Fb%25": "/a/b% /a%2Fb%25",
	} {
		h, err := pipeline.New().Map("/app", func(b *pipeline.Builder) {
			b.Run(pipeline.FromHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, r.URL.Path+" "+r.URL.EscapedPath())
			})))
		}).Run(pipeline.NotFoundHandler).Build()
		if err != nil {
			t.Fatal(err)
		}
		x := pipelinetest.Get(t, target, "")
		x.Run(h)
		if got := string(x.Body); got != want {
			t.Errorf("%s: path %q; want %q", target, got, want)
		}
	}
}

func TestFromHTTPStatuses(t *testing.T) {
	both(t, func(t *testing.T, wrap func(pipeline.Handler) pipeline.Handler) {
		x := pipelinetest.Get(t, "/", "")
		x.Run(wrap(pipeline.FromHTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("Write on 204 = %v; want ErrBodyNotAllowed", err)
			}
		}))))
		if x.Status != 204 || len(x.Body) != 0 {
			t.Errorf("response %d %q; want 204", x.Status, x.Body)
		}
		x = pipelinetest.Get(t, "/", "")
		x.Run(wrap(pipeline.FromHTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			if _, err := io.WriteString(w, "abc"); !errors.Is(err, http.ErrContentLength) {
				t.Errorf("Write beyond the length = %v; want ErrContentLength", err)
			}
			_, _ = io.WriteString(w, "ab")
		}))))
		if x.Length != 2 || string(x.Body) != "ab" {
			t.Errorf("response %d %q; want ab", x.Length, x.Body)
		}
		x = pipelinetest.New(t, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
		x.Run(wrap(pipeline.FromHTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1234")
		}))))
		if x.Length != 1234 || !x.Ended {
			t.Errorf("HEAD: length %d, ended %v; want 1234", x.Length, x.Ended)
		}
	})
}

func TestFromHTTPAbort(t *testing.T) {
	both(t, func(t *testing.T, wrap func(pipeline.Handler) pipeline.Handler) {
		x := pipelinetest.Get(t, "/", "")
		x.Run(wrap(pipeline.FromHTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}))))
		if !x.Aborted || x.Panic != nil {
			t.Errorf("aborted %v, panic %v; want a cut without a report", x.Aborted, x.Panic)
		}
	})
}

func TestInlineBodyTooLarge(t *testing.T) {
	x := pipelinetest.New(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
	x.Serve(pipeline.Inline(pipeline.FromHTTP(http.NotFoundHandler())))
	if x.Status != 413 || x.T.Reason() != pipeline.EntityTooLarge {
		t.Errorf("response %d %v; want 413 EntityTooLarge", x.Status, x.T.Reason())
	}
}

func TestFromHTTPEvents(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	next := make(chan bool)
	x.Serve(pipeline.FromHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		for i := range 3 {
			fmt.Fprintf(w, "%d,", i)
			if err := rc.Flush(); err != nil {
				t.Errorf("Flush = %v", err)
			}
			<-next
		}
		<-r.Context().Done()
	})))
	for i, want := range []string{"0,", "0,1,", "0,1,2,"} {
		x.Turn()
		if got := string(x.Body); got != want {
			t.Errorf("after flush %d the client has %q; want %q", i, got, want)
		}
		next <- true
	}
	x.Cancel(io.EOF)
	x.Finish()
	x.Complete()
}

func TestFromFastHTTP(t *testing.T) {
	both(t, func(t *testing.T, wrap func(pipeline.Handler) pipeline.Handler) {
		x := pipelinetest.New(t, upload)
		x.Serve(wrap(pipeline.FromFastHTTP(func(ctx *fasthttp.RequestCtx) {
			if !ctx.IsPost() || string(ctx.Host()) != "example.org:81" ||
				string(ctx.QueryArgs().Peek("q")) != "1" || string(ctx.Request.Header.Peek("x-a")) != "1" {
				t.Errorf("request: %s", &ctx.Request.Header)
			}
			if got := ctx.RemoteAddr().String(); got != "192.0.2.1:1234" {
				t.Errorf("RemoteAddr = %s", got)
			}
			ctx.SetStatusCode(202)
			ctx.SetContentType("x/y")
			ctx.Response.Header.Set("X-B", "3")
			var c fasthttp.Cookie
			c.SetKey("k")
			c.SetValue("v")
			ctx.Response.Header.SetCookie(&c)
			ctx.Response.Header.SetConnectionClose()
			fmt.Fprintf(ctx, "%q", ctx.PostBody())
		})))
		x.Feed("body")
		x.EndBody(nil)
		x.Finish()
		if x.Status != 202 || string(x.Body) != `"body"` || x.Length != 6 || !x.T.CloseRequested() {
			t.Errorf("response %d %q length %d, close %v", x.Status, x.Body, x.Length, x.T.CloseRequested())
		}
		wantFields(t, &x.Fields, "Content-Type=x/y Set-Cookie=k=v X-B=3")
	})
}

func TestFromFastHTTPStream(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	next := make(chan bool)
	x.Serve(pipeline.FromFastHTTP(func(ctx *fasthttp.RequestCtx) {
		ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
			for i := range 3 {
				fmt.Fprintf(w, "%d,", i)
				if err := w.Flush(); err != nil {
					t.Errorf("Flush = %v", err)
				}
				<-next
			}
		})
	}))
	for i, want := range []string{"0,", "0,1,", "0,1,2,"} {
		for len(x.Body) < len(want) {
			x.Turn()
		}
		if got := string(x.Body); got != want {
			t.Errorf("after flush %d the client has %q; want %q", i, got, want)
		}
		next <- true
	}
	x.Finish()
	if !x.Ended || x.Length != pipeline.LengthUnknown {
		t.Errorf("ended %v, length %d", x.Ended, x.Length)
	}
	x = pipelinetest.Get(t, "/", "")
	x.Run(pipeline.FromFastHTTP(func(ctx *fasthttp.RequestCtx) {
		ctx.SetBodyStream(strings.NewReader("0123456789"), 10)
	}))
	if x.Length != 10 || string(x.Body) != "0123456789" || !x.Ended {
		t.Errorf("sized stream: length %d, %q, ended %v", x.Length, x.Body, x.Ended)
	}
}

func TestFromFastHTTPOddities(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	x.Run(pipeline.FromFastHTTP(func(ctx *fasthttp.RequestCtx) {
		ctx.TimeoutErrorWithCode("too late", 504)
		ctx.SetStatusCode(200)
	}))
	if x.Status != 504 || string(x.Body) != "too late" {
		t.Errorf("TimeoutError: %d %q; want 504", x.Status, x.Body)
	}
	x = pipelinetest.New(t, "HEAD /a/x HTTP/1.1\r\nHost: a\r\n\r\n")
	x.Begin()
	x.T.MovePathBase(2)
	x.T.Serve(pipeline.FromFastHTTP(func(ctx *fasthttp.RequestCtx) {
		_, _ = ctx.Write(ctx.Path())
		if _, ok := ctx.Deadline(); ok || ctx.Time().After(time.Now()) {
			t.Error("odd clock")
		}
	}))
	x.Finish()
	if x.Length != 2 || len(x.Body) != 0 {
		t.Errorf("HEAD: length %d; want 2, that of /x", x.Length)
	}
}
