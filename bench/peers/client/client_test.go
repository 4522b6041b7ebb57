package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir/bench/load"
)

func TestRunCountsWhatTheServerSaw(t *testing.T) {
	var requests, conns atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.URL.Path == "/missing" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, "Hello, World!")
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	for _, tc := range []struct {
		desc, path   string
		conns, depth int
		perConn      int64
		status       bool
	}{
		{"keep-alive", "/", 3, 1, 0, false},
		{"pipelined", "/", 2, 16, 0, false},
		{"connection per request", "/", 2, 1, 1, false},
		{"five requests a connection", "/", 2, 1, 5, false},
		{"two batches a connection", "/", 1, 4, 2, false},
		{"all 404", "/missing", 1, 1, 0, true},
	} {
		requests.Store(0)
		conns.Store(0)
		u, err := url.Parse(s.URL + tc.path)
		if err != nil {
			t.Fatal(err)
		}
		r := run(u, tc.conns, tc.depth, int(tc.perConn), 50*time.Millisecond)
		want := load.Errors{}
		if tc.status {
			want.Status = r.Requests
		}
		if r.Requests == 0 || r.Requests != requests.Load() || r.Errors != want {
			t.Errorf("%s: %d requests, errors %+v; the server saw %d", tc.desc, r.Requests, r.Errors,
				requests.Load())
		}
		if got, wanted := conns.Load(), int64(tc.conns); tc.perConn == 0 && got != wanted {
			t.Errorf("%s: %d connections; want %d", tc.desc, got, wanted)
		} else if each := tc.perConn * int64(tc.depth); tc.perConn > 0 &&
			(got < r.Requests/each || got > r.Requests/each+wanted) {
			t.Errorf("%s: %d connections for %d requests", tc.desc, got, r.Requests)
		}
		if r.P50 <= 0 || r.P99 < r.P50 || r.Bytes < r.Requests*13 {
			t.Errorf("%s: implausible %+v", tc.desc, r)
		}
	}
}

func TestRunReportsRefusal(t *testing.T) {
	s := httptest.NewServer(nil)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if r := run(u, 2, 1, 0, 50*time.Millisecond); r.Errors.Connect != 2 || r.Requests != 0 {
		t.Errorf("run against a closed port = %+v; want 2 connect errors", r)
	}
}

func TestReadAnswer(t *testing.T) {
	for _, tc := range []struct {
		text   string
		status int
		n      int64
		ok     bool
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, 40, true},
		{"HTTP/1.1 503\r\ncontent-length:0\r\n\r\n", 503, 34, true},
		{"HTTP/1.1 200 OK\r\n\r\n", 0, 19, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", 200, 40, false},
		{"HTTP\r\n\r\n", 0, 6, false},
		{"", 0, 0, false},
	} {
		status, n, err := readAnswer(bufio.NewReader(strings.NewReader(tc.text)))
		if status != tc.status || n != tc.n || (err == nil) != tc.ok {
			t.Errorf("readAnswer(%q) = %d, %d, %v; want %d, %d, ok %v", tc.text, status, n, err,
				tc.status, tc.n, tc.ok)
		}
	}
}
