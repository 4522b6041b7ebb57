package weir

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"weir/pipeline"
)

// While a Server ends, the kernel queues no more connections, and those that it had queued before are
// answered: between the last accept and the close there is nobody to be reset.
func TestShutdownPlugs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a socket cannot be plugged on " + runtime.GOOS)
	}
	begun, free := make(chan struct{}), make(chan struct{})
	path := filepath.Join(t.TempDir(), "s")
	s := started(t, &Server{Listen: []string{"127.0.0.1:0", "unix:" + path}, Loops: 1,
		Handler: func(c *pipeline.Context) {
			if c.Path() == "/block" { // the loop, so that it accepts nobody
				close(begun)
				<-free
			}
			c.Text(200, "ok")
		}})
	tcp := s.Addrs()[0].String()
	waiting := []net.Conn{asks(t, "tcp", tcp, "/block")}
	<-begun
	waiting = append(waiting, asks(t, "tcp", tcp, "/"), asks(t, "unix", path, "/"))
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(context.Background()) }()
	for _, network := range []string{"tcp", "unix"} {
		address := map[string]string{"tcp": tcp, "unix": path}[network]
		eventually(t, network+" plugged", func() bool {
			c, err := net.DialTimeout(network, address, 100*time.Millisecond)
			if err == nil {
				_ = c.Close() // it came before
			}
			return err != nil
		})
	}
	close(free)
	for _, c := range waiting {
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("who had connected before gets %v, %v; want 200", resp, err)
		}
		_ = c.Close() // read
	}
	if err := <-ended; err != nil {
		t.Errorf("Shutdown = %v", err)
	}
}

// asks connects and sends a request.
func asks(t *testing.T, network, address, path string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout(network, address, patience)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}
