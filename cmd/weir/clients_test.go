package main

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"testing"
)

const pythonClient = `
import http.client, sys
from urllib.parse import urlsplit
u = urlsplit(sys.argv[1])
c = http.client.HTTPConnection(u.hostname, u.port, timeout=20)
c.connect()
first, good = c.sock, 0
for i in range(200):
    c.request("GET", u.path)
    r = c.getresponse()
    good += r.status == 200 and len(r.read()) > 0 and c.sock is first
print(good, "over one connection")
`

const urllib3Client = `
import sys, urllib3
pools = urllib3.PoolManager(maxsize=1, retries=False, timeout=20)
good = 0
for i in range(200):
    r = pools.request("GET", sys.argv[1])
    good += r.status == 200 and len(r.data) > 0
pool = pools.connection_from_url(sys.argv[1])
print(good, "over", pool.num_connections, "connections, asked", pool.num_requests)
`

const nodeClient = `
const http = require('http');
const agent = new http.Agent({keepAlive: true, maxSockets: 4});
let good = 0, ports = new Set();
const one = () => new Promise((resolve, reject) => http.get(process.argv[1], {agent}, res => {
  ports.add(res.socket.localPort);
  res.on('data', () => {});
  res.on('end', () => { good += res.statusCode === 200; resolve(); });
}).on('error', reject));
(async () => {
  for (let i = 0; i < 50; i++) await Promise.all([one(), one(), one(), one()]);
  console.log(good + ' over ' + ports.size + ' connections');
  agent.destroy();
})();
`

// clients are programs that people use: what each is told, before the URL, and what it says then.
var clients = []struct {
	program string
	args    []string
	want    string
}{
	{"curl", []string{"-sS", "-f"}, `(Hello, World!|testworker)\n$`},
	{"h2load", []string{"--h1", "-n", "500", "-c", "8"}, `500 succeeded, 0 failed, 0 errored`},
	{"ab", []string{"-q", "-n", "500", "-c", "8"}, `(?s)Complete requests:\s+500\n.*Failed requests:\s+0\n`},
	{"ab", []string{"-q", "-k", "-n", "500", "-c", "8"}, `(?s)Failed requests:\s+0\n.*Keep-Alive requests:\s+500\n`},
	{"python3", []string{"-c", pythonClient}, `^200 over one connection\n$`},
	{"urllib3", []string{"-c", urllib3Client}, `^200 over 1 connections, asked 200\n$`},
	{"node", []string{"-e", nodeClient}, `^200 over [1-4] connections\n$`},
}

// TestClients: real clients get along with every way to answer.
func TestClients(t *testing.T) {
	t.Parallel()
	demo := start(t, "--listen", "127.0.0.1:0")
	plain := start(t, "--listen", "127.0.0.1:0", "--", "testworker")
	for _, c := range clients {
		t.Run(c.program, func(t *testing.T) {
			path := clientProgram(t, c.program)
			for _, url := range []string{demo.url + "/hello", demo.url + "/worker/hello", plain.url + "/"} {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				out, err := exec.CommandContext(ctx, path, append(c.args, url)...).CombinedOutput()
				if err != nil || !regexp.MustCompile(c.want).Match(out) {
					t.Errorf("%s %s: %v\n%s\nwant %s", c.program, url, err, out, c.want)
				}
			}
		})
	}
}

// clientProgram is the program of a client, or what runs it.
func clientProgram(t *testing.T, name string) string {
	if name != "urllib3" {
		return program(t, name)
	}
	python := program(t, "python3")
	out, err := exec.Command(python, "-c", "import urllib3").CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv("WEIR_CI") != "":
		t.Fatalf("urllib3: %v, %s; WEIR_CI promises it", err, out)
	default:
		t.Skipf("urllib3 is not installed: %v", err)
	}
	return python
}
