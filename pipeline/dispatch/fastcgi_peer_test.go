package dispatch

import (
	"encoding/binary"
	"io"
)

// record is one record of FastCGI as a program writes it.
func record(kind byte, content string) string {
	n := len(content)
	return string([]byte{1, kind, 0, 1, byte(n >> 8), byte(n), 3, 0}) + content + "pad"
}

func stdout(s string) string { return record(6, s) }
func stderr(s string) string { return record(7, s) }

func endRequest(app, status byte) string {
	return record(3, string([]byte{0, 0, 0, app, status, 0, 0, 0}))
}

// fcgiAnswer is a whole answer.
func fcgiAnswer(head, body string) string { return stdout(head+body) + stdout("") + endRequest(0, 0) }

// asked is a request as a FastCGI program gets it.
type asked struct {
	vars map[string]string
	body string
	keep bool
}

// fcgiRequest reads one; nil when the connection has ended.
func (c *workerConn) fcgiRequest() *asked {
	a := &asked{vars: map[string]string{}}
	params := ""
	for {
		h := make([]byte, 8)
		if _, err := io.ReadFull(c.r, h); err != nil {
			return nil
		}
		b := make([]byte, int(binary.BigEndian.Uint16(h[4:]))+int(h[6]))
		if _, err := io.ReadFull(c.r, b); err != nil {
			return nil
		}
		content := string(b[:len(b)-int(h[6])])
		switch h[1] {
		case 1:
			a.keep = content[2]&1 != 0
		case 4:
			params += content
			if content == "" {
				a.parse(params)
			}
		case 5:
			if content == "" {
				return a
			}
			a.body += content
		}
	}
}

func (a *asked) parse(s string) {
	length := func() int {
		n := int(s[0])
		if n >= 128 {
			n = int(binary.BigEndian.Uint32([]byte(s[:4])) &^ (1 << 31))
			s = s[3:]
		}
		s = s[1:]
		return n
	}
	for s != "" {
		n, v := length(), length()
		if _, twice := a.vars[s[:n]]; twice {
			panic("variable twice: " + s[:n])
		}
		a.vars[s[:n]] = s[n : n+v]
		s = s[n+v:]
	}
}

// serveAsked answers each request by what answer makes of it; "" closes the connection.
func serveAsked(answer func(a *asked) string) func(c *workerConn) {
	return func(c *workerConn) {
		for a := c.fcgiRequest(); a != nil; a = c.fcgiRequest() {
			s := answer(a)
			c.write(s)
			if s == "" || !a.keep {
				return
			}
		}
	}
}

// addSpeaking adds a worker of a protocol.
func (f *front) addSpeaking(n uint64, p Protocol, w *testWorker, concurrency int) {
	f.t.Helper()
	e := Endpoint{Network: "unix", Address: w.path, Concurrency: concurrency, Protocol: p}
	if err := f.AddWorker(n, e); err != nil {
		f.t.Fatal(err)
	}
}
