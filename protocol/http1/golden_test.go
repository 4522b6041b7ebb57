package http1

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the event logs in testdata/*.txt")

// TestGolden runs the streams in testdata/*.txt: lines that start with "#" describe a case, those with
// ">" are its bytes as the inside of a Go string literal, and the indented ones are its event log.
// Files whose names start with response hold responses.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 3 {
		t.Fatalf("testdata: %d files, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			old, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := rewriteGolden(t, strings.HasPrefix(filepath.Base(name), "response"), string(old))
			if got == string(old) {
				return
			}
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			gl, ol := bytes.Split([]byte(got), []byte("\n")), bytes.Split(old, []byte("\n"))
			for i := range min(len(gl), len(ol)) {
				if !bytes.Equal(gl[i], ol[i]) {
					t.Fatalf("%s:%d:\ngot  %s\nwant %s", name, i+1, gl[i], ol[i])
				}
			}
			t.Fatalf("%s: %d lines; want %d", name, len(gl), len(ol))
		})
	}
}

// rewriteGolden returns a golden file with the event logs that the cases give now.
func rewriteGolden(t *testing.T, isResponse bool, file string) string {
	var out, input strings.Builder
	flush := func() {
		if input.Len() == 0 {
			return
		}
		log := runAll(t, isResponse, nil, input.String())
		for line := range strings.Lines(log) {
			out.WriteString("    " + line)
		}
		input.Reset()
		out.WriteByte('\n')
	}
	for line := range strings.Lines(file) {
		switch {
		case strings.HasPrefix(line, ">"):
			raw := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(line, ">"), " "), "\n")
			s, err := strconv.Unquote(`"` + raw + `"`)
			if err != nil {
				t.Fatalf("not the inside of a string literal: %s", raw)
			}
			input.WriteString(s)
			out.WriteString(line)
		case strings.HasPrefix(line, "#"):
			flush()
			out.WriteString(line)
		}
	}
	flush()
	return out.String()
}
