//go:build !linux && !darwin && !freebsd

package admin

// peerCredentials is unknown here, so nobody is admitted: better no API than an open one.
func peerCredentials(int) peer { return peer{} }
