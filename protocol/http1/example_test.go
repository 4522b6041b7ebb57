package http1_test

import (
	"fmt"

	"weir/protocol/http1"
)

// A session reads into one buffer and parses what is there; seen spares a second look at the part of
// a head that came earlier.
func ExampleRequest_Parse() {
	arriving := []string{"GET /hello?x=1 HTTP/1.1\r\nHo", "st: example.org\r\n\r\n"}
	var (
		req http1.Request
		buf []byte
	)
	seen := 0
	for _, part := range arriving {
		buf = append(buf, part...)
		n, err := req.Parse(buf, seen, nil)
		switch {
		case err != nil:
			fmt.Println(http1.StatusOf(err), err)
		case n == 0:
			seen = len(buf)
		default:
			fmt.Printf("%s %s %s, %d bytes\n", req.Host(), req.Path(), req.Query(), n)
		}
	}
	// Output: example.org /hello x=1, 46 bytes
}
