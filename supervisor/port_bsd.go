//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package supervisor

// localPortRange is IANA's dynamic range, the default of every BSD.
func localPortRange() (low, high int) { return 49152, 65535 }
