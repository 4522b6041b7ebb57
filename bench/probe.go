package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// probe is one thing that every server must get right before its numbers are compared.
type probe struct {
	name string
	run  func(addr string) error
}

// probes are the parity gate. The 404 is asked of the file server where a subject has one, since
// a fixed answer may be given to every path; see missing.
var probes = []probe{
	{"fixed answer", probeHello},
	{"fragmented request", probeFragmented},
	{"two requests in one segment", probePipelined},
	{"HEAD", probeHead},
	{"Connection: close", probeClose},
	{"oversized head", probeOversized},
}

var errAnswer = errors.New("wrong answer")

const helloBody = "Hello, World!"

func wantHello(a answer, err error) error {
	if err != nil {
		return err
	}
	if a.status != 200 || string(a.body) != helloBody {
		return fmt.Errorf("%w: %d %.40q", errAnswer, a.status, a.body)
	}
	return nil
}

// parity runs the probes and returns what failed.
func parity(addr string) (failed []string) {
	for _, p := range probes {
		if err := p.run(addr); err != nil {
			failed = append(failed, p.name+" ("+err.Error()+")")
		}
	}
	return failed
}

func probeHello(addr string) error { return wantHello(ask(addr, "GET", "/")) }

// missing asks for a path that is not there.
func missing(addr string) error {
	a, err := ask(addr, "GET", "/there-is-no-such-file")
	if err == nil && a.status != 404 {
		err = fmt.Errorf("%w: %d", errAnswer, a.status)
	}
	return err
}

// probeFragmented sends one request in three pieces, cut inside the method and inside the end of
// the head: exactly one answer may come.
func probeFragmented(addr string) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	text := request("GET", "/", addr)
	for _, piece := range []string{text[:2], text[2 : len(text)-3], text[len(text)-3:]} {
		if _, err := io.WriteString(c, piece); err != nil {
			return err
		}
		time.Sleep(fragmentPause)
	}
	r := bufio.NewReader(c)
	if err := wantHello(readAnswer(r, "GET")); err != nil {
		return err
	}
	if r.Buffered() > 0 {
		return fmt.Errorf("%w: %d bytes after the only one", errAnswer, r.Buffered())
	}
	return nil
}

func probePipelined(addr string) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, strings.Repeat(request("GET", "/", addr), 2)); err != nil {
		return err
	}
	r := bufio.NewReader(c)
	for range 2 {
		if err := wantHello(readAnswer(r, "GET")); err != nil {
			return err
		}
	}
	return nil
}

// probeHead wants no body after HEAD: the next answer on the connection must begin at once.
func probeHead(addr string) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, request("HEAD", "/", addr)+request("GET", "/", addr)); err != nil {
		return err
	}
	r := bufio.NewReader(c)
	if a, err := readAnswer(r, "HEAD"); err != nil || a.status != 200 {
		return errors.Join(err, fmt.Errorf("%w: %d", errAnswer, a.status))
	}
	return wantHello(readAnswer(r, "GET"))
}

func probeClose(addr string) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, request("GET", "/", addr, "Connection: close\r\n")); err != nil {
		return err
	}
	r := bufio.NewReader(c)
	a, err := readAnswer(r, "GET")
	if err := wantHello(a, err); err != nil {
		return err
	}
	if !a.closes {
		return fmt.Errorf("%w: does not say Connection: close", errAnswer)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		return fmt.Errorf("%w: connection stays open: %v", errAnswer, err)
	}
	return nil
}

// probeOversized sends a field of 1 MiB: any 4xx will do, and so will a closed connection, but not
// a 200 and not silence.
func probeOversized(addr string) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	var b bytes.Buffer
	b.WriteString(request("GET", "/", addr, "X-Large: "+strings.Repeat("x", 1<<20)+"\r\n"))
	_, writeErr := c.Write(b.Bytes()) // fails where the server closes early, as it may
	a, err := readAnswer(bufio.NewReader(c), "GET")
	switch {
	case a.status >= 400 && a.status < 500: // its body may lack a length, since the connection ends
		return nil
	case a.status != 0:
		return fmt.Errorf("%w: %d", errAnswer, a.status)
	case writeErr != nil || errors.Is(err, io.EOF) || isReset(err):
		return nil
	}
	return err
}
