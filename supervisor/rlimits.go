package supervisor

import "golang.org/x/sys/unix"

// rlimitResources are the limits by their names in the configuration.
var rlimitResources = map[string]int{
	"nofile":  unix.RLIMIT_NOFILE,
	"nproc":   unix.RLIMIT_NPROC,
	"core":    unix.RLIMIT_CORE,
	"as":      rlimitAS,
	"fsize":   unix.RLIMIT_FSIZE,
	"stack":   unix.RLIMIT_STACK,
	"memlock": unix.RLIMIT_MEMLOCK,
}
