//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/admin"
)

// short is how long a probe waits to call something "waits".
const short = 300 * time.Millisecond

// body fetches path and gives the body.
func body(path string, fields ...string) probe {
	return func(b *bed) string { return strings.TrimSpace(b.get(path, fields...).body) }
}

// status fetches path and gives status and reason.
func status(path string, fields ...string) probe {
	return func(b *bed) string { return b.get(path, fields...).verdict() }
}

func (a answer) verdict() string {
	return strings.TrimSpace(strconv.Itoa(a.status) + " " + a.header.Get("X-Weir-Reason"))
}

// field fetches path and gives a field of the response.
func field(path, name string) probe {
	return func(b *bed) string { return b.get(path).header.Get(name) }
}

// seen sends fields and gives what the worker sees of name.
func seen(name string, fields ...string) probe {
	return func(b *bed) string {
		var got map[string][]string
		if err := json.Unmarshal([]byte(b.get("/fields", fields...).body), &got); err != nil {
			b.instance.t.Fatalf("/fields: %v", err)
		}
		return strings.Join(got[name], " | ")
	}
}

// sends gives the status line that raw bytes get.
func sends(request string) probe {
	return func(b *bed) string {
		line, _, _ := strings.Cut(b.raw(request), "\r\n")
		return line
	}
}

// cut fetches path from a worker and says whether the body ends before its time.
func cut(path string) probe {
	return func(b *bed) string {
		a, err := do(client, "GET", b.url+path, "")
		var ne net.Error
		switch {
		case errors.As(err, &ne) && ne.Timeout():
			return "endless"
		case err != nil:
			return "cut"
		}
		return a.verdict()
	}
}

// hung opens a connection, sends request and says whether an answer comes soon.
func waits(b *bed, request string) string {
	c := b.dial()
	defer c.Close() //nolint:errcheck // nothing else is asked of it
	if _, err := io.WriteString(c, request); err != nil {
		b.instance.t.Fatalf("write: %v", err)
	}
	return soon(c, 1)
}

// soon says what becomes of a read: an answer, an end, or nothing for a while.
func soon(c net.Conn, times int) string {
	_ = c.SetReadDeadline(time.Now().Add(time.Duration(times) * short)) // a fresh socket takes one
	var first [12]byte
	_, err := io.ReadFull(c, first[:])
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "waits"
	case err != nil:
		return "closed"
	}
	return string(first[9:])
}

const oneGet = "GET /text HTTP/1.1\r\nHost: x\r\n\r\n"

// holding runs f while a worker of pool p holds a request that has begun to answer.
func holding(b *bed, path string, f func() string) string {
	c := b.dial()
	defer c.Close() //nolint:errcheck // ends what is held
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		b.instance.t.Fatalf("write: %v", err)
	}
	if got := soon(c, 50); got != "200" {
		b.instance.t.Fatalf("GET %s = %s; want it to begin", path, got)
	}
	return f()
}

// whileHeld is the verdict of a GET while a worker holds another request.
func whileHeld(path string) probe {
	return func(b *bed) string {
		return holding(b, "/hold", func() string { return status(path)(b) })
	}
}

// whileQueued is what a GET gets while one request is held and another one waits.
func whileQueued(b *bed) string {
	return holding(b, "/hold", func() string {
		c := b.dial()
		defer c.Close() //nolint:errcheck // leaves the queue
		if _, err := io.WriteString(c, "GET /pid HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			b.instance.t.Fatalf("write: %v", err)
		}
		b.until("a request in the queue", waiting)
		a, err := do(client, "GET", b.url+"/pid", "")
		if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) {
			return "reset"
		} else if err != nil {
			b.instance.t.Fatalf("GET /pid: %v", err)
		}
		return a.verdict()
	})
}

