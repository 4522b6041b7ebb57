//go:build !linux

package supervisor

// openFiles and childPIDs see nothing without /proc.
func openFiles() map[string]string { return nil }
func childPIDs() []int             { return nil }
