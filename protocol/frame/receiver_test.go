package frame

import (
	"bytes"
	"fmt"
	"testing"
)

// received is what r makes of b when it comes in pieces of at most size bytes, one line a frame, the
// pieces of a DATA frame put together.
func received(r *Receiver, b []byte, size int) string {
	var out, data bytes.Buffer
	var held []byte
	for len(b) > 0 {
		k := min(size, len(b))
		held, b = append(held, b[:k]...), b[k:]
		for {
			h, p, n, err := r.Next(held)
			held = held[n:]
			if err != nil {
				fmt.Fprintf(&out, "%v\n", err)
				return out.String()
			}
			if h.Kind == 0 {
				break
			}
			if h.Kind == Data {
				data.Write(p)
				if h.End {
					fmt.Fprintf(&out, "%v on %d: %q\n", h.Kind, h.Stream, data.Bytes())
					data.Reset()
				}
				continue
			}
			fmt.Fprintf(&out, "%v %v on %d: %d bytes\n", h.Kind, h.End, h.Stream, len(p))
		}
	}
	fmt.Fprintf(&out, "%d left", len(held))
	return out.String()
}

func TestReceiver(t *testing.T) {
	data := func(stream uint32, end bool, s string) []byte {
		return append(AppendHeader(nil, Data, end, stream, len(s)), s...)
	}
	hello := AppendHello(nil, 4)
	for _, tc := range []struct {
		desc string
		sent [][]byte
		want string
	}{
		{
			"all kinds", [][]byte{
				hello, request(t, 3), data(3, false, "ab"), data(3, true, "cd"), data(5, true, ""),
				AppendPing(nil, 7),
			},
			fmt.Sprintf("HELLO false on 0: 16 bytes\nREQUEST true on 3: %d bytes\nDATA on 3: \"abcd\"\n"+
				"DATA on 5: \"\"\nPING false on 0: 8 bytes\n0 left", len(request(t, 3))-HeaderSize),
		},
		{
			"half a frame", [][]byte{hello, AppendPing(nil, 7)[:HeaderSize+3]},
			"HELLO false on 0: 16 bytes\n11 left",
		},
		{"no HELLO", [][]byte{request(t, 3)}, ErrOrder.Error() + "\n"},
		{"DATA before HELLO", [][]byte{data(3, true, "x"), hello}, ErrOrder.Error() + "\n"},
		{
			"HELLO again", [][]byte{hello, hello},
			"HELLO false on 0: 16 bytes\n" + ErrOrder.Error() + "\n",
		},
		{"not frames", [][]byte{[]byte("HTTP/1.1 400 Bad Request\r\n\r\n")}, ErrKind.Error() + "\n"},
	} {
		sent := bytes.Join(tc.sent, nil)
		for size := 1; size <= len(sent); size++ {
			if got := received(new(Receiver), sent, size); got != tc.want {
				t.Fatalf("%s, %d bytes at a time:\n%s\nwant\n%s", tc.desc, size, got, tc.want)
			}
		}
	}
}
