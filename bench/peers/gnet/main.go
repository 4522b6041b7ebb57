// Command gnet is the gnet peer: gnet's engine with one event loop, this project's HTTP/1.1 parser
// and a fixed answer. It answers GET and HEAD of "/" and refuses bodies: enough to pass the bench's
// parity probe, so that its numbers are those of a server and not of a loop.
package main

import (
	"flag"
	"log"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/logging"

	"weir/protocol/http1"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address")
	flag.Parse()
	// Measured: with 2 the engine needs 1.2 times the CPU at one connection, the same at 64.
	runtime.GOMAXPROCS(1)
	go collectOnSignal()
	log.Fatal(gnet.Run(&server{}, "tcp://"+*listen, gnet.WithNumEventLoop(1),
		gnet.WithReuseAddr(true), gnet.WithLogLevel(logging.ErrorLevel)))
}

// collectOnSignal returns free memory to the system on SIGUSR1, for the idle-memory scenario.
func collectOnSignal() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	for range c {
		debug.FreeOSMemory()
	}
}

// server is owned by the one event loop.
type server struct {
	gnet.BuiltinEventEngine
	request http1.Request
	out     []byte
	date    []byte
	dateAt  int64
}

func (s *server) OnTraffic(c gnet.Conn) gnet.Action {
	b, err := c.Peek(-1)
	if err != nil {
		return gnet.Close
	}
	s.refreshDate()
	s.out = s.out[:0]
	used, action := 0, gnet.None
	for used < len(b) && action == gnet.None {
		n, err := s.request.Parse(b[used:], 0, nil)
		if err != nil {
			s.out = s.appendAnswer(s.out, http1.StatusOf(err), "", false, true)
			action = gnet.Close
			break
		}
		if n == 0 {
			break
		}
		used += n
		action = s.answer()
	}
	if used > 0 { // Discard(0) would discard everything
		if _, err := c.Discard(used); err != nil {
			return gnet.Close
		}
	}
	if len(s.out) > 0 {
		if _, err := c.Write(s.out); err != nil {
			return gnet.Close
		}
	}
	return action
}

func (s *server) answer() gnet.Action {
	r := &s.request
	closing := !r.KeepAlive || r.HasBody()
	head := r.Verb == http1.VerbHead
	switch {
	case r.HasBody():
		s.out = s.appendAnswer(s.out, 413, "", head, true)
	case r.Verb != http1.VerbGet && !head:
		s.out = s.appendAnswer(s.out, 405, "", head, closing)
	case string(r.Path()) != "/":
		s.out = s.appendAnswer(s.out, 404, "", head, closing)
	default:
		s.out = s.appendAnswer(s.out, 200, "Hello, World!", head, closing)
	}
	if closing {
		return gnet.Close
	}
	return gnet.None
}

// reasons are the status lines this server can send.
var reasons = map[int]string{400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
	413: "Content Too Large", 414: "URI Too Long", 431: "Request Header Fields Too Large",
	501: "Not Implemented", 505: "HTTP Version Not Supported"}

func (s *server) appendAnswer(dst []byte, status int, body string, head, closing bool) []byte {
	if status == 200 {
		dst = append(dst, "HTTP/1.1 200 OK\r\n"...)
	} else {
		dst = strconv.AppendInt(append(dst, "HTTP/1.1 "...), int64(status), 10)
		dst = append(append(append(dst, ' '), reasons[status]...), "\r\n"...)
	}
	dst = append(append(dst, "Server: gnet\r\nDate: "...), s.date...)
	dst = append(dst, "\r\nContent-Type: text/plain\r\nContent-Length: "...)
	dst = append(strconv.AppendInt(dst, int64(len(body)), 10), "\r\n"...)
	if closing {
		dst = append(dst, "Connection: close\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	if head {
		return dst
	}
	return append(dst, body...)
}

func (s *server) refreshDate() {
	if now := time.Now(); now.Unix() != s.dateAt {
		s.dateAt = now.Unix()
		s.date = now.UTC().AppendFormat(s.date[:0], "Mon, 02 Jan 2006 15:04:05 GMT")
	}
}
