//go:build !linux

package supervisor

// residentBytes is not known here without libkvm.
func residentBytes(int) (int64, bool) { return 0, false }
