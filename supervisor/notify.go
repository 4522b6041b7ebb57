package supervisor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// notifySocket is a worker's NOTIFY_SOCKET: datagrams of NAME=VALUE lines, as sd_notify(3) sends them.
type notifySocket struct {
	conn *net.UnixConn
	done chan struct{}
}

// notice is one message.
type notice struct {
	ready    bool
	stopping bool
	watchdog sign // signWatchdog, signTrigger
	status   *string
	recycle  *string // why the worker wants to be replaced
}

// listenNotify binds path for who and calls f for every message, from its own goroutine.
func listenNotify(path string, who account, f func(notice)) (*notifySocket, error) {
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("notify socket: %w", err)
	}
	// The directory belongs to the worker's user, but no worker runs in it yet.
	err = os.Chmod(path, 0o600)
	if err == nil && who.switched {
		err = os.Lchown(path, who.uid, who.gid)
	}
	if err != nil {
		_ = c.Close() // unused
		return nil, fmt.Errorf("notify socket: %w", err)
	}
	n := &notifySocket{conn: c, done: make(chan struct{})}
	go n.read(f)
	return n, nil
}

func (n *notifySocket) read(f func(notice)) {
	defer close(n.done)
	b := make([]byte, notifyMessageBytesMax)
	for {
		size, err := n.conn.Read(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // a truncated datagram, say
		}
		f(parseNotice(string(b[:size])))
	}
}

func (n *notifySocket) close() {
	_ = n.conn.Close() // nothing is written
	<-n.done
}

// parseNotice reads the assignments that Weir knows; others are skipped, as sd_notify asks.
func parseNotice(s string) (n notice) {
	for line := range strings.SplitSeq(s, "\n") {
		switch name, value, _ := strings.Cut(line, "="); name {
		case "READY":
			n.ready = n.ready || value == "1"
		case "STOPPING":
			n.stopping = n.stopping || value == "1"
		case "WATCHDOG":
			switch {
			case value == "trigger":
				n.watchdog = signTrigger
			case value == "1" && n.watchdog == signNone:
				n.watchdog = signWatchdog
			}
		case "STATUS":
			n.status = shortText(value)
		case "RECYCLE":
			n.recycle = shortText(value)
		}
	}
	return n
}

// shortText is what is kept of a text that a worker sent.
func shortText(s string) *string {
	s = strings.ToValidUTF8(s[:min(len(s), statusBytesMax)], "")
	return &s
}
