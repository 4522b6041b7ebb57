//go:build linux

package main

import (
	"os"
	"testing"
)

// nodePath is where Debian's node-ws lies.
const nodePath = "/usr/share/nodejs"

func hasWS() bool {
	_, err := os.Stat(nodePath + "/ws/package.json")
	return err == nil
}

// nodeWithWS is a node that has ws, the library that most servers there use.
func nodeWithWS(t *testing.T) string {
	t.Helper()
	path := program(t, "node")
	switch {
	case hasWS():
	case os.Getenv("WEIR_CI") != "":
		t.Fatalf("no ws in %s; WEIR_CI promises node-ws", nodePath)
	default:
		t.Skipf("node-ws is not installed: no ws in %s", nodePath)
	}
	return path
}

// nodeSockets is a worker: ws as a server, in the part of librarySocket, and CONNECT in that of
// connectEcho.
const nodeSockets = `
const http = require('http'), { WebSocketServer } = require('ws')
const server = http.createServer((req, res) => res.end('node'))
const wss = new WebSocketServer({ server, perMessageDeflate: true, handleProtocols: (p) => [...p][0] })
wss.on('connection', (ws) => ws.on('message', (data, binary) => {
  if (!binary && String(data) === 'ping') {
    ws.on('pong', () => ws.close(1000, 'pinged: <nil>'))
    ws.ping()
  } else if (data.length < 200000) ws.send(data, { binary })
  else for (let at = 0; at < data.length; at += 100000) {
    ws.send(data.subarray(at, at + 100000), { binary, fin: at + 100000 >= data.length })
  }
}))
server.on('connect', (req, socket, head) => {
  socket.on('error', () => {})
  socket.write('HTTP/1.1 200 Connection established\r\n\r\n' + req.url + ' ')
  socket.write(head)
  socket.pipe(socket)
})
server.listen(process.env.WEIR_SOCKET)
`

// nodeClientWS is ws as a client.
const nodeClientWS = `
const WebSocket = require('ws')
const ws = new WebSocket(process.argv[1], ['chat'])
const large = Buffer.alloc(1 << 20, 'large')
const next = [
  (d, b) => { console.log(b ? '?' : 'text', d.length); ws.send(large) },
  (d, b) => {
    console.log(b && d.equals(large) ? 'binary' : '?', d.length)
    ws.send('in ', { fin: false }); ws.send('thr', { fin: false }); ws.send('ee.')
  },
  (d) => { console.log(String(d) === 'in three.' ? 'pieces' : String(d), d.length); ws.ping('p') },
]
let n = 0
ws.on('open', () => { console.log('deflates', ws.extensions.includes('permessage-deflate')); ws.send('x'.repeat(70000)) })
ws.on('message', (d, b) => next[n++](d, b))
ws.on('pong', () => { console.log('pong'); ws.close(1000, 'done') })
ws.on('close', (code, reason) => console.log('closed', code, String(reason)))
ws.on('error', (e) => console.log('error', e.message))
`
