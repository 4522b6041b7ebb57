package supervisor

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"weir/supervisor/config"
)

// printed is what comes out of input, printed by worker shop/3 at a standing clock.
func printed(t *testing.T, format config.OutputFormat, rate int64, input string) (string, *output) {
	t.Helper()
	var b bytes.Buffer
	s := newSink(&b)
	o := &output{sink: s, pool: "shop", worker: "shop/3", format: format, rate: rate}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	o.read(strings.NewReader(input), "stdout", func() time.Time { return at })
	s.close()
	return b.String(), o
}

func TestOutputFormats(t *testing.T) {
	head := `{"time":"2026-01-02T03:04:05.006Z","pool":"shop","worker":"shop/3","stream":"stdout",`
	for _, tc := range []struct {
		desc        string
		format      config.OutputFormat
		input, want string
	}{
		{"prefixed", config.OutputPrefixed, "a\r\nb\nend", "shop/3 | a\nshop/3 | b\nshop/3 | end\n"},
		{"raw", config.OutputRaw, "a\n\nb\n", "a\n\nb\n"},
		{"json of text", config.OutputJSON, "a \"b\"\x01\n", head + `"msg":"a \"b\"\u0001"}` + "\n"},
		{"json merged", config.OutputJSON, ` {"level":"info"}` + "\n", head + `"level":"info"}` + "\n"},
		{"json empty object", config.OutputJSON, "{}\n", strings.TrimSuffix(head, ",") + "}\n"},
		{"json broken", config.OutputJSON, "{\"a\n", head + `"msg":"{\"a"}` + "\n"},
	} {
		got, _ := printed(t, tc.format, -1, tc.input)
		if got != tc.want {
			t.Errorf("%s: %q; want %q", tc.desc, got, tc.want)
		}
		if tc.format == config.OutputJSON && !json.Valid([]byte(got)) {
			t.Errorf("%s: not JSON: %s", tc.desc, got)
		}
	}
}

func TestOutputRate(t *testing.T) {
	got, o := printed(t, config.OutputRaw, 3, strings.Repeat("x\n", 10))
	if want := "x\nx\nx\ndropped 7 lines\n"; got != want {
		t.Errorf("output = %q; want %q", got, want)
	}
	if n := len(o.last()); n != 10 {
		t.Errorf("%d lines kept for status; want 10", n)
	}
}

func TestOutputBounds(t *testing.T) {
	got, o := printed(t, config.OutputRaw, -1, strings.Repeat("y", outputLineBytesMax+5)+"\n")
	if want := strings.Repeat("y", outputLineBytesMax) + "\nyyyyy\n"; got != want {
		t.Errorf("a long line came as %d bytes; want it in two pieces", len(got))
	}
	for range 20 {
		o.keep(strings.Repeat("z", outputLineBytesMax))
	}
	if o.bytes > outputKeptBytesMax || len(o.last()) != 4 {
		t.Errorf("%d bytes in %d lines kept; want at most %d", o.bytes, len(o.last()), outputKeptBytesMax)
	}
	for range 1000 {
		o.keep("")
	}
	if n := len(o.last()); n != outputLinesKept {
		t.Errorf("%d lines kept; want %d", n, outputLinesKept)
	}
}

// TestOutputNeverBlocks: a log that nobody reads must not stop a worker.
func TestOutputNeverBlocks(t *testing.T) {
	r, w := io.Pipe()
	s := newSink(w)
	o := &output{sink: s, pool: "p", worker: "p/1", rate: -1}
	o.read(strings.NewReader(strings.Repeat("line\n", 3*outputQueueLinesMax)), "stdout", time.Now)
	if o.lost == 0 {
		t.Error("nothing was dropped")
	}
	go io.Copy(io.Discard, r) //nolint:errcheck // lets the sink end
	s.close()
	r.Close() //nolint:errcheck // ends the copy
}

