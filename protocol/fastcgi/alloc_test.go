//go:build !race

package fastcgi

import "testing"

func TestAllocs(t *testing.T) {
	dst := make([]byte, 0, 4096)
	in := append(record(typeStdout, 1, "head", 4), endRequest(0, 0, 0)...)
	if n := testing.AllocsPerRun(1000, func() {
		var p Params
		b := p.Open(AppendBegin(dst))
		b = pair(&p, b, "NAME", "value")
		b, err := p.Close(b)
		if err != nil {
			t.Fatal(err)
		}
		_ = AppendStdin(b, 0)
		var d Decoder
		for b := in; len(b) > 0; {
			_, n, err := d.Next(b)
			if err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
	}); n != 0 {
		t.Errorf("%v allocations; want 0", n)
	}
}
