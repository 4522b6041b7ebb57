package pipeline_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/pipeline"
	"weir/pipeline/pipelinetest"
)

func TestBufferedResponse(t *testing.T) {
	big := strings.Repeat("x", 20<<10)
	for _, tc := range []struct {
		desc   string
		h      pipeline.Handler
		status int
		length int64
		body   string
		sends  int
	}{
		{"nothing", func(*pipeline.Context) {}, 200, 0, "", 0},
		{"text", func(c *pipeline.Context) { c.Text(201, "hi") }, 201, 2, "hi", 1},
		{"two writes, one send", func(c *pipeline.Context) {
			_, _ = c.WriteString("a")
			_, _ = c.Write([]byte("b"))
		}, 200, 2, "ab", 1},
		{"big is streamed", func(c *pipeline.Context) {
			_, _ = c.WriteString("a")
			_, _ = c.WriteString(big)
		}, 200, pipeline.LengthUnknown, "a" + big, 2},
		{"big text knows its length", func(c *pipeline.Context) { c.Text(200, big) },
			200, 20 << 10, big, 1},
		{"announced length", func(c *pipeline.Context) {
			_ = c.SetHeader("content-length", "3")
			_, _ = c.WriteString("abc")
			_ = c.Flush()
		}, 200, 3, "abc", 1},
		{"flush starts", func(c *pipeline.Context) {
			_, _ = c.WriteString("a")
			_ = c.Flush()
			_, _ = c.WriteString("b")
		}, 200, pipeline.LengthUnknown, "ab", 2},
		{"trailers need chunks", func(c *pipeline.Context) {
			_, _ = c.WriteString("a")
			_ = c.Trailers().Add("X-T", "1")
		}, 200, pipeline.LengthUnknown, "a", 1},
		{"fail drops the answer", func(c *pipeline.Context) {
			c.SetRequestID("id")
			c.Text(200, "secret")
			_ = c.SetHeader("Content-Encoding", "br")
			c.Fail(503, pipeline.QueueFull)
		}, 503, 39, "503 Service Unavailable\nrequest id: id\n", 1},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			x := pipelinetest.Get(t, "/", "")
			x.Serve(tc.h)
			if x.Status != tc.status || x.Length != tc.length || string(x.Body) != tc.body ||
				x.Sends != tc.sends || !x.Ended {
				t.Errorf("response %d, length %d, %d bytes in %d sends, ended %v; want %d, %d, %d in %d",
					x.Status, x.Length, len(x.Body), x.Sends, x.Ended,
					tc.status, tc.length, len(tc.body), tc.sends)
			}
			if x.Fields.Has("Content-Encoding") {
				t.Error("Content-Encoding survived Fail")
			}
		})
	}
}

// TestStarted is row M7: a typed error after the start, and no change.
func TestStarted(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	x.Serve(func(c *pipeline.Context) {
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"SetStatus": c.SetStatus(500), "SetHeader": c.SetHeader("A", "b"),
			"AddHeader": c.AddHeader("A", "b"), "DelHeader": c.DelHeader("A"),
			"Fields.Add": c.Fields().Add("A", "b"), "length": c.SetHeader("Content-Length", "1"),
			"SetLength": c.SetLength(1), "AddFilter": c.AddFilter(upper{}),
			"OnStarting": c.OnStarting(func(*pipeline.Context) {}), "Inform": c.Inform(103, nil),
			"StartResponse": c.StartResponse(1),
		} {
			if !errors.Is(err, pipeline.ErrStarted) {
				t.Errorf("%s after the start = %v; want ErrStarted", what, err)
			}
		}
		c.Fail(500, pipeline.HandlerPanic)
		if _, err := c.WriteString("x"); !errors.Is(err, pipeline.ErrEnded) {
			t.Errorf("Write after Fail = %v; want ErrEnded", err)
		}
	})
	if x.Status != 200 || !x.Aborted || x.Fields.Len() != 0 {
		t.Errorf("response %d, aborted %v, %d fields; want 200 cut, no fields",
			x.Status, x.Aborted, x.Fields.Len())
	}
}

