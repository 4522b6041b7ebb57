//go:build linux

package netpoll

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkWheel moves a timer a minute ahead, as each request does, among 10 000 others.
func BenchmarkWheel(b *testing.B) {
	var w wheel
	w.init(0)
	timers := make([]firing, 10_000)
	for i := range timers {
		timers[i].timer.Owner = &timers[i]
		w.schedule(&timers[i].timer, int64(i)*int64(10*time.Millisecond))
	}
	b.ReportAllocs()
	now, i := int64(0), 0
	for b.Loop() {
		now += 10_000
		w.schedule(&timers[i].timer, now+int64(time.Minute))
		w.advance(now)
		if i++; i == len(timers) {
			i = 0
		}
	}
}

// BenchmarkEcho is one turn with one message over a Unix socket, both ends' system calls included.
func BenchmarkEcho(b *testing.B) {
	l, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { l.Stop(); l.Run() }()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(fds[1])
	if _, err := l.Adopt(fds[0], echo{}); err != nil {
		b.Fatal(err)
	}
	msg := make([]byte, 512)
	b.ReportAllocs()
	b.SetBytes(int64(len(msg)))
	for b.Loop() {
		sysSend(fds[1], msg)
		l.turn()
		sysRecv(fds[1], msg)
	}
}

// BenchmarkPost posts and runs, without a sleep in between.
func BenchmarkPost(b *testing.B) {
	l, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { l.Stop(); l.Run() }()
	ran := 0
	f := func() { ran++ }
	b.ReportAllocs()
	for b.Loop() {
		l.Post(f)
		l.runPosts()
	}
}

// BenchmarkPostWake is the round trip to a sleeping loop and back.
func BenchmarkPostWake(b *testing.B) {
	l, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	ended, done := make(chan struct{}), make(chan struct{})
	go func() { l.Run(); close(ended) }()
	f := func() { done <- struct{}{} }
	for b.Loop() {
		l.Post(f)
		<-done
	}
	l.Stop()
	<-ended
}
