package pipeline

import "unsafe"

// view returns b as a string without copying.
func view(b []byte) string {
	// SAFETY: every b passed here is a request view or a field buffer, which nobody writes while
	// the views made from it are documented as valid (until completion, or until the next change).
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// bytesOf returns s as bytes without copying. The result must not be written.
func bytesOf(s string) []byte {
	// SAFETY: callers hand the result only to functions that read it during the call: Filter.Append
	// and Exchange.SendBody, whose contracts forbid writing to it and keeping it.
	return unsafe.Slice(unsafe.StringData(s), len(s))
}
