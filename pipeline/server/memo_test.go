package server

import (
	"testing"

	"weir/pipeline"
)

// TestRepeatedHeads sends heads that are equal, or nearly, to the one before: on one connection and on
// two, whole and pipelined. Each must be taken for what it is.
func TestRepeatedHeads(t *testing.T) {
	ts := startServer(t, 1, Options{}, func(c *pipeline.Context) {
		c.Text(200, c.Method()+" "+c.Host()+c.Path()+" "+c.Header("X"))
	})
	head := func(path, host, x string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nX: " + x + "\r\n\r\n"
	}
	a, b := ts.dial(), ts.dial()
	for _, tc := range []struct{ desc, path, host, x string }{
		{"first", "/a", "h", "1"}, {"the same", "/a", "h", "1"}, {"other value", "/a", "h", "2"},
		{"other path", "/b", "h", "2"}, {"other host", "/b", "i", "2"}, {"longer", "/b", "i", "22"},
		{"shorter", "/b", "i", "2"}, {"the same again", "/b", "i", "2"},
	} {
		want := "GET " + tc.host + tc.path + " " + tc.x
		for _, c := range []*client{a, b} {
			c.write(head(tc.path, tc.host, tc.x)).want(tc.desc, 200, want)
		}
		a.write(head(tc.path, tc.host, tc.x) + head(tc.path, tc.host, "p") + head(tc.path, tc.host, tc.x))
		a.want(tc.desc+", pipelined", 200, want)
		a.want(tc.desc+", pipelined between", 200, "GET "+tc.host+tc.path+" p")
		a.want(tc.desc+", pipelined behind", 200, want)
	}
	post := "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n"
	for range 3 {
		a.write(post+"x").want("equal heads with bodies", 200, "POST h/ ")
	}
}
