package worker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// ErrNotWorker: this process was not started as a worker by Weir.
var ErrNotWorker = errors.New("worker: not started by weir")

// Self says which pool this process is a worker of, and its name: POOL/N. ok is false outside Weir.
func Self() (pool, name string, ok bool) {
	pool, name = os.Getenv("WEIR_POOL"), os.Getenv("WEIR_WORKER")
	if pool == "" || name == "" || os.Getenv("WEIR_SOCKET") == "" {
		return "", "", false
	}
	return pool, name, true
}

// listenFD is where the contract of LISTEN_FDS begins.
const listenFD = 3

// listen opens the worker's socket: the inherited one if there is one, else WEIR_SOCKET.
func listen() (net.Listener, error) {
	if _, _, ok := Self(); !ok {
		return nil, ErrNotWorker
	}
	if os.Getenv("LISTEN_FDS") != "" && os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) {
		f := os.NewFile(listenFD, "inherited")
		defer f.Close() //nolint:errcheck // the listener has its own descriptor
		return net.FileListener(f)
	}
	return net.Listen("unix", os.Getenv("WEIR_SOCKET"))
}

// RequestRecycle asks the supervisor to replace this worker by a fresh one, when it is its pool's turn;
// until then it goes on. reason is what the log says, one line of at most 256 bytes. Outside Weir the
// error is ErrNotWorker.
func RequestRecycle(reason string) error {
	if _, _, ok := Self(); !ok {
		return ErrNotWorker
	}
	if strings.Contains(reason, "\n") {
		return errors.New("worker: recycle: the reason has more than one line")
	}
	if err := notify("RECYCLE=" + reason); err != nil {
		return fmt.Errorf("worker: recycle: %w", err)
	}
	return nil
}

// notify tells the supervisor, as sd_notify does. Without NOTIFY_SOCKET nobody listens.
func notify(lines ...string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	c, err := net.Dial("unixgram", path)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // the datagram is sent or not
	_, err = c.Write([]byte(strings.Join(lines, "\n")))
	return err
}