func TestCallbackOrder(t *testing.T) {
	var order []string
	note := func(s string) func(*pipeline.Context) {
		return func(c *pipeline.Context) {
			order = append(order, s)
			if _, err := c.WriteString("x"); !errors.Is(err, pipeline.ErrStarted) {
				t.Errorf("Write in OnStarting = %v; want ErrStarted", err)
			}
		}
	}
	x := pipelinetest.Get(t, "/", "")
	x.Serve(func(c *pipeline.Context) {
		_ = c.OnStarting(note("s1"))
		_ = c.OnStarting(func(c *pipeline.Context) {
			order = append(order, "s2")
			_ = c.SetStatus(202)
			_ = c.SetHeader("X-Late", "yes")
			_ = c.AddFilter(upper{})
		})
		for _, name := range []string{"c1", "c2"} {
			c.OnCompleted(func(_ *pipeline.Context, o pipeline.Outcome) {
				order = append(order, name)
				if o.Status != 202 || o.BytesOut != 2 {
					t.Errorf("Outcome = %+v; want 202 and 2 bytes", o)
				}
			})
		}
		c.Text(200, "ab")
	})
	x.Complete()
	if got := strings.Join(order, " "); got != "s2 s1 c2 c1" {
		t.Errorf("order = %s; want s2 s1 c2 c1", got)
	}
	if x.Status != 202 || string(x.Body) != "AB" || x.Length != 2 || x.Fields.Get("x-late") != "yes" {
		t.Errorf("response %d %q length %d; want 202 AB 2", x.Status, x.Body, x.Length)
	}
}

// upper is a filter; last appends nothing.
type upper struct{}

func (upper) Append(dst, src []byte, _ bool) ([]byte, error) {
	return append(dst, bytes.ToUpper(src)...), nil
}

// held is a filter that keeps everything back until flushed.
type heldBack struct{ kept []byte }

func (f *heldBack) Append(dst, src []byte, last bool) ([]byte, error) {
	f.kept = append(f.kept, src...)
	if last {
		return f.AppendFlush(append(dst, '$'))
	}
	return dst, nil
}

func (f *heldBack) AppendFlush(dst []byte) ([]byte, error) {
	dst = append(dst, f.kept...)
	f.kept = f.kept[:0]
	return dst, nil
}

func TestFilters(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	x.Serve(func(c *pipeline.Context) {
		_ = c.AddFilter(&heldBack{})
		_ = c.AddFilter(upper{})
		_ = c.SetHeader("Content-Length", "4")
		_, _ = c.WriteString("ab")
		_ = c.Flush()
		if got := string(x.Body); got != "AB" {
			t.Errorf("after Flush the client has %q; want AB", got)
		}
		_, _ = c.WriteString("cd")
		if got := string(x.Body); got != "AB" {
			t.Errorf("before the end the client has %q; want AB", got)
		}
	})
	if got := string(x.Body); got != "AB$CD" || x.Length != pipeline.LengthUnknown || !x.Ended {
		t.Errorf("body %q, length %d; want AB$CD of unknown length", got, x.Length)
	}
}

func TestBackpressure(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	x.High = 64 << 10
	x.Serve(func(c *pipeline.Context) {
		chunk := make([]byte, 20<<10)
		n := 0
		for ; n < 100; n++ {
			if took, err := c.Write(chunk); err != nil {
				if !errors.Is(err, pipeline.ErrBackpressure) || took != 0 {
					t.Errorf("Write = %d, %v; want 0, ErrBackpressure", took, err)
				}
				break
			}
		}
		if n != 4 {
			t.Errorf("%d writes of 20 KiB went through; want 4", n)
		}
		x.Drain()
		if _, err := c.Write(chunk); err != nil {
			t.Errorf("Write after Drain = %v; want nil", err)
		}
	})
}

func TestLengthHeld(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	x.Serve(func(c *pipeline.Context) {
		_ = c.SetLength(3)
		if _, err := c.WriteString("abcd"); !errors.Is(err, pipeline.ErrLength) {
			t.Errorf("Write beyond the length = %v; want ErrLength", err)
		}
		_, _ = c.WriteString("ab")
	})
	if !x.Aborted {
		t.Error("a short body ended well; want the connection reset")
	}
}

func TestStream(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	x.High = 10
	calls := 0
	x.Run(func(c *pipeline.Context) {
		c.Stream(206, func(dst []byte) (int, error) {
			calls++
			if x.Queued() >= x.High {
				t.Errorf("next called with %d bytes queued", x.Queued())
			}
			if calls == 5 {
				return copy(dst, "end"), io.EOF
			}
			return copy(dst, "0123456789"), nil
		})
	})
	if got, want := string(x.Body), strings.Repeat("0123456789", 4)+"end"; got != want || x.Status != 206 {
		t.Errorf("stream = %d %q; want 206 %q", x.Status, got, want)
	}
}

