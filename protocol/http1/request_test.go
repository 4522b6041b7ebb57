package http1

import "testing"

func TestQuick(t *testing.T) {
	var r Request
	b := []byte("GET /a/b?x=1 HTTP/1.1\r\nHost: example.org:80\r\nAccept: */*\r\n\r\nrest")
	n, err := r.Parse(b, 0, nil)
	if err != nil || n != len(b)-4 {
		t.Fatal(n, err)
	}
	t.Logf("%q %q %q %q %q", r.Method(), r.Path(), r.Query(), r.Host(), r.Get(Accept))
}
