package pipeline_test

import (
	"net/http"
	"testing"

	"weir/pipeline"
	"weir/pipeline/pipelinetest"
)

const upgrade = "Connection: Upgrade\r\nUpgrade: h2c, x\r\n"

// TestStartTunnel: when a tunnel may begin, and what it makes of the response.
func TestStartTunnel(t *testing.T) {
	x := pipelinetest.Get(t, "/", upgrade)
	x.Serve(func(c *pipeline.Context) {
		if err := c.SetStatus(101); err != pipeline.ErrStatus {
			t.Errorf("SetStatus(101) = %v; want ErrStatus", err)
		}
		for _, p := range []string{"h2c", "y", ""} {
			if err := c.StartTunnel(p); err != pipeline.ErrProtocol {
				t.Errorf("StartTunnel(%q) = %v; want ErrProtocol", p, err)
			}
		}
		_ = c.OnStarting(func(c *pipeline.Context) {
			_ = c.SetStatus(200)
			_ = c.SetHeader("Upgrade", "h2c")
			_ = c.SetHeader("X-A", "b")
			_ = c.AddFilter(nil)
		})
		_, _ = c.WriteString("a body that nobody gets")
		c.Hold(nowhere{})
		if err := c.StartTunnel("x"); err != nil {
			t.Errorf("StartTunnel = %v", err)
		}
		c.SendBody([]byte("raw"))
		if err := c.StartTunnel("x"); err != pipeline.ErrStarted {
			t.Errorf("StartTunnel again = %v; want ErrStarted", err)
		}
		c.CloseWrite()
		_ = c.EndResponse(nil)
	})
	if x.Status != 101 || x.Length != pipeline.LengthTunnel || string(x.Body) != "raw" || !x.Half ||
		x.Fields.Get("Upgrade") != "x" || x.Fields.Get("X-A") != "b" || !x.Ended {
		t.Errorf("got %d, length %d, %q, half %v, %q", x.Status, x.Length, x.Body, x.Half, x.Fields.Get("Upgrade"))
	}
	x.Complete()

	x.Serve(func(c *pipeline.Context) {
		_ = c.OnStarting(func(c *pipeline.Context) { c.Abort(403, pipeline.Draining) })
		if err := c.StartTunnel("x"); err == nil {
			t.Error("StartTunnel of an exchange that a callback has given up: no error")
		}
	})
	if x.Heads != 0 || !x.Aborted {
		t.Errorf("given up by a callback: %d heads", x.Heads)
	}
	x.Complete()
}

type nowhere struct{}

func (nowhere) OnWritable(*pipeline.Context)      {}
func (nowhere) OnCancel(*pipeline.Context, error) {}

// TestHijackRefused: who cannot have the connection is told so, and may still answer.
func TestHijackRefused(t *testing.T) {
	try := func(w http.ResponseWriter, _ *http.Request) {
		if _, _, err := http.NewResponseController(w).Hijack(); err != nil {
			http.Error(w, err.Error(), http.StatusUpgradeRequired)
		}
	}
	for _, tc := range []struct {
		desc, fields string
		wrap         func(pipeline.Handler) pipeline.Handler
		want         int
	}{
		{"no offer", "", nil, 426},
		{"h2c alone", "Connection: Upgrade\r\nUpgrade: h2c\r\n", nil, 426},
		{"on a loop", upgrade, pipeline.Inline, 426},
	} {
		h := pipeline.FromHTTP(http.HandlerFunc(try))
		if tc.wrap != nil {
			h = tc.wrap(h)
		}
		x := pipelinetest.Get(t, "/", tc.fields)
		x.Run(h)
		if x.Status != tc.want {
			t.Errorf("%s: %d %q; want %d", tc.desc, x.Status, x.Body, tc.want)
		}
		x.Complete()
	}
	x := pipelinetest.Get(t, "/", upgrade)
	x.Run(pipeline.FromHTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(101) // and nothing more
	})))
	if x.Status != 500 {
		t.Errorf("101 without Hijack: %d; want 500", x.Status)
	}
	x.Complete()
}
