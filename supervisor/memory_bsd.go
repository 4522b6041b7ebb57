//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package supervisor

import "errors"

// readMemory needs /proc.
func readMemory([]int, bool) (map[int]usage, error) {
	return nil, errors.New("memory of processes is read on Linux only")
}

// viewMemory knows nothing here: the memory guard and the idle ladder say so once.
func viewMemory() memoryView { return memoryView{} }

// pageOut has no system call here: a stopped worker's pages go when memory is needed.
func (p *process) pageOut() error { return errors.ErrUnsupported }
