package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/bench/load"
	"weir/bench/proc"
	"weir/bench/result"
)

func TestChoose(t *testing.T) {
	name := func(s string) string { return s }
	all := []string{"a", "b", "c"}
	for _, tc := range []struct {
		list string
		want []string
		err  string
	}{
		{"", all, ""},
		{"c,a", []string{"a", "c"}, ""},
		{"a,d", nil, `unknown name "d"; there are a, b, c`},
		{"a,", nil, `unknown name ""`},
	} {
		got, err := choose(tc.list, all, name)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("choose(%q) error = %v; want %q", tc.list, err, tc.err)
			}
		} else if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("choose(%q) = %v, %v; want %v", tc.list, got, err, tc.want)
		}
	}
}

// TestTargetsNameRealRows catches a renamed scenario or subject.
func TestTargetsNameRealRows(t *testing.T) {
	known := func(name string) bool {
		return slices.ContainsFunc(finders, func(f finder) bool { return f.name == name })
	}
	for _, target := range result.Targets {
		i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == target.Scenario })
		if i < 0 {
			t.Errorf("target for unknown scenario %q", target.Scenario)
			continue
		}
		if !known(target.Subject) || target.Versus != "" && !known(target.Versus) {
			t.Errorf("target of %s names an unknown subject: %+v", target.Scenario, target)
		}
		if target.Versus == "" && scenarios[i].unit() == result.LoadUnit {
			t.Errorf("target of %s is absolute; CPU time is only compared", target.Scenario)
		}
	}
}

func TestParseFlags(t *testing.T) {
	for _, tc := range []struct{ args, err string }{
		{"-rounds 3 -duration 2s -scenario close -client own", ""},
		{"-rounds 0", "-rounds 0"},
		{"-duration 1500ms", "whole seconds"},
		{"-duration 0s", "whole seconds"},
		{"-client ab", `-client "ab"`},
		{"close", `unexpected argument "close"`},
	} {
		o, err := parseFlags(strings.Fields(tc.args))
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("parseFlags(%q) error = %v; want %q", tc.args, err, tc.err)
			}
		} else if err != nil || o.rounds != 3 || o.duration != 2*time.Second || o.cpus.server < 0 ||
			o.cpus.client < 0 || o.cpus.worker != o.cpus.server {
			t.Errorf("parseFlags(%q) = %+v, %v", tc.args, o, err)
		}
	}
}

func TestNewRound(t *testing.T) {
	r := load.Result{Requests: 1000, Bytes: 130000, Elapsed: 2 * time.Second,
		P50: 40 * time.Microsecond, P99: time.Millisecond, Errors: load.Errors{Read: 1, Status: 2}}
	got, err := newRound(r, 20*time.Millisecond, time.Second)
	want := result.Round{Value: 20, Requests: 1000, PerSecond: 500, P50Micros: 40, P99Micros: 1000,
		ServerCPU: 0.01, ClientCPU: 0.5, Bytes: 130, Errors: 3}
	if err != nil || got != want {
		t.Errorf("newRound = %+v, %v; want %+v", got, err, want)
	}
	if _, err := newRound(load.Result{Elapsed: time.Second}, 0, 0); err == nil {
		t.Error("newRound without requests: no error")
	}
}

func TestBenchmarkNanos(t *testing.T) {
	const output = `goos: linux
BenchmarkRequestParse/430B  	 1000000	 2255 ns/op	 190.68 MB/s	 225.5 cpu-ns/op	 0 B/op
BenchmarkRequestParse/430B-2       	 1000000	       231 ns/op	1906.87 MB/s	       230 cpu-ns/op
BenchmarkRequestParse/small-2      	 1000000	        30 ns/op	        30 cpu-ns/op
BenchmarkResponseParse-2           	 1000000	        70 ns/op
BenchmarkFasthttpParse-16          	  500000	       375 ns/op	       374 cpu-ns/op
ok  	weir/protocol/http1	3.2s
`
	for name, want := range map[string][]float64{"BenchmarkRequestParse/430B": {225.5, 230},
		"BenchmarkFasthttpParse": {374}, "BenchmarkRequestParse": nil,
		"BenchmarkResponseParse": nil} {
		if got := benchmarkNanos(output, name); !slices.Equal(got, want) {
			t.Errorf("benchmarkNanos(%s) = %v; want %v", name, got, want)
		}
	}
}

// TestParityPasses holds for a server that does everything right.
func TestParityPasses(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, helloBody)
	}))
	s.Config.MaxHeaderBytes = 32 << 10
	s.Start()
	defer s.Close()
	addr := s.Listener.Addr().String()
	if failed := parity(addr); len(failed) > 0 {
		t.Errorf("parity(net/http) failed: %v", failed)
	}
	if err := missing(addr); err != nil {
		t.Errorf("missing(net/http) = %v", err)
	}
}