func TestWorkerEnv(t *testing.T) {
	file := t.TempDir() + "/env"
	text := "# comment\n\nexport A=file\nB=\"quo ted\"\nC='x'\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	inherited := []string{"A=old", "KEEP=1", "SECRET=s", "WEIR_X=1", "LISTEN_PID=2", "WATCHDOG_USEC=3",
		"FDSTORE=1", "NOTIFY_SOCKET=/n", "PORT=80"}
	c := &contract{ref: WorkerRef{"p", 7}, socket: "/s", port: 20001, notify: "/n7"}
	for _, tc := range []struct {
		desc string
		env  config.Env
		want string
	}{
		{"nothing", config.Env{Inherit: config.SwitchOff}, ""},
		{"keep", config.Env{Inherit: config.SwitchOff, Keep: []string{"KEEP", "WEIR_X"}}, "KEEP=1"},
		{"inherit, files, set", config.Env{Files: []string{file},
			Set: map[string]string{"C": "set"}}, "A=file B=quo ted C=set KEEP=1 SECRET=s"},
	} {
		got, err := workerEnv(inherited, &tc.env, c)
		if err != nil {
			t.Errorf("%s: %v", tc.desc, err)
		}
		var rest []string
		for _, kv := range got {
			if !strings.HasPrefix(kv, "WEIR_") && !strings.HasPrefix(kv, "PORT=") &&
				!strings.HasPrefix(kv, "NOTIFY_SOCKET=") {
				rest = append(rest, kv)
			}
		}
		if strings.Join(rest, " ") != tc.want {
			t.Errorf("%s: %q; want %q", tc.desc, rest, tc.want)
		}
		all := strings.Join(got, " ")
		for _, kv := range c.variables() {
			if !strings.Contains(all, kv) {
				t.Errorf("%s: %q lacks %s", tc.desc, got, kv)
			}
		}
		if strings.Contains(all, "WEIR_X") || strings.Contains(all, "LISTEN_PID") {
			t.Errorf("%s: %q holds what is Weir's own", tc.desc, got)
		}
	}
	for _, bad := range []config.Env{{Files: []string{"/no/such/file"}}, {Files: []string{"/dev/zero"}}, {Set: map[string]string{"A=B": ""}}} {
		if _, err := workerEnv(nil, &bad, c); err == nil {
			t.Errorf("workerEnv(%v) = nil error", bad)
		}
	}
}

func TestContractArgv(t *testing.T) {
	c := &contract{socket: "/run/s", port: 20002}
	got := c.argv([]string{"app", "--bind=unix:{socket}", "{port}", "{other}"})
	if want := "app --bind=unix:/run/s 20002 {other}"; strings.Join(got, " ") != want {
		t.Errorf("argv = %q; want %q", got, want)
	}
}

func TestParseNotice(t *testing.T) {
	n := parseNotice("FDSTORE=1\nREADY=1\nSTATUS=ok\xff!\nSTOPPING=0\nRECYCLE=leaks")
	if !n.ready || n.stopping || n.status == nil || *n.status != "ok!" ||
		n.recycle == nil || *n.recycle != "leaks" {
		t.Errorf("parseNotice = %+v", n)
	}
}

func TestPorts(t *testing.T) {
	p := newPorts()
	p.local = func() (int, int) { return 20_100, 29_999 }
	seen := map[int]bool{}
	for range 50 {
		port, err := p.take()
		if err != nil {
			t.Fatal(err)
		}
		if port < portMin || port >= 20_100 || seen[port] {
			t.Errorf("take() = %d; want a new one from 20000-20099", port)
		}
		seen[port] = true
	}
	p.local = func() (int, int) { return 1024, 65535 }
	if _, err := p.take(); err != nil {
		t.Errorf("take() = %v; want a port although all are ephemeral", err)
	}
}

func TestSpawnOrderSurvivesArguments(t *testing.T) {
	o := &spawnOrder{parent: 1, statusFD: 4, listen: true, dir: "/a b", program: "/x=y",
		account: account{uid: 5, gid: 6, groups: []int{6, 7}, switched: true},
		noFile:  &[2]uint64{1024, 4096},
		isolate: isolationOrder{cgroup: "/c g/x", umask: 0o27, nice: -3, cpus: []int{0, 8},
			newPrivs: true, limits: []rlimitOrder{{"core", 0, false}, {"stack", 0, true}}},
		argv: []string{"app", "--", "uid=0"}}
	got, err := parseSpawnOrder(o.args()[1:])
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, o) {
		t.Errorf("parsed %+v; want %+v", got, o)
	}
	for _, bad := range [][]string{nil, {"parent=1", "status=3"}, {"parent=x", "status=3", "--", "a"},
		{"nonsense=1", "--", "a"}, {"cpus=1,x", "--", "a"}, {"rlimit=core:x", "--", "a"}} {
		if _, err := parseSpawnOrder(bad); err == nil {
			t.Errorf("parseSpawnOrder(%q) = nil error", bad)
		}
	}
}

