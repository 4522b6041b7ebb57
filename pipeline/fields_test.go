package pipeline_test

import (
	"errors"
	"strings"
	"testing"

	"weir/pipeline"
)

func TestFieldsRefuse(t *testing.T) {
	for _, tc := range []struct {
		desc, name, value string
		want              error
	}{
		{"plain", "X-A", "b", nil},
		{"empty value", "X-A", "", nil},
		{"tab and obs-text", "X-A", "a\tb\xff", nil},
		{"CR LF in value", "X-A", "a\r\nSet-Cookie: b", pipeline.ErrField},
		{"LF in value", "X-A", "a\nb", pipeline.ErrField},
		{"NUL in value", "X-A", "a\x00b", pipeline.ErrField},
		{"DEL in value", "X-A", "a\x7fb", pipeline.ErrField},
		{"empty name", "", "a", pipeline.ErrField},
		{"space in name", "X A", "a", pipeline.ErrField},
		{"colon in name", "X:A", "a", pipeline.ErrField},
		{"CR LF in name", "X\r\nA", "a", pipeline.ErrField},
		{"connection", "cOnnection", "close", pipeline.ErrFraming},
		{"length", "Content-Length", "3", pipeline.ErrFraming},
		{"coding", "transfer-encoding", "chunked", pipeline.ErrFraming},
		{"keep-alive", "Keep-Alive", "x", pipeline.ErrFraming},
		{"proxy", "Proxy-Connection", "x", pipeline.ErrFraming},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			var f pipeline.Fields
			want := 0
			if tc.want == nil {
				want = 1
			}
			if got := f.Add(tc.name, tc.value); got != tc.want || f.Len() != want {
				t.Errorf("Add(%q, %q) = %v, %d fields; want %v", tc.name, tc.value, got, f.Len(), tc.want)
			}
			f.Reset()
			if got := f.Set(tc.name, tc.value); got != tc.want || f.Len() != want {
				t.Errorf("Set(%q, %q) = %v, %d fields; want %v", tc.name, tc.value, got, f.Len(), tc.want)
			}
		})
	}
}

func TestFieldsChange(t *testing.T) {
	var f pipeline.Fields
	add := func(name, value string) {
		t.Helper()
		if err := f.Add(name, value); err != nil {
			t.Fatalf("Add(%q, %q) = %v", name, value, err)
		}
	}
	add("A", "1")
	add("Set-Cookie", " x=1\t")
	add("B", "2")
	add("set-cookie", "y=2")
	wantFields(t, &f, "A=1 Set-Cookie=x=1 B=2 set-cookie=y=2")
	if err := f.Set("a", f.Get("b")); err != nil {
		t.Fatal(err)
	}
	wantFields(t, &f, "Set-Cookie=x=1 B=2 set-cookie=y=2 a=2")
	if err := f.Del("SET-COOKIE"); err != nil {
		t.Fatal(err)
	}
	wantFields(t, &f, "B=2 a=2")
	if err := f.Set("B", "bad\n"); !errors.Is(err, pipeline.ErrField) {
		t.Errorf("Set of a bad value = %v; want ErrField", err)
	}
	wantFields(t, &f, "B=2 a=2") // a refused Set deletes nothing
	var g pipeline.Fields
	g.CopyFrom(&f)
	f.Reset()
	wantFields(t, &f, "")
	wantFields(t, &g, "B=2 a=2")
}

// TestFieldsBounded sets one field so often that dead bytes must be given back, and fills one up.
func TestFieldsBounded(t *testing.T) {
	var f pipeline.Fields
	big := strings.Repeat("v", 1000)
	for i := range 1000 {
		if err := f.Set("X-Big", big); err != nil {
			t.Fatalf("Set no. %d = %v", i, err)
		}
	}
	if f.Get("x-big") != big || f.Len() != 1 {
		t.Errorf("Len = %d after a thousand Sets; want 1 intact field", f.Len())
	}
	var err error
	n := 0
	for ; err == nil && n < 1000; n++ {
		err = f.Add("X-More", big)
	}
	if !errors.Is(err, pipeline.ErrFieldsFull) || n > 70 {
		t.Errorf("Add no. %d = %v; want ErrFieldsFull at 64 KiB", n, err)
	}
	f.Reset()
	for n, err = 0, nil; err == nil && n < 1000; n++ {
		err = f.Add("X", "")
	}
	if !errors.Is(err, pipeline.ErrFieldsFull) || n != 257 {
		t.Errorf("Add no. %d = %v; want ErrFieldsFull for the 257th", n, err)
	}
}

func wantFields(t *testing.T, f *pipeline.Fields, want string) {
	t.Helper()
	var got []string
	for name, value := range f.All() {
		got = append(got, name+"="+value)
	}
	if s := strings.Join(got, " "); s != want {
		t.Errorf("fields = %q; want %q", s, want)
	}
}
