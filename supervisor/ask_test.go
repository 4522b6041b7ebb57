//go:build linux

package supervisor

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"weir/supervisor/config"
)

func TestStartDefaults(t *testing.T) {
	c := PoolConfig{
		Ready:  config.Ready{Probe: config.Probe{HTTP: "/up"}},
		Warmup: []config.Warmup{{Path: "/"}, {Path: "/x", Host: "e.org", Status: 301, Timeout: config.Off}},
	}
	d := c.withDefaults()
	want := []config.Warmup{
		{Path: "/", Host: "localhost", Status: 200, Timeout: config.Duration(30 * time.Second)},
		{Path: "/x", Host: "e.org", Status: 301, Timeout: config.Off},
	}
	if d.Ready.Probe != config.ProbeHTTP("/up", 200) || !reflect.DeepEqual(d.Warmup, want) {
		t.Errorf("defaults: %+v, %+v; want %+v", d.Ready.Probe, d.Warmup, want)
	}
	if c.Warmup[0].Status != 0 {
		t.Error("the caller's list was changed")
	}
	zero := PoolConfig{}
	if zero = zero.withDefaults(); zero.Ready.Probe != config.ProbeConnect {
		t.Errorf("default probe %+v; want connect", zero.Ready.Probe)
	}
	for _, tt := range []struct {
		c    PoolConfig
		want string
	}{
		{PoolConfig{Warmup: []config.Warmup{{}}}, "(none)"},
		{PoolConfig{Warmup: []config.Warmup{{Path: "x"}}}, "x"},
		{PoolConfig{Ready: config.Ready{Probe: config.Probe{HTTP: "up"}}}, "up"}, {c, ""},
	} {
		if got := tt.c.invalidPath(); got != tt.want {
			t.Errorf("%+v: invalid path %q; want %q", tt.c, got, tt.want)
		}
	}
}

// TestAsk: one request to a worker, what it says, and what is wrong with the answer.
func TestAsk(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	m := http.NewServeMux()
	m.HandleFunc("/code", func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "e.org" || r.UserAgent() != "Weir" {
			w.WriteHeader(500)
			return
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(302)
	})
	m.HandleFunc("/wait", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	m.HandleFunc("/die", func(_ http.ResponseWriter, r *http.Request) {
		close(gone)
		<-r.Context().Done()
	})
	srv := &http.Server{Handler: m}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(l) // ends by Shutdown
	}()
	defer func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-served
	}()
	p := &process{exited: make(chan struct{})}
	go func() {
		<-gone
		close(p.exited)
	}()
	at := Endpoint{Network: "unix", Address: socket}
	for _, tt := range []struct {
		path   string
		status int
		within time.Duration
		want   string
	}{
		{"/code?a=b", 302, time.Minute, ""},
		{"/code", 200, time.Minute, "GET /code: status 302, expected 200"},
		{"/wait", 200, 20 * time.Millisecond, "GET /wait: no answer within 20ms"},
		{"/die", 200, time.Minute, "GET /die: context canceled"},
	} {
		got := ""
		if err := p.ask(at, tt.path, "e.org", tt.status, tt.within); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("ask %s = %q; want %q", tt.path, got, tt.want)
		}
	}
	p = &process{exited: make(chan struct{})}
	err = p.ask(Endpoint{Network: "unix", Address: socket + "x"}, "/", "e.org", 200, time.Minute)
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("ask nobody = %v; want no such file", err)
	}
}
