package main

import (
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/coder/websocket"
)

// socketOptions are those of github.com/coder/websocket as a server.
var socketOptions = &websocket.AcceptOptions{
	Subprotocols: []string{"chat"}, CompressionMode: websocket.CompressionContextTakeover,
}

const socketReadMax = 4 << 20

// librarySocket echoes as people do who use github.com/coder/websocket. The message "ping" it answers
// with a Ping of its own, and with Close when the Pong has come.
func librarySocket(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, socketOptions)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testworker: accept:", err)
		return
	}
	defer c.CloseNow() //nolint:errcheck // the client's end shows
	c.SetReadLimit(socketReadMax)
	for {
		kind, from, err := c.Reader(r.Context())
		if err != nil {
			return
		}
		to, err := c.Writer(r.Context(), kind)
		if err != nil {
			return
		}
		first, err := io.ReadAll(from)
		if err != nil {
			return
		}
		if string(first) == "ping" {
			c.CloseRead(r.Context())
			err := c.Ping(r.Context())
			_ = c.Close(websocket.StatusNormalClosure, fmt.Sprint("pinged: ", err))
			return
		}
		for len(first) > 0 { // in fragments
			n := min(len(first), 100<<10)
			if _, err := to.Write(first[:n]); err != nil {
				return
			}
			first = first[n:]
		}
		if to.Close() != nil {
			return
		}
	}
}

// connectEcho takes CONNECT and sends back what comes, behind the target.
func connectEcho(w http.ResponseWriter, r *http.Request) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer c.Close() //nolint:errcheck // the client's end shows
	_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n"+r.RequestURI+" ")
	_, _ = io.Copy(c, rw)
}
