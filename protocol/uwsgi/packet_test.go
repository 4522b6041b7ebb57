package uwsgi

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

func variable(dst []byte, name, value string) []byte {
	dst = append(Variable(dst, len(name)), name...)
	return append(Value(dst, len(value)), value...)
}

func TestPacket(t *testing.T) {
	b := variable(variable(Open([]byte("x")), "A", "bc"), "D", "")
	b, err := Close(b, 1)
	if want := "x\x00\x0c\x00\x00\x01\x00A\x02\x00bc\x01\x00D\x00\x00"; string(b) != want || err != nil {
		t.Errorf("got %q, %v; want %q", b, err, want)
	}
	value := strings.Repeat("v", SizeMax-2-1-2)
	if b, err := Close(variable(Open(nil), "N", value), 0); err != nil || len(b) != HeaderSize+SizeMax {
		t.Errorf("the largest packet: %d bytes, %v", len(b), err)
	}
	if _, err := Close(variable(Open(nil), "N", value+"v"), 0); !errors.Is(err, ErrSize) {
		t.Errorf("a larger one: %v; want ErrSize", err)
	}
}

// FuzzPacket: what is written can be read, unless it is too large.
func FuzzPacket(f *testing.F) {
	f.Add("A", "b", 3)
	f.Add("", strings.Repeat("v", 70_000), 1)
	f.Add("N", strings.Repeat("v", 60), 1000)
	f.Fuzz(func(t *testing.T, name, value string, count int) {
		count = count & 1023
		b := Open(nil)
		for range count {
			if b = variable(b, name, value); len(b) > 1<<20 {
				break
			}
		}
		b, err := Close(b, 0)
		if err != nil {
			if len(b) <= HeaderSize+SizeMax {
				t.Fatalf("%v of %d bytes", err, len(b))
			}
			return
		}
		if size := int(binary.LittleEndian.Uint16(b[1:])); size != len(b)-HeaderSize || b[0] != 0 || b[3] != 0 {
			t.Fatalf("header %q of %d bytes", b[:HeaderSize], len(b))
		}
		n := 0
		for b = b[HeaderSize:]; len(b) > 0; n++ {
			for _, want := range []string{name, value} {
				k := int(binary.LittleEndian.Uint16(b))
				if string(b[2:2+k]) != want {
					t.Fatalf("variable %d: %q", n, b[2:2+k])
				}
				b = b[2+k:]
			}
		}
		if n != count {
			t.Fatalf("%d variables; want %d", n, count)
		}
	})
}
