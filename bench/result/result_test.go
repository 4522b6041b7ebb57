package result

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"math"
	"strings"
	"testing"
)

func TestNewSpread(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   Spread
	}{
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{9, 1, 5}, Spread{5, 1, 9}},
		{[]float64{4, 1, 3, 2}, Spread{2.5, 1, 4}},
		{[]float64{5, 100, 5, 5, 1}, Spread{5, 1, 100}},
	} {
		if got := NewSpread(tc.values); got != tc.want {
			t.Errorf("NewSpread(%v) = %v; want %v", tc.values, got, tc.want)
		}
	}
	if got := NewSpread(nil); !math.IsNaN(got.Median) {
		t.Errorf("NewSpread(nil) = %v; want NaN", got)
	}
	values := []float64{2, 1}
	if NewSpread(values); values[0] != 2 {
		t.Error("NewSpread has sorted its argument")
	}
}

func rounds(values ...float64) (rs []Round) {
	for _, v := range values {
		rs = append(rs, Round{Value: v, PerSecond: 1000 * v, P50Micros: 7, ClientCPU: 0.5, Bytes: 130})
	}
	return rs
}

func sampleReport() *Report {
	failing := rounds(50)
	failing[0].Errors = 3
	return &Report{Commit: "abc1234", Machine: Machine{CPU: "Example CPU", CPUs: 2},
		Subjects: []Subject{{Name: "weir", Probed: true},
			{Name: "weir-demo"}, {Name: "floor", Probed: true, Failed: []string{"HEAD (no)", "404 (200)"},
				Configs: map[string]string{"hello": "floor -listen X"}}},
		Absent: []Named{{"h2o", "not installed"}},
		Scenarios: []Scenario{
			{Name: "keepalive-64", Text: "a & b", Unit: LoadUnit, Rows: []Row{
				{Subject: "weir", Rounds: rounds(10, 12, 11)},
				{Subject: "floor", Note: "engine only", Rounds: rounds(10, 10, 10)},
				{Subject: "nginx", Rounds: rounds(20, 22, 21)},
				{Subject: "a<b", Rounds: failing},
				{Subject: "haproxy", Failure: "bench: haproxy: not ready"},
			}},
			{Name: "idle-memory", Unit: "B/connection", Rows: []Row{{Subject: "weir",
				Rounds: rounds(400)}}},
			{Name: "cold-start", Unit: "ms", Rows: []Row{{Subject: "nginx", Rounds: rounds(40)}}},
		}}
}

func TestRatioAndVerdicts(t *testing.T) {
	r := sampleReport()
	s, ok := r.Scenario("keepalive-64")
	if !ok {
		t.Fatal("no scenario keepalive-64")
	}
	if got := s.Ratio("weir", "floor"); got != 1.1 {
		t.Errorf("Ratio(weir, floor) = %v; want 1.1", got)
	}
	for _, pair := range [][2]string{{"weir", "haproxy"}, {"haproxy", "weir"}, {"weir", "x"}} {
		if got := s.Ratio(pair[0], pair[1]); !math.IsNaN(got) {
			t.Errorf("Ratio(%s, %s) = %v; want NaN", pair[0], pair[1], got)
		}
	}
	var got []string
	for _, v := range r.Verdicts() {
		got = append(got, v.Scenario+" "+v.Goal()+": "+v.Result()+" "+v.State())
	}
	want := []string{
		"keepalive-64 ≤ 1.08 × floor: 1.100 missed",
		"keepalive-64 ≤ 0.98 × nginx: 0.524 met",
		"idle-memory ≤ 320 B/connection: 400 B/connection missed",
		"cold-start ≤ 60 ms: - not measured",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("verdicts:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWriteText(t *testing.T) {
	var b strings.Builder
	if err := sampleReport().Scenarios[0].WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"keepalive-64: a & b\n", "10.0–12.0", "engine only",
		"INVALID: 3 errors", "bench: haproxy: not ready", "target weir ≤ 1.08 × floor: 1.100, missed",
		"weir is ×", "0.52"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("table lacks %q:\n%s", want, b.String())
		}
	}
}

// TestColumnsAreEven holds for every scenario: a table whose lines differ in length is broken.
func TestColumnsAreEven(t *testing.T) {
	for _, s := range sampleReport().Scenarios {
		header, lines := s.Columns()
		for i, l := range lines {
			if len(l) != len(header) {
				t.Errorf("%s: line %d has %d cells; want %d", s.Name, i, len(l), len(header))
			}
		}
	}
}

func TestMarkdown(t *testing.T) {
	text := string(sampleReport().Markdown())
	for _, want := range []string{"commit abc1234", "![CPU time per request](chart.svg)",
		"\n## keepalive-64\n\na & b\n\n| subject | CPU-µs/request | min–max |",
		"| keepalive-64 | weir | ≤ 0.98 × nginx | 0.524 | met |",
		"| floor |  | engine only; failed: HEAD, 404 |", "| weir |  | passed |",
		"| weir-demo |  | not probed |", "Absent: h2o: not installed",
		"<details><summary>floor, hello</summary>"} {
		if !strings.Contains(text, want) {
			t.Errorf("Markdown lacks %q:\n%s", want, text)
		}
	}
	var b strings.Builder
	writeTable(&b, []string{"a", "b"}, [][]string{{"x|y", "1"}})
	if want := "| a | b |\n|---|--:|\n| x\\|y | 1 |\n"; b.String() != want {
		t.Errorf("writeTable = %q; want %q", b.String(), want)
	}
}

func TestChart(t *testing.T) {
	svg := string(sampleReport().Chart())
	d := xml.NewDecoder(strings.NewReader(svg))
	bars := 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("chart is not XML: %v\n%s", err, svg)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 4 {
		t.Errorf("chart has %d bars; want 4: those of rows with rounds in load scenarios", bars)
	}
	if !strings.Contains(svg, "a&lt;b") {
		t.Error("chart does not escape names")
	}
	// The longest bar takes the whole width, one of a fifth of its value a fifth.
	for _, want := range []string{`class="peer" x="126" y="103" width="488.0"`,
		`class="floor" x="126" y="65" width="97.6"`} {
		if !strings.Contains(svg, want) {
			t.Errorf("chart lacks %s:\n%s", want, svg)
		}
	}
}

func TestJSONKeepsAllRounds(t *testing.T) {
	b, err := sampleReport().JSON()
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if got := back.Scenarios[0].Rows[0].Rounds; len(got) != 3 || got[1].Value != 12 {
		t.Errorf("rounds of weir after a round trip = %+v; want values 10, 12, 11", got)
	}
}

// A target may be about latency or requests/s instead.
func TestTargetOfAnotherFigure(t *testing.T) {
	s := Scenario{Name: "x", Rows: []Row{
		{Subject: "a", Rounds: []Round{{Value: 9, P50Micros: 60, PerSecond: 100}}},
		{Subject: "b", Rounds: []Round{{Value: 1, P50Micros: 80, PerSecond: 50}}},
	}}
	for _, tc := range []struct {
		target Target
		want   string
	}{
		{Target{"x", "a", "b", 0.8, p50}, "p50 ≤ 0.80 × b: 0.750 met"},
		{Target{"x", "b", "a", 0.4, perSecond}, "requests/s ≤ 0.40 × a: 0.500 missed"},
	} {
		v := s.judge(tc.target)
		if got := v.Goal() + ": " + v.Result() + " " + v.State(); got != tc.want {
			t.Errorf("%s; want %s", got, tc.want)
		}
	}
}
