package supervisor

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// addressRange is one mapping of another process, as process_madvise(2) takes it: an iovec whose
// addresses mean nothing here.
type addressRange struct {
	start  uintptr
	length uintptr
}

// pageOut asks the kernel to reclaim the memory of the worker's main process, mapping by mapping,
// until it is resumed. Anonymous memory goes to swap if there is any; what cannot be reclaimed stays.
// An error: this kernel cannot, or we may not (CAP_SYS_NICE).
func (p *process) pageOut() error {
	p.mu.Lock()
	pid, gone := p.pid, p.reaped
	fd := -1
	var err error
	if !gone {
		fd, err = unix.PidfdOpen(pid, 0)
	}
	p.mu.Unlock()
	if gone {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(fd) //nolint:errcheck // a pidfd has nothing to lose
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return err
	}
	defer maps.Close() //nolint:errcheck // it was read
	lines := bufio.NewScanner(maps)
	for lines.Scan() && p.stopped.Load() {
		r, ok := mappingOf(lines.Text())
		if !ok {
			continue
		}
		switch err := adviseOut(fd, r); err {
		case nil, unix.EINVAL, unix.ENOMEM, unix.EIO: // locked, or gone: it stays
		case unix.ESRCH:
			return nil // it ended
		default:
			return os.NewSyscallError("process_madvise", err)
		}
	}
	return nil
}

// mappingOf is the range of a line of /proc/PID/maps; false for what the kernel put there.
func mappingOf(line string) (addressRange, bool) {
	var from, to uintptr
	if strings.HasSuffix(line, "[vvar]") || strings.HasSuffix(line, "[vdso]") ||
		strings.HasSuffix(line, "[vsyscall]") || strings.HasSuffix(line, "[vvar_vclock]") {
		return addressRange{}, false
	}
	n, err := fmt.Sscanf(line, "%x-%x", &from, &to)
	return addressRange{from, to - from}, err == nil && n == 2 && to > from
}
