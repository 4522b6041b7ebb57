package proc

import "time"

const (
	// outputBytesMax bounds what is kept of one process's output: its last bytes.
	outputBytesMax = 4096
	// stopWaitMax is how long a process may take to leave after SIGTERM before SIGKILL.
	stopWaitMax = 3 * time.Second
	// killWaitMax is how long we wait for the kernel to reap after SIGKILL.
	killWaitMax = 2 * time.Second
	// treeDepthMax bounds the walk from a process to its ancestors.
	treeDepthMax = 32
)
