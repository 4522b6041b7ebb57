//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package netpoll

// Unacked is not asked for here: progress counts when the kernel takes bytes.
func (c *Conn) Unacked() int { return 0 }
