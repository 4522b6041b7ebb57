package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// answer is a response as it came.
type answer struct {
	status int
	head   string // with its empty line
	body   []byte
	closes bool // the server said Connection: close
}

// dial connects with a deadline for all that follows.
func dial(addr string) (net.Conn, error) {
	c, err := net.DialTimeout("tcp4", addr, exchangeMax)
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(exchangeMax))
}

// ask sends one request on a connection of its own.
func ask(addr, method, path string) (answer, error) {
	c, err := dial(addr)
	if err != nil {
		return answer{}, err
	}
	defer c.Close()
	if _, err := io.WriteString(c, request(method, path, addr)); err != nil {
		return answer{}, err
	}
	return readAnswer(bufio.NewReader(c), method)
}

func request(method, path, host string, fields ...string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" +
		strings.Join(fields, "") + "\r\n"
}

// readAnswer reads one response and its body. Interim responses are not expected.
func readAnswer(r *bufio.Reader, method string) (answer, error) {
	var head bytes.Buffer
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return answer{}, err
		}
		head.Write(line)
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
		if head.Len() > answerBytesMax {
			return answer{}, fmt.Errorf("head over %d bytes", answerBytesMax)
		}
	}
	a := answer{head: head.String()}
	// Only the head is parsed from a copy; the body is still in r.
	resp, err := http.ReadResponse(bufio.NewReader(&head), &http.Request{Method: "HEAD"})
	if err != nil {
		return a, err
	}
	_ = resp.Body.Close() // http.NoBody, since we said HEAD
	a.status, a.closes = resp.StatusCode, resp.Close
	switch {
	case method == "HEAD" || resp.ContentLength == 0:
		return a, nil
	case resp.ContentLength < 0 || resp.ContentLength > bodyBytesMax:
		return a, fmt.Errorf("bench: answer with Content-Length %d", resp.ContentLength)
	}
	a.body = make([]byte, resp.ContentLength)
	_, err = io.ReadFull(r, a.body)
	return a, err
}

// isReset reports that the peer has cut the connection.
func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }
