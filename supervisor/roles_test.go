package supervisor

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// runRole is what the test binary does as a worker: TEST_ROLE names it.
func runRole(role string) int {
	switch role {
	case "serve": // the socket, ends at SIGTERM
		return serveRole("unix", os.Getenv("WEIR_SOCKET"), true)
	case "stubborn": // ignores SIGTERM
		return serveRole("unix", os.Getenv("WEIR_SOCKET"), false)
	case "port6":
		return serveRole("tcp", net.JoinHostPort("::1", os.Getenv("PORT")), true)
	case "elsewhere": // listens where nobody looks
		fmt.Println("listening on my own port")
		return serveRole("tcp", "127.0.0.1:0", true)
	case "mute": // never listens
		fmt.Println("thinking")
		waitToBeKilled()
	case "crash":
		fmt.Fprintln(os.Stderr, "boom")
		return 3
	case "notify":
		return notifyRole()
	case "inherit":
		return inheritRole()
	case "report": // what the worker sees of its surroundings, then serves
		reportRole()
		return serveRole("unix", os.Getenv("WEIR_SOCKET"), true)
	case "trespass": // tries what TEST_TRESPASS names, then serves
		trespass()
		return serveRole("unix", os.Getenv("WEIR_SOCKET"), true)
	case "refused": // a supervisor without root's rights
		return refusedRole()
	case "flood":
		return floodRole()
	case "supervise": // a supervisor to be killed
		return superviseRole()
	case "family": // a child of the worker outlives it, if it is let
		return familyRole(false)
	case "greedy": // at SIGUSR1 takes more than it may have of what TEST_GREED names
		go greed(os.Getenv("TEST_GREED"))
		return serveRole("unix", os.Getenv("WEIR_SOCKET"), true)
	case "runaway": // the same with a child in a session of its own
		return familyRole(true)
	}
	fmt.Fprintln(os.Stderr, "unknown role", role)
	return 2
}

// waitToBeKilled waits for a signal that never comes: to a program without cgo, waiting for nothing at all
// is a deadlock, which ends it.
func waitToBeKilled() {
	never := make(chan os.Signal, 1)
	signal.Notify(never, syscall.SIGUSR2)
	<-never
}

// serveRole accepts and closes until SIGTERM.
func serveRole(network, address string, obeys bool) int {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	l, err := net.Listen(network, address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go serveAll(l)
	for {
		<-term
		fmt.Println("got SIGTERM")
		if obeys {
			return 0
		}
	}
}

func serveAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		c.Close() //nolint:errcheck // a test's worker
	}
}

func say(msg string) {
	c, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer c.Close() //nolint:errcheck // a test's worker
	if _, err := io.WriteString(c, msg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// notifyRole listens at once and says so when the file TEST_GATE appears.
func notifyRole() int {
	l, err := net.Listen("unix", os.Getenv("WEIR_SOCKET"))
	if err != nil {
		return 1
	}
	go serveAll(l)
	say("STATUS=warming up")
	for {
		if _, err := os.Stat(os.Getenv("TEST_GATE")); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	say("READY=1\nSTATUS=serving")
	waitToBeKilled()
	return 0
}

func inheritRole() int {
	if os.Getenv("LISTEN_FDS") != "1" || os.Getenv("LISTEN_PID") != fmt.Sprint(os.Getpid()) {
		fmt.Fprintln(os.Stderr, "LISTEN_* are wrong")
		return 1
	}
	flags, err := fcntlGetFlags(3)
	if err != nil || flags&syscall.O_NONBLOCK != 0 {
		fmt.Fprintln(os.Stderr, "fd 3 does not block:", flags, err)
		return 1
	}
	l, err := net.FileListener(os.NewFile(3, "inherited"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	serveAll(l)
	return 0
}

// reportRole prints descriptors, environment and arguments, then a line "end".
func reportRole() {
	fds, err := os.Open("/proc/self/fd")
	if err == nil {
		names, _ := fds.Readdirnames(-1) //nolint:errcheck // an empty list fails the test
		fds.Close()                      //nolint:errcheck // a test's worker
		slices.Sort(names)
		for _, n := range names {
			if t, err := os.Readlink("/proc/self/fd/" + n); err == nil {
				fmt.Println("fd", n, t)
			}
		}
	}
	for _, kv := range os.Environ() {
		fmt.Println("env", kv)
	}
	fmt.Println("args", strings.Join(os.Args[1:], " "))
	status, _ := os.ReadFile("/proc/self/status") //nolint:errcheck // an empty file fails the test
	for line := range strings.SplitSeq(string(status), "\n") {
		if strings.HasPrefix(line, "NoNewPrivs") || strings.HasPrefix(line, "Umask") ||
			strings.HasPrefix(line, "Uid") || strings.HasPrefix(line, "Groups") {
			fmt.Println("status", strings.Join(strings.Fields(line), " "))
		}
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil {
		fmt.Println("files", files.Max) // the soft limit was raised by this process's own runtime
	}
	fmt.Println("end")
}

// floodRole prints without end, and serves: it must never be blocked by it.
func floodRole() int {
	go func() {
		w := bufio.NewWriterSize(os.Stdout, 1<<16)
		for i := 0; ; i++ {
			fmt.Fprintln(w, "line", i, strings.Repeat("x", 40))
			if i%1000 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	}()
	return serveRole("unix", os.Getenv("WEIR_SOCKET"), true)
}
