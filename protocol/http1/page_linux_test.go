package http1

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNoReadBeyondEnd parses inputs that end where the next page is not mapped: one byte read too
// many is a fault.
func TestNoReadBeyondEnd(t *testing.T) {
	page := os.Getpagesize()
	const pages = 10 // over 32 KiB
	mem, err := unix.Mmap(-1, 0, pages*page, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(mem); err != nil {
			t.Error(err)
		}
	})
	end := (pages - 1) * page
	if err := unix.Mprotect(mem[end:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	var q Request
	var p Response
	try := func(s string) {
		// Capacity reaches into the bad page, so that no slice bound hides the fault.
		b := mem[end-len(s) : end]
		copy(b, s)
		_, _ = q.Parse(b, 0, nil)
		_, _ = p.Parse(b, 0, nil)
		var d ChunkDecoder
		_, _, _ = d.Next(b)
		if len(s) > 0 && s[0] == '/' {
			_, _ = DecodePath(nil, b)
		}
	}
	inputs := []string{head430, headSmall, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
		"5;a=\"b\"\r\nhello\r\n0\r\nA: b\r\n\r\n", "/a%20/../b%c3%a4", get + "Upgrade-Insecure-Requests: 1\r\n\r\n"}
	for _, tc := range rejects {
		inputs = append(inputs, tc.input)
	}
	for _, in := range inputs {
		for i := range min(len(in), 600) + 1 {
			try(in[:i])
		}
		try(in[:min(len(in), end)])
		try(strings.TrimRight(in, "\r\n"))
	}
}