// socketFile is mode and owners of a Unix socket: "0660 0 0".
func socketFile(name string) probe {
	return func(b *bed) string {
		st, err := os.Stat(b.path(name))
		if err != nil {
			return "none"
		}
		sys := st.Sys().(*syscall.Stat_t)
		return fmt.Sprintf("%#o %d %d", st.Mode().Perm(), sys.Uid, sys.Gid)
	}
}

// workers counts ready workers once nothing moves.
func workers(pool string, atLeast int) probe {
	return func(b *bed) string {
		s := b.until("a settled pool", func(s *admin.Status) bool {
			for _, p := range s.Pools {
				if p.Name == pool {
					return p.Ready == p.WantCount && len(p.Workers) == p.Ready && p.Ready >= atLeast
				}
			}
			return false
		})
		return strconv.Itoa(len(pids(s, pool)))
	}
}

// logged is how the log of the instance shows text that a worker prints.
func printed(text string) probe {
	return func(b *bed) string {
		at := b.stderr.count()
		b.get("/print?lines=1&text=" + text)
		line, _ := b.stderr.await(at, regexp.MustCompile(text))
		return regexp.MustCompile(`\d+`).ReplaceAllString(line, "N")
	}
}

// sinceRecycle is what is logged about a recycle of pool q. A line of a worker, printed after it, says
// when all of that has been seen.
func sinceRecycle(b *bed) []string {
	at := b.stderr.count()
	if code, _, stderr := b.weir("recycle", "q"); code != 0 {
		b.instance.t.Fatalf("weir recycle q: %s", stderr)
	}
	b.get("/print?lines=1&text=landmark")
	if _, ok := b.stderr.await(at, regexp.MustCompile("landmark")); !ok {
		b.instance.t.Fatalf("the landmark is not logged")
	}
	got, _ := b.stderr.from(at)
	return got
}

// backlog is the length of the accept queue of the first TCP listener. The kernel tells it about a
// listening socket as tcpi_sacked.
func backlog(b *bed) string {
	pidfd, err := unix.PidfdOpen(b.cmd.Process.Pid, 0)
	if err != nil {
		b.instance.t.Fatalf("pidfd: %v", err)
	}
	defer unix.Close(pidfd) //nolint:errcheck // a pidfd has nothing to lose
	for _, path := range glob(fmt.Sprintf("/proc/%d/fd/*", b.cmd.Process.Pid)) {
		n, _ := strconv.Atoi(filepath.Base(path))
		fd, err := unix.PidfdGetfd(pidfd, n, 0)
		if err != nil {
			continue
		}
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		_ = unix.Close(fd) // a duplicate
		const tcpListen = 10
		if err == nil && info.State == tcpListen {
			return strconv.Itoa(int(info.Sacked))
		}
	}
	return "unknown"
}

func glob(pattern string) []string {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		panic(err) // a bad pattern
	}
	return paths
}

// uidOf is the effective user of a process.
func uidOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return err.Error()
	}
	m := regexp.MustCompile(`(?m)^Uid:\t\d+\t(\d+)`).FindSubmatch(b)
	if m == nil {
		return "unknown"
	}
	return string(m[1])
}

// half sends a request and closes the sending half.
func half(path string) probe {
	return func(b *bed) string {
		c := b.dial()
		defer c.Close() //nolint:errcheck // read to its end
		_, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		if err == nil {
			err = c.(*net.TCPConn).CloseWrite()
		}
		if err != nil {
			b.instance.t.Fatalf("half-close: %v", err)
		}
		got, _ := io.ReadAll(c) // a reset is an answer, too
		if strings.HasPrefix(string(got), "HTTP/1.1 200") {
			return "answered"
		}
		return "cancelled"
	}
}

// slowBody sends the begin of a body and says what becomes of the connection in about a second.
func slowBody(b *bed) string {
	c := b.dial()
	defer c.Close() //nolint:errcheck // nothing else is asked of it
	_, err := io.WriteString(c, "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx")
	if err != nil {
		b.instance.t.Fatalf("write: %v", err)
	}
	return soon(c, 4)
}
