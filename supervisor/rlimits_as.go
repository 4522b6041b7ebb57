//go:build !openbsd

package supervisor

import "golang.org/x/sys/unix"

const rlimitAS = unix.RLIMIT_AS
