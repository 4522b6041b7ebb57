//go:build !linux

package supervisor

// portOwner is unknown without /proc.
func portOwner(string) (pid int, program string) { return 0, "" }

func programOf(int) string { return "?" }

func peerPID(int) int { return 0 }

// handshaking is not known without /proc.
func handshaking(map[uint16]bool) bool { return false }
