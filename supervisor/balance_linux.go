package supervisor

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// skfRandom is the offset at which a classic BPF program loads a random word: SKF_AD_OFF +
// SKF_AD_RANDOM. Linux Documentation/networking/filter.rst, "Linux-specific extensions".
const skfRandom = 0xfffff000 + 56

// attachBalance has the kernel send new connections to the sockets with these indexes in the group
// that fd belongs to, ascending, each as often as the others. socket(7), SO_ATTACH_REUSEPORT_CBPF.
func attachBalance(fd int, owned []int) error {
	p := balanceProgram(owned)
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
		&unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]})
	if err != nil {
		return fmt.Errorf("SO_ATTACH_REUSEPORT_CBPF: %w", os.NewSyscallError("setsockopt", err))
	}
	return nil
}

// detachBalance leaves the choice to the kernel's hash again.
func detachBalance(fd int) error {
	return os.NewSyscallError("setsockopt",
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_REUSEPORT_BPF, 0))
}

// balanceProgram draws a number below len(owned). It is the index itself where that one is owned;
// for those that are not, a comparison each returns one from beyond. A group with more of these
// than a program can hold is balanced but for them: whatever it returns is served.
func balanceProgram(owned []int) []unix.SockFilter {
	p := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: skfRandom},
		{Code: unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K, K: uint32(len(owned))},
	}
	has := make(map[int]bool, len(owned))
	for _, i := range owned {
		has[i] = true
	}
	last := len(owned) - 1 // from beyond, taken from the end
	for draw := range owned {
		if has[draw] {
			continue
		}
		if len(p)+3 > balanceProgramMax {
			break
		}
		p = append(p,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(draw), Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(owned[last])})
		last--
	}
	return append(p, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_A})
}

// canBalance tries, with sockets that nobody knows, whether the kernel lets us choose.
func canBalance() error {
	one, err := tcpSocket("tcp4", "127.0.0.1:0", 1, true)
	if err != nil {
		return err
	}
	defer unix.Close(one) //nolint:errcheck // never used
	port, err := boundPort(one)
	if err != nil {
		return err
	}
	two, err := tcpSocket("tcp4", fmt.Sprintf("127.0.0.1:%d", port), 1, true)
	if err != nil {
		return err
	}
	defer unix.Close(two) //nolint:errcheck // never used
	return attachBalance(one, []int{0, 1})
}
