package pipeline

import "strings"

// decodePath returns the decoded form of a raw path: percent-escapes resolved except "%2F", then dot
// segments removed (RFC 3986 section 5.2.4). It appends to buf only when something changes; else the
// result is a view of raw. Bad escapes and an encoded NUL are ErrTarget.
//
// "%2F" stays, whatever its case, because a decoded one could not be told from a separator: a prefix
// check on one side of it and a file lookup on the other would disagree.
func decodePath(buf, raw []byte) (path string, kept []byte, err error) {
	s := view(raw)
	if strings.IndexByte(s, '%') < 0 && !strings.Contains(s, "/.") {
		return s, buf, nil
	}
	buf = buf[:0]
	for i := 0; i < len(raw); i++ {
		if raw[i] != '%' {
			buf = append(buf, raw[i])
			continue
		}
		if i+2 >= len(raw) {
			return "", buf, ErrTarget
		}
		hi, lo := unhex(raw[i+1]), unhex(raw[i+2])
		b := byte(hi<<4 | lo&15)
		switch {
		case hi < 0 || lo < 0 || b == 0:
			return "", buf, ErrTarget
		case b == '/':
			buf = append(buf, raw[i:i+3]...)
		default:
			buf = append(buf, b)
		}
		i += 2
	}
	buf = removeDots(buf)
	return view(buf), buf, nil
}

// removeDots resolves "." and ".." segments of an absolute path in place; ".." at the root stays
// there.
func removeDots(p []byte) []byte {
	if len(p) == 0 || p[0] != '/' {
		return p
	}
	w := 0 // p[:w] is done: segments, each with its leading slash
	for r := 0; r < len(p); {
		end := r + 1
		for end < len(p) && p[end] != '/' {
			end++
		}
		switch string(p[r+1 : end]) {
		case ".":
		case "..":
			for w > 0 {
				w--
				if p[w] == '/' {
					break
				}
			}
		default:
			w += copy(p[w:], p[r:end])
			r = end
			continue
		}
		if end == len(p) { // "/a/." and "/a/b/.." name a directory
			p[w] = '/'
			w++
		}
		r = end
	}
	if w == 0 {
		p[0] = '/'
		w = 1
	}
	return p[:w]
}

func unhex(c byte) int {
	switch {
	case c-'0' < 10:
		return int(c - '0')
	case lower(c)-'a' < 6:
		return int(lower(c)-'a') + 10
	}
	return -1
}

// cutPrefix returns the length of prefix if it is path or ends at a segment boundary of path, else -1.
// prefix has no slash at its end.
func cutPrefix(path, prefix string) int {
	n := len(prefix)
	if strings.HasPrefix(path, prefix) && (len(path) == n || path[n] == '/') {
		return n
	}
	return -1
}
