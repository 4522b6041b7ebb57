//go:build dragonfly || freebsd

package supervisor

import "syscall"

func rlimitOf(soft, hard uint64) syscall.Rlimit {
	return syscall.Rlimit{Cur: int64(soft), Max: int64(hard)}
}
