// Command client is the load generator for machines without wrk: closed loop, one goroutine per
// connection, HTTP/1.1 answers framed by Content-Length.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"weir/bench/load"
)

const (
	samplesMax = 1 << 20 // latencies kept over all connections; a further one replaces an old one
	ioWait     = 10 * time.Second
)

func main() {
	conns := flag.Int("c", 1, "connections")
	duration := flag.Duration("d", time.Second, "how long")
	depth := flag.Int("pipeline", 1, "requests per write")
	perConn := flag.Int("perconn", 0, "batches on a connection; 0: as many as come")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: client [flags] URL")
		os.Exit(2)
	}
	u, err := url.Parse(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(2)
	}
	runtime.GOMAXPROCS(1)
	fmt.Println(run(u, *conns, *depth, *perConn, *duration).Line())
}

// run holds conns connections busy until the time is over and adds up what they saw.
func run(u *url.URL, conns, depth, perConn int, d time.Duration) load.Result {
	head := "GET " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\n"
	request, closing := head+"\r\n", head+"Connection: close\r\n\r\n"
	batch := []byte(strings.Repeat(request, depth))
	last := []byte(strings.Repeat(request, depth-1) + closing)
	start := time.Now()
	users := make([]user, conns)
	var wg sync.WaitGroup
	for i := range users {
		users[i] = user{addr: u.Host, perConn: perConn, depth: depth, until: start.Add(d),
			batch: batch, last: last, latencies: make([]time.Duration, 0, 64),
			samplesMax: max(samplesMax/conns, 64)}
		wg.Go(users[i].work)
	}
	wg.Wait()
	var total load.Result
	var all []time.Duration
	for i := range users {
		r := &users[i].result
		total.Requests += r.Requests
		total.Bytes += r.Bytes
		total.Errors.Connect += r.Errors.Connect
		total.Errors.Read += r.Errors.Read
		total.Errors.Write += r.Errors.Write
		total.Errors.Timeout += r.Errors.Timeout
		total.Errors.Status += r.Errors.Status
		all = append(all, users[i].latencies...)
	}
	total.Elapsed = time.Since(start)
	slices.Sort(all)
	if n := len(all); n > 0 {
		total.P50, total.P99 = all[n/2], all[n*99/100]
	}
	return total
}

// user is one connection's worth of load. Owned by its goroutine until run has waited for it.
type user struct {
	addr       string
	batch      []byte
	last       []byte // on a connection, when perConn > 0
	depth      int
	perConn    int
	until      time.Time
	result     load.Result
	latencies  []time.Duration
	samplesMax int
	seen       int // batches so far, to spread the samples
}

func (u *user) work() {
	var c net.Conn
	var r *bufio.Reader
	sent := 0 // batches on c
	for time.Now().Before(u.until) {
		begin := time.Now()
		if c == nil {
			var err error
			if c, err = net.DialTimeout("tcp", u.addr, ioWait); err != nil {
				u.result.Errors.Connect++
				return
			}
			r, sent = bufio.NewReaderSize(c, 64<<10), 0
		}
		batch := u.batch
		sent++
		if sent == u.perConn {
			batch = u.last
		}
		keep := u.exchange(c, r, batch)
		u.sample(time.Since(begin))
		if !keep || sent == u.perConn {
			_ = c.Close() // the answer is complete; nothing is left to lose
			c = nil
		}
	}
	if c != nil {
		_ = c.Close()
	}
}

// exchange sends one batch and reads its answers; false means that the connection is spent.
func (u *user) exchange(c net.Conn, r *bufio.Reader, batch []byte) bool {
	_ = c.SetDeadline(time.Now().Add(ioWait)) // fails only on a closed socket, seen by Write
	if _, err := c.Write(batch); err != nil {
		u.fail(err, &u.result.Errors.Write)
		return false
	}
	for range u.depth {
		status, n, err := readAnswer(r)
		if err != nil {
			u.fail(err, &u.result.Errors.Read)
			return false
		}
		if status < 200 || status > 399 {
			u.result.Errors.Status++
		}
		u.result.Requests++
		u.result.Bytes += n
	}
	return true
}

func (u *user) fail(err error, count *int64) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		count = &u.result.Errors.Timeout
	}
	*count++
}

func (u *user) sample(d time.Duration) {
	if len(u.latencies) < u.samplesMax {
		u.latencies = append(u.latencies, d)
	} else {
		u.latencies[u.seen%u.samplesMax] = d
	}
	u.seen++
}

var errFraming = errors.New("client: answer without Content-Length")

// readAnswer reads one answer and returns its status and its length on the wire.
func readAnswer(r *bufio.Reader) (status int, n int64, err error) {
	body := int64(-1)
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, n, err
		}
		n += int64(len(line))
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if first {
			if len(line) < 12 {
				return 0, n, errFraming
			}
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, n, errFraming
			}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if body, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err != nil {
				return 0, n, errFraming
			}
		}
	}
	if body < 0 {
		return 0, n, errFraming
	}
	copied, err := io.CopyN(io.Discard, r, body)
	return status, n + copied, err
}