func TestStreamWaits(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	var a pipeline.Async
	more := false
	x.Serve(func(c *pipeline.Context) {
		a = c.Async()
		c.Stream(200, func(dst []byte) (int, error) {
			if !more {
				return 0, pipeline.ErrAgain
			}
			return copy(dst, "data"), io.EOF
		})
	})
	if x.Ended || x.Heads != 1 {
		t.Fatalf("ended %v, %d heads while the stream waits; want one head", x.Ended, x.Heads)
	}
	if !a.Post(func(*pipeline.Context) { more = true }) {
		t.Fatal("Post = false")
	}
	x.Finish()
	if string(x.Body) != "data" || !x.Ended {
		t.Errorf("body %q, ended %v; want data", x.Body, x.Ended)
	}
}

// TestStreamYields: a stream to a client that always has room goes on in pieces, so that its loop sees
// to others in between.
func TestStreamYields(t *testing.T) {
	const size = 4 << 20
	x := pipelinetest.Get(t, "/", "")
	x.High = 2 * size
	left := size
	x.Serve(func(c *pipeline.Context) {
		c.Stream(200, func(dst []byte) (int, error) {
			n := min(len(dst), left)
			if left -= n; left == 0 {
				return n, io.EOF
			}
			return n, nil
		})
	})
	turns := 0
	for ; !x.Ended && turns < size; turns++ {
		before := left
		x.Turn()
		if n := before - left; n > 300<<10 {
			t.Fatalf("%d bytes in one turn; want at most 300 KiB", n)
		}
	}
	if len(x.Body) != size || turns < 10 {
		t.Errorf("%d bytes in %d turns; want %d in 10 or more", len(x.Body), turns, size)
	}
}

func TestStreamErrors(t *testing.T) {
	for desc, next := range map[string]func([]byte) (int, error){
		"error":       func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF },
		"no progress": func([]byte) (int, error) { return 0, nil },
	} {
		for _, wrap := range []func(pipeline.Handler) pipeline.Handler{pipeline.Inline, pipeline.Blocking} {
			x := pipelinetest.Get(t, "/", "")
			x.Run(wrap(func(c *pipeline.Context) { c.Stream(200, next) }))
			if !x.Aborted || x.AbortBy != pipeline.HandlerError {
				t.Errorf("%s: aborted %v by %v; want HandlerError", desc, x.Aborted, x.AbortBy)
			}
		}
	}
}

func TestSendFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		desc   string
		wrap   func(pipeline.Handler) pipeline.Handler
		filter bool
		want   string
		files  int
	}{
		{"loop", pipeline.Inline, false, "23456", 1},
		{"blocking", pipeline.Blocking, false, "23456", 1},
		{"filtered by the pool", pipeline.Inline, true, "$23456", 0},
		{"filtered in blocking", pipeline.Blocking, true, "$23456", 0},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			x := pipelinetest.Get(t, "/", "")
			var f *os.File
			x.Run(tc.wrap(func(c *pipeline.Context) {
				var err error
				if f, err = os.Open(name); err != nil {
					t.Error(err)
					return
				}
				_ = c.OnStarting(func(c *pipeline.Context) {
					if tc.filter {
						_ = c.AddFilter(&heldBack{})
					}
				})
				c.SendFile(200, f, 2, 5)
			}))
			if string(x.Body) != tc.want || x.Files != tc.files || !x.Ended {
				t.Errorf("body %q by %d files; want %q by %d", x.Body, x.Files, tc.want, tc.files)
			}
			if err := f.Close(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("the file was left open: Close = %v", err)
			}
		})
	}
}

