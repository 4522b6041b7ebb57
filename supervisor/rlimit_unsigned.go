//go:build darwin || netbsd || openbsd

package supervisor

import "syscall"

func rlimitOf(soft, hard uint64) syscall.Rlimit { return syscall.Rlimit{Cur: soft, Max: hard} }
