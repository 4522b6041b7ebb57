package main

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"weir/bench/load"
	"weir/bench/proc"
)

// TestSoakSlowClients is the short form of "bench soak": the front holds every slow client, stays the
// same process, and answers the others. The p99 is judged by the best round: what else runs on the
// machine can only add to it.
func TestSoakSlowClients(t *testing.T) {
	files, err := proc.RaiseOpenFiles()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-rounds", "2", "-duration", "1s", "-clock=false", "-client", "own"}
	o, err := parseSoakFlags(args)
	if err != nil {
		t.Fatal(err)
	}
	o.slow = int(min(uint64(o.slow), files/2)) // where descriptors are few, so are the slow clients
	t.Logf("%d slow clients", o.slow)
	for range 3 {
		var out strings.Builder
		rounds, err := soak(t.Context(), o, &out)
		t.Log("\n" + out.String())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rounds {
			if r.ratio() <= slowRatioMax {
				return
			}
		}
	}
	t.Errorf("p99 of the others above %.1f × in every round", slowRatioMax)
}

func TestParseSoakFlags(t *testing.T) {
	for _, tc := range []struct{ args, err string }{
		{"-slow 100 -conns 8 -rounds 3 -duration 2s -client own -clock=false", ""},
		{"-slow 0", "-slow 0"},
		{"-conns 0", "-conns 0"},
		{"-rounds 0", "-rounds 0"},
		{"-duration 30s", "1s to 20s"},
		{"-client ab", `-client "ab"`},
		{"more", `unexpected argument "more"`},
	} {
		o, err := parseSoakFlags(strings.Fields(tc.args))
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("parseSoakFlags(%q) error = %v; want %q", tc.args, err, tc.err)
			}
		} else if err != nil || o.slow != 100 || o.conns != 8 || o.rounds != 3 || o.clock ||
			o.duration != 2*time.Second || o.cpus.server < 0 {
			t.Errorf("parseSoakFlags(%q) = %+v, %v", tc.args, o, err)
		}
	}
}

func TestVerdict(t *testing.T) {
	round := func(alone, beside time.Duration) soakRound {
		return soakRound{load.Result{P99: alone}, load.Result{P99: beside}}
	}
	if _, err := verdict(nil); err == nil {
		t.Error("verdict of no round: no error")
	}
	good := []soakRound{round(10, 90), round(10, 14), round(10, 12)}
	if m, err := verdict(good); m != 1.4 || err != nil {
		t.Errorf("verdict = %v, %v; want 1.4", m, err)
	}
	bad := []soakRound{round(10, 16), round(10, 17), round(10, 12)}
	if m, err := verdict(bad); m != 1.6 || err == nil {
		t.Errorf("verdict = %v, %v; want 1.6 and an error", m, err)
	}
}

// TestSlowClients against a server that ends them: each is noticed.
func TestSlowClients(t *testing.T) {
	addr := serveOnce(t, "HTTP/1.1 408 Request Timeout\r\n\r\n", 3)
	s, err := openSlow(addr, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if told, err := s.refused(exchangeMax); told != 3 || err != nil {
		t.Errorf("refused = %d, %v; want 3", told, err)
	}
	s.rest()
	if _, err := openSlow("127.0.0.1:1", 1); err == nil {
		t.Error("openSlow without a server: no error")
	}
}

// serveOnce answers n connections once each, when they have sent something, and closes them.
func serveOnce(t *testing.T, answer string, n int) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range n {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if _, err := io.ReadFull(c, make([]byte, len(slowHead))); err == nil {
				_, _ = io.WriteString(c, answer) // the other end checks it
			}
			_ = c.Close() // all is sent
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done }) // nothing waits in it
	return ln.Addr().String()
}