func TestPoolConfigValidate(t *testing.T) {
	for _, tc := range []struct {
		desc string
		c    PoolConfig
		ok   bool
	}{
		{"good", PoolConfig{Name: "a-B_9.x", Command: []string{"x"}}, true},
		{"no name", PoolConfig{Command: []string{"x"}}, false},
		{"slash", PoolConfig{Name: "a/b", Command: []string{"x"}}, false},
		{"dot", PoolConfig{Name: "..", Command: []string{"x"}}, false},
		{"no command", PoolConfig{Name: "a"}, false},
		{"FastCGI", PoolConfig{Name: "a", Command: []string{"x"}, Protocol: config.ProtocolFastCGI}, true},
		{"FastCGI over mux", PoolConfig{Name: "a", Command: []string{"x"}, Protocol: config.ProtocolFastCGI,
			Dispatch: config.DispatchMux}, false},
		{"uwsgi asked by a GET", PoolConfig{Name: "a", Command: []string{"x"}, Protocol: config.ProtocolUWSGI,
			Ping: config.Ping{HTTP: "/up"}}, false},
		{"NUL", PoolConfig{Name: "a", Command: []string{"x\x00"}}, false},
		{"workers", PoolConfig{Name: "a", Command: []string{"x"}, Workers: -1}, false},
		{"HTTP probe of frames", PoolConfig{Name: "a", Command: []string{"x"},
			Dispatch: config.DispatchMux, Ready: config.Ready{Probe: config.ProbeHTTP("/", 200)}}, false},
		{"warm-up of frames", PoolConfig{Name: "a", Command: []string{"x"},
			Dispatch: config.DispatchMux, Warmup: []config.Warmup{{Path: "/"}}}, false},
		{"frames", PoolConfig{Name: "a", Command: []string{"x"}, Dispatch: config.DispatchMux}, true},
		{"processors", PoolConfig{Name: "a", Command: []string{"x"},
			Isolation: Isolation{CPUs: "0-"}}, false},
		{"nice", PoolConfig{Name: "a", Command: []string{"x"}, Isolation: Isolation{Nice: 20}}, false},
		{"interval", PoolConfig{Name: "a", Command: []string{"x"},
			Isolation: Isolation{CPULimit: config.CPULimit{Interval: 1}}}, false},
		{"isolated", PoolConfig{Name: "a", Command: []string{"x"},
			Isolation: Isolation{CPUs: "0-1,5", Nice: -20}}, true},
	} {
		if err := tc.c.validate(); (err == nil) != tc.ok {
			t.Errorf("%s: validate() = %v; want ok %t", tc.desc, err, tc.ok)
		}
	}
}

// Lines are the same however a stream is cut, at every length about the sizes of the buffer.
func TestReadLines(t *testing.T) {
	var input, want strings.Builder
	for _, n := range []int{0, 1, 511, 512, 513, 1023, 1024, 5000, 3, outputLineBytesMax - 1,
		outputLineBytesMax, outputLineBytesMax + 1, 2*outputLineBytesMax + 7, 0, 9} {
		line := strings.Repeat("x", n)
		input.WriteString(line + "\n")
		for ; len(line) >= outputLineBytesMax; line = line[outputLineBytesMax:] {
			want.WriteString(line[:outputLineBytesMax] + "|")
		}
		want.WriteString(line + "|")
	}
	input.WriteString("end")
	want.WriteString("end|")
	for desc, cut := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader,
		"by halves": iotest.HalfReader, "with its end": iotest.DataErrReader,
	} {
		var got strings.Builder
		readLines(cut(strings.NewReader(input.String())), func(line []byte) {
			got.Write(line)
			got.WriteByte('|')
		})
		if got.String() != want.String() {
			t.Errorf("%s: %d bytes of lines; want %d", desc, got.Len(), want.Len())
		}
	}
}
