package supervisor

import "golang.org/x/sys/unix"

// rlimitAS: the data segment is all anonymous memory here, and the address space has no limit.
const rlimitAS = unix.RLIMIT_DATA
