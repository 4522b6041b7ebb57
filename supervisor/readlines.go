package supervisor

import (
	"bytes"
	"io"
)

// readLines calls f with each line of r, without its end, until r ends. A line that is longer than
// outputLineBytesMax comes in pieces of that size. What f gets is valid until it returns.
//
// The buffer is small while little comes: most workers print little, and there may be thousands.
func readLines(r io.Reader, f func(line []byte)) {
	buf, n := make([]byte, outputBufferMin), 0 // buf[:n] is a line that has begun
	for {
		if n == len(buf) {
			if n == outputLineBytesMax {
				f(chomp(buf))
				n = 0
			} else {
				buf = append(buf, make([]byte, len(buf))...)
			}
		}
		k, err := r.Read(buf[n:])
		rest := buf[:n+k]
		for from := n; ; from = 0 {
			end := bytes.IndexByte(rest[from:], '\n')
			if end < 0 {
				break
			}
			f(chomp(rest[:from+end]))
			rest = rest[from+end+1:]
		}
		switch {
		case err != nil:
			if len(rest) > 0 {
				f(chomp(rest))
			}
			return
		case len(rest) == 0 && k < len(buf)/4 && len(buf) > outputBufferMin: // the burst is over
			buf = make([]byte, outputBufferMin)
		}
		n = copy(buf, rest)
	}
}

// chomp is line without the CR that some programs end lines with.
func chomp(line []byte) []byte { return bytes.TrimSuffix(line, []byte("\r")) }
