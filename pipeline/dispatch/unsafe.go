package dispatch

import "unsafe"

// view returns b as a string without copying.
func view(b []byte) string {
	// SAFETY: every b is a view of the request head, which nobody writes until the exchange
	// completes; the strings go into a copy before that, or to SetRequestID, which asks for no
	// more.
	return unsafe.String(unsafe.SliceData(b), len(b))
}
