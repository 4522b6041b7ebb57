//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/supervisor/admin"
)

// startShort starts weir with that few descriptors, hard and soft.
func startShort(t *testing.T, descriptors int, text string) *instance {
	t.Helper()
	dir := shortDir(t)
	script := filepath.Join(dir, "short")
	sh := fmt.Sprintf("#!/bin/sh\nulimit -n %d && exec weir \"$@\"\n", descriptors)
	if err := os.WriteFile(script, []byte(sh), 0o700); err != nil {
		t.Fatal(err)
	}
	in := launchProgram(t, script, filepath.Join(dir, "rt"), dir, os.Environ(),
		"--config", fileOf(t, dir, text))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", &in.stderr)
		}
		in.stop()
	})
	in.awaitReady()
	return in
}

// served asks on c and says whether it is answered; false for a connection that is closed.
func served(t *testing.T, c net.Conn) bool {
	t.Helper()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return false
	}
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Fatalf("no answer, and no end: %v", err)
	}
	return err == nil && strings.HasPrefix(string(b[:n]), "HTTP/1.1 200 ")
}

// TestOutOfDescriptors: a front without a descriptor left refuses one client at a time, serves those it
// has, says so in its counters, and goes on when one leaves.
func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	in := startShort(t, 64, `
loops: 1
limits: {connections: 1000}
sites: {s: {bindings: ["127.0.0.1:0"], apps: {/: {respond: {body: x}}}}}
`)
	front := in.status().Fronts[0].PID
	var held []net.Conn
	for {
		c := in.dial()
		defer c.Close() //nolint:errcheck // held until the end
		if !served(t, c) {
			break
		}
		if held = append(held, c); len(held) > 64 {
			t.Fatal("64 descriptors are enough for more than 64 connections?")
		}
	}
	if len(held) < 20 {
		t.Errorf("refused after %d connections; want most of the 64", len(held))
	}
	for i, c := range held {
		if !served(t, c) {
			t.Fatalf("connection %d is served no more", i)
		}
	}
	in.until("FdLimit counted", func(s *admin.Status) bool { return s.Counters["reason_FdLimit"] > 0 })
	for _, c := range held[:10] {
		_ = c.Close() // makes room
	}
	in.until("room again", func(*admin.Status) bool {
		c := in.dial()
		defer c.Close() //nolint:errcheck // read as far as wanted
		return served(t, c)
	})
	if s := in.status(); s.Fronts[0].PID != front {
		t.Errorf("front %d; want %d as before", s.Fronts[0].PID, front)
	}
}

// TestConnectionsAuto: limits.connections is what the descriptors allow, two for each; at that many
// accepting pauses, and one that leaves lets one in.
func TestConnectionsAuto(t *testing.T) {
	t.Parallel()
	site := "loops: 1\nsites: {s: {bindings: [\"127.0.0.1:0\"], apps: {/: {respond: {body: x}}}}}\n"
	for _, tc := range []struct {
		desc        string
		descriptors int
		text        string
		want        int
	}{
		{"no pool", 400, site, (400 - 256 - 1) / 2},
		{"five workers", 400, site + "pools: {p: {command: [testworker], workers: 5}}\n",
			(400 - 256 - 1 - 5) / 2},
		{"two loops", 400, strings.Replace(site, "loops: 1", "loops: 2", 1) +
			"pools: {p: {command: [testworker], workers: 5}}\n", (400 - 256 - 2 - 10) / 2},
		{"at least", 128, site, 64},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			in := startShort(t, tc.descriptors, tc.text)
			var first net.Conn
			for i := range tc.want {
				c := in.dial()
				defer c.Close() //nolint:errcheck // held until the end
				if !served(t, c) {
					t.Fatalf("connection %d of %d is not served", i+1, tc.want)
				}
				if first == nil {
					first = c
				}
			}
			next := in.dial()
			defer next.Close() //nolint:errcheck // read as far as wanted
			if _, err := io.WriteString(next, oneGet); err != nil {
				t.Fatal(err)
			}
			if got := soon(next, 1); got != "waits" {
				t.Errorf("one more: %s; want it to wait", got)
			}
			if n := in.status().Counters["reason_ConnLimit"]; n == 0 {
				t.Error("reason_ConnLimit = 0; want it counted")
			}
			_ = first.Close() // makes room
			_ = next.SetReadDeadline(time.Now().Add(patience))
			if got := soon(next, 50); got != "200" {
				t.Errorf("one more, when one has left: %s; want 200", got)
			}
		})
	}
}
