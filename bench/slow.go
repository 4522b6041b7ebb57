package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// slowHead begins a request head that never ends.
const slowHead = "GET / HTTP/1.1\r\nHost: slow\r\nX-Slow: "

// slowClients are connections in the middle of a request head, each of which gets another byte every
// slowByteEvery. They cost the bench no goroutine each.
type slowClients struct {
	conns []net.Conn
	stop  chan struct{}
	fed   sync.WaitGroup
	lost  int // connections that the server ended; valid once stopped
}

// openSlow connects n slow clients to addr and begins to feed them.
func openSlow(addr string, n int) (*slowClients, error) {
	s := &slowClients{stop: make(chan struct{})}
	for i := range n {
		c, err := net.DialTimeout("tcp4", addr, exchangeMax)
		if err == nil {
			s.conns = append(s.conns, c)
			_, err = io.WriteString(c, slowHead)
		}
		if err != nil {
			s.close()
			return nil, fmt.Errorf("bench: slow client %d: %w", i+1, err)
		}
	}
	s.fed.Go(s.feed)
	return s, nil
}

// feed writes one byte to each connection in turn.
func (s *slowClients) feed() {
	per := int(slowByteEvery / slowFeedEvery)
	tick := time.NewTicker(slowFeedEvery)
	defer tick.Stop()
	gone := make([]bool, len(s.conns))
	for from := 0; ; from = (from + 1) % per {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		for i := from; i < len(s.conns); i += per {
			if _, err := s.conns[i].Write([]byte{'a'}); err != nil && !gone[i] {
				gone[i] = true
				s.lost++
			}
		}
	}
}

// rest stops feeding and returns how many connections the server has ended.
func (s *slowClients) rest() int {
	close(s.stop)
	s.fed.Wait()
	return s.lost
}

// refused waits until the server has ended every connection, and counts those that were told 408.
func (s *slowClients) refused(wait time.Duration) (told int, err error) {
	deadline := time.Now().Add(wait)
	for i, c := range s.conns {
		if err := c.SetReadDeadline(deadline); err != nil {
			return told, fmt.Errorf("bench: slow client %d: %w", i+1, err)
		}
		b, err := io.ReadAll(io.LimitReader(c, answerBytesMax))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return told, fmt.Errorf("bench: slow client %d: not ended after %s", i+1, wait)
		}
		if strings.HasPrefix(string(b), "HTTP/1.1 408 ") {
			told++
		}
	}
	return told, nil
}

func (s *slowClients) close() {
	for _, c := range s.conns {
		_ = c.Close() // nothing is expected of it any more
	}
}
