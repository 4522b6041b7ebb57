//go:build !race

package frame

import "testing"

func TestAllocs(t *testing.T) {
	text, lines := head("GET / HTTP/1.1\r\n", "Host", "x")
	text = append(text, "\r\n"...)
	dst := make([]byte, 0, 4096)
	for name, f := range map[string]func(){
		"request": func() {
			b := append(OpenRequest(dst), text...)
			b, _ = CloseRequest(b, 0, 1, true, &RequestHead{Length: -1, Method: 3, Target: 1, Path: 1}, lines)
			h, _, _ := ParseHeader(b)
			_, _, l, err := ParseRequest(b[HeaderSize : HeaderSize+h.Length])
			if err != nil {
				t.Fatal(err)
			}
			_, _, _, _, _, _ = l.Next()
		},
		"response": func() {
			b := append(OpenResponse(dst), "A: b\r\n"...)
			b, _ = CloseResponse(b, 0, 1, false, &ResponseHead{Status: 200}, []Line{{1, 1}})
			h, _, _ := ParseHeader(b)
			_, _, l, _ := ParseResponse(b[HeaderSize : HeaderSize+h.Length])
			_, _, _, _, _, _ = l.Next()
		},
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations; want 0", name, n)
		}
	}
}

func TestReceiverAllocs(t *testing.T) {
	sent := append(AppendPing(nil, 1), AppendHeader(nil, Data, false, 1, 5)...)
	sent = append(append(sent, "hello"...), AppendCredit(nil, 1, 5)...)
	r := Receiver{greeted: true}
	exchange := func() {
		for b := sent; len(b) > 0; {
			h, _, n, err := r.Next(b)
			if err != nil || h.Kind == 0 {
				t.Fatalf("Next(%q) = %+v, %v; want a frame", b, h, err)
			}
			b = b[n:]
		}
	}
	if n := testing.AllocsPerRun(1000, exchange); n != 0 {
		t.Errorf("%v allocations; want 0", n)
	}
}
