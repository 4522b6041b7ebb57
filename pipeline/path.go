package pipeline

import "strings"

// cutPrefix returns the length of prefix if it is path or ends at a segment boundary of path, else
// -1. prefix has no slash at its end.
func cutPrefix(path, prefix string) int {
	n := len(prefix)
	if strings.HasPrefix(path, prefix) && (len(path) == n || path[n] == '/') {
		return n
	}
	return -1
}