func TestReadBody(t *testing.T) {
	head := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	echo := func(max int64) pipeline.Handler {
		return func(c *pipeline.Context) {
			c.ReadBody(max, func(c *pipeline.Context, body []byte, err error) {
				if err != nil {
					_, _ = c.WriteString(err.Error())
					return
				}
				_, _ = c.Write(body)
			})
		}
	}
	for _, wrap := range []func(pipeline.Handler) pipeline.Handler{pipeline.Inline, pipeline.Blocking} {
		x := pipelinetest.New(t, head)
		x.Serve(wrap(echo(10)))
		x.Feed("01234")
		x.Feed("56789")
		x.EndBody(nil)
		x.Finish()
		if string(x.Body) != "0123456789" || x.Status != 200 {
			t.Errorf("echo = %d %q; want 200", x.Status, x.Body)
		}
		x = pipelinetest.New(t, head)
		x.Serve(wrap(echo(9)))
		x.Feed("0123456789")
		x.Feed("more")
		x.EndBody(nil)
		x.Finish()
		if string(x.Body) != pipeline.ErrBodyTooLarge.Error() || x.Status != 413 {
			t.Errorf("echo of too much = %d %q; want 413", x.Status, x.Body)
		}
	}
	x := pipelinetest.New(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n")
	x.Serve(echo(10))
	if x.Status != 413 || x.Asked {
		t.Errorf("announced too much = %d, asked %v; want 413 without asking", x.Status, x.Asked)
	}
	x = pipelinetest.Get(t, "/", "")
	x.Serve(echo(10))
	if x.Status != 200 || !x.Ended {
		t.Errorf("no body = %d, ended %v; want 200 at once", x.Status, x.Ended)
	}
}

func TestReadBodyCancelled(t *testing.T) {
	x := pipelinetest.New(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
	calls := 0
	x.Serve(func(c *pipeline.Context) {
		c.ReadBody(10, func(c *pipeline.Context, _ []byte, err error) {
			calls++
			if !errors.Is(err, io.ErrClosedPipe) || !errors.Is(c.Err(), io.ErrClosedPipe) {
				t.Errorf("then got %v, Err %v; want the cause", err, c.Err())
			}
			c.Text(200, "nobody hears it")
		})
	})
	if !x.Cancel(io.ErrClosedPipe) || calls != 1 || x.Heads != 0 {
		t.Errorf("%d calls, %d heads; want 1 call and no answer", calls, x.Heads)
	}
	x.Complete()
}

func TestFraming(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	x.Serve(func(c *pipeline.Context) {
		for value, want := range map[string]error{
			"Upgrade": pipeline.ErrFraming, "keep-alive": nil, "a, Close": nil,
		} {
			if err := c.SetHeader("Connection", value); !errors.Is(err, want) {
				t.Errorf("SetHeader(Connection, %q) = %v; want %v", value, err, want)
			}
		}
		for _, value := range []string{"", "-1", "+1", "1x", "99999999999999999999"} {
			if err := c.SetHeader("Content-Length", value); !errors.Is(err, pipeline.ErrField) {
				t.Errorf("SetHeader(Content-Length, %q) = %v; want ErrField", value, err)
			}
		}
		if err := c.AddHeader("Transfer-Encoding", "chunked"); !errors.Is(err, pipeline.ErrFraming) {
			t.Errorf("AddHeader(Transfer-Encoding) = %v; want ErrFraming", err)
		}
		for _, code := range []int{0, 100, 103, 199, 1000} {
			if err := c.SetStatus(code); !errors.Is(err, pipeline.ErrStatus) {
				t.Errorf("SetStatus(%d) = %v; want ErrStatus", code, err)
			}
		}
	})
	if !x.T.CloseRequested() {
		t.Error("Connection: close was lost")
	}
}

// TestReset serves a request that sets everything, then one that must see nothing of it.
func TestReset(t *testing.T) {
	x := pipelinetest.New(t, "POST /a/b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
	var ids [2]string
	x.Serve(func(c *pipeline.Context) {
		ids[0] = strings.Clone(c.RequestID())
		benchKey.Set(c, new(int))
		_ = c.SetHeader("Connection", "close")
		_ = c.SetLength(1)
		_ = c.AddFilter(upper{})
		_ = c.OnStarting(func(*pipeline.Context) {})
		c.OnCompleted(func(*pipeline.Context, pipeline.Outcome) {})
		c.SetErrorPage(func(_ *pipeline.Context, dst []byte, _ int, _ pipeline.Reason) ([]byte, string) {
			return dst, "x/y"
		})
		c.Fail(418, pipeline.Disabled)
	})
	x.T.MovePathBase(2)
	std := x.T.Context.Context()
	x.Complete()
	if std.Err() == nil {
		t.Error("context.Context not cancelled by Complete")
	}
	x.Load("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
	x.Serve(func(c *pipeline.Context) {
		ids[1] = strings.Clone(c.RequestID())
		_, ok := benchKey.Get(c)
		if ok || c.PathBase() != "" || c.Path() != "/" || c.Host() != "b" || c.Status() != 200 ||
			c.Fields().Len() != 0 || c.Err() != nil || c.Context().Err() != nil {
			t.Errorf("the last exchange shows: key %v, base %q, status %d", ok, c.PathBase(), c.Status())
		}
		c.Fail(500, pipeline.HandlerPanic)
	})
	if ids[0] == ids[1] || len(ids[0]) != 32 || x.T.CloseRequested() ||
		!strings.HasPrefix(string(x.Body), "500 Internal") {
		t.Errorf("ids %q, body %q: something is left", ids, x.Body)
	}
}