// TestParityFindsFaults serves what an engine without a parser does: one answer per read, whatever
// was read.
func TestParityFindsFaults(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			answerEveryRead(c)
		}
	}()
	addr := ln.Addr().String()
	failed := strings.Join(parity(addr), "\n")
	if err := missing(addr); err == nil {
		t.Error("missing found nothing wrong with a 200")
	}
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	<-done
	for _, p := range probes {
		if p.name != "fixed answer" && !strings.Contains(failed, p.name) {
			t.Errorf("probe %q found nothing wrong; failed: %s", p.name, failed)
		}
	}
	if strings.Contains(failed, "fixed answer (") {
		t.Errorf("the fixed answer itself failed: %s", failed)
	}
}

// answerEveryRead serves one connection and ends it a moment after its client is silent.
func answerEveryRead(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 64<<10)
	for {
		if c.SetReadDeadline(time.Now().Add(100*time.Millisecond)) != nil {
			return
		}
		if _, err := c.Read(buf); err != nil {
			return
		}
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n"+helloBody)
		if err != nil {
			return
		}
	}
}

func TestReadAnswerLeavesTheRest(t *testing.T) {
	r := bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" +
		"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno" + "rest"))
	if a, err := readAnswer(r, "HEAD"); err != nil || a.status != 200 || a.body != nil {
		t.Errorf("answer to HEAD = %+v, %v; want 200 without body", a, err)
	}
	a, err := readAnswer(r, "GET")
	if err != nil || a.status != 404 || string(a.body) != "no" || !a.closes {
		t.Errorf("second answer = %+v, %v; want 404, closing, with body no", a, err)
	}
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "rest" {
		t.Errorf("left in the reader: %q, %v; want rest", rest, err)
	}
	for _, bad := range []string{"", "HTTP/1.1 200 OK\r\n", "nonsense\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"} {
		if a, err := readAnswer(bufio.NewReader(strings.NewReader(bad)), "GET"); err == nil {
			t.Errorf("readAnswer(%q) = %+v; want an error", bad, a)
		}
	}
}

func TestIdleConn(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, helloBody)
	}))
	defer s.Close()
	c, err := idleConn(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestConfigsSayWhatIsFair looks for the lines without which a comparison would be unfair.
func TestConfigsSayWhatIsFair(t *testing.T) {
	b := &bench{dir: "/tmp/b", files: "/tmp/b/files", openFiles: 20000}
	at := func(m mode) setup {
		return setup{scenario: scenario{mode: m}, port: 8080, dir: "/tmp/b/x"}
	}
	for _, tc := range []struct {
		desc, config string
		want         []string
	}{
		{"nginx hello", nginxConfig(b, at(modeHello), false), []string{"worker_processes 1;",
			"access_log off;", "return 200 'Hello, World!'", "listen 127.0.0.1:8080", "return 404"}},
		{"nginx static", nginxConfig(b, at(modeStatic), false), []string{"root /tmp/b/files;",
			"open_file_cache max", "sendfile on;"}},
		{"nginx proxy", nginxConfig(b, at(modeProxy), false), []string{"server unix:/tmp/b/worker.sock;",
			"keepalive 1024;", "proxy_http_version 1.1;", "proxy_set_header Connection '';",
			"proxy_max_temp_file_size 0;"}},
		{"haproxy proxy", haproxyConfig(b, at(modeProxy)), []string{"nbthread 1",
			"http-reuse always", "server worker unix@/tmp/b/worker.sock"}},
		{"haproxy hello", haproxyConfig(b, at(modeHello)), []string{"status 404", "hdr Date"}},
		{"h2o proxy", h2oConfig(b, at(modeProxy)), []string{"num-threads: 1",
			"[unix:/tmp/b/worker.sock]", "proxy.timeout.keepalive", "port: 8080"}},
	} {
		for _, w := range tc.want {
			if !strings.Contains(tc.config, w) {
				t.Errorf("%s lacks %q:\n%s", tc.desc, w, tc.config)
			}
		}
		if strings.Contains(tc.config, "%!") {
			t.Errorf("%s: bad format:\n%s", tc.desc, tc.config)
		}
	}
}

// TestWeirFlags holds the command line to the documented one.
func TestWeirFlags(t *testing.T) {
	b := &bench{dir: "/b", files: "/b/files", weirPath: "/b/bin/weir"}
	sub, err := findWeir(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for m, want := range map[mode]string{
		modeHello:  "--respond Hello, World!",
		modeStatic: "--root /b/files",
		modeProxy:  "--workers 1 -- /b/bin/worker",
	} {
		l, err := sub.launch(b, setup{scenario: scenario{mode: m}, port: 9000, dir: "/b/x"})
		got := strings.Join(l.args, " ")
		want = "--listen 127.0.0.1:9000 --loops 1 --max-connections 20000 --runtime-dir /b/x/run --log-level warn " + want
		if err != nil || got != want {
			t.Errorf("weir %s: args %q, %v; want %q", m, got, err, want)
		}
	}
}

func TestCountedTellsPrograms(t *testing.T) {
	self := proc.Stat{Key: proc.Key{PID: os.Getpid()}}
	exe := proc.Exe(self.PID)
	if exe == "" {
		t.Skip("no /proc here")
	}
	if !runs(exe)(self) || runs(exe+"x")(self) {
		t.Errorf("runs tells the processes of %s wrongly", exe)
	}
}
