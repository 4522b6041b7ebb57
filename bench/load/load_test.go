package load

import (
	"strings"
	"testing"
	"time"
)

var sample = Result{Requests: 81659, Bytes: 10615670, Elapsed: 1000123 * time.Microsecond,
	P50: 384 * time.Microsecond, P99: 841 * time.Microsecond,
	Errors: Errors{Connect: 1, Read: 2, Write: 3, Timeout: 4, Status: 5}}

// wrkOutput is what wrk 4.1.0 prints with wrk.lua.
const wrkOutput = `Running 1s test @ http://127.0.0.1:42351/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   384.00us    0.85ms  12.10ms   92.00%
    Req/Sec    81.66k     1.20k   83.00k    70.00%
  81659 requests in 1.00s, 10.12MB read
  Socket errors: connect 1, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 5
Requests/sec:  81648.96
Transfer/sec:     10.12MB
weir-bench-result requests=81659 bytes=10615670 elapsed_us=1000123 p50_us=384 p99_us=841 connect=1 read=2 write=3 timeout=4 status=5
`

func TestParseLine(t *testing.T) {
	line := sample.Line()
	for _, tc := range []struct{ desc, output, err string }{
		{"wrk's output", wrkOutput, ""},
		{"our own line", line, ""},
		{"text before and after", "warning: x\n" + line + "\nbye\n", ""},
		{"no result line", "unable to connect to 127.0.0.1:1 Connection refused\n", "no result line"},
		{"a field missing", strings.Replace(line, "p99_us=841 ", "", 1), "1 fields missing"},
		{"a field twice", line + " read=2", "repeated"},
		{"an unknown field", line + " p999_us=1", "unknown"},
		{"no number", strings.Replace(line, "read=2", "read=two", 1), "read"},
		{"a number with a unit", strings.Replace(line, "p50_us=384", "p50_us=384us", 1), "p50_us"},
	} {
		got, err := ParseLine(tc.output)
		switch {
		case tc.err == "" && (err != nil || got != sample):
			t.Errorf("%s: ParseLine = %+v, %v; want %+v", tc.desc, got, err, sample)
		case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
			t.Errorf("%s: ParseLine error = %v; want one with %q", tc.desc, err, tc.err)
		}
	}
	if got := sample.Errors.Total(); got != 15 {
		t.Errorf("Total() = %d; want 15", got)
	}
}

// TestScriptFields keeps wrk.lua and the parser together where wrk is not installed.
func TestScriptFields(t *testing.T) {
	script := strings.Join(strings.Split(string(wrkScript), "\" ..\n    \""), "")
	_, format, ok := strings.Cut(script, `"`+linePrefix)
	if !ok {
		t.Fatalf("wrk.lua prints no line that begins with %q", linePrefix)
	}
	format, _, _ = strings.Cut(format, `\n"`)
	if got, err := ParseLine(linePrefix + strings.ReplaceAll(format, "%d", "7")); err != nil {
		t.Errorf("ParseLine of the script's format: %v", err)
	} else if got.Requests != 7 || got.Errors.Total() != 35 {
		t.Errorf("ParseLine of the script's format = %+v; want 7 in each field", got)
	}
}

func TestOwnArgs(t *testing.T) {
	got := strings.Join(Own("/x").args(Spec{URL: "http://h/", Conns: 64, Pipeline: 16, PerConn: 1,
		Duration: 2 * time.Second}), " ")
	if want := "-c 64 -d 2s -pipeline 16 -perconn 1 http://h/"; got != want {
		t.Errorf("args = %q; want %q", got, want)
	}
}
