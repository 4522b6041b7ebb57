package worker

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"weir/pipeline"
)

// part is a piece of a response body: bytes, or n bytes of a file from off.
type part struct {
	b      []byte
	f      *os.File
	off, n int64
}

// SendBody implements pipeline.Exchange.
func (x *exchange) SendBody(b []byte) (room bool) {
	switch {
	case x.tunnel != nil:
		return x.tunnel.send(b)
	case x.bodyless():
		return true
	}
	if n := len(x.parts); n > 0 && x.parts[n-1].f == nil {
		x.parts[n-1].b = append(x.parts[n-1].b, b...)
	} else if len(b) > 0 {
		x.parts = append(x.parts, part{b: append([]byte(nil), b...)})
	}
	x.queued += len(b)
	x.bytesOut += int64(len(b))
	x.stalled = x.queued >= outHigh
	return !x.stalled
}

// SendFile implements pipeline.Exchange.
func (x *exchange) SendFile(f *os.File, off, n int64) {
	if x.bodyless() {
		_ = f.Close() // only read
		return
	}
	x.parts = append(x.parts, part{f: f, off: off, n: n})
	x.bytesOut += n
}

// Read gives fasthttp the next bytes of a streamed response; between them it is the exchange's loop.
func (x *exchange) Read(p []byte) (int, error) {
	for {
		if x.cut != nil && x.ended {
			return 0, x.cut
		}
		n, err := x.take(p)
		x.taken += int64(n)
		if x.stalled && x.queued < outLow && !x.ended {
			x.stalled = false
			x.enter(x.t.Writable)
		}
		if n > 0 || err != nil {
			return n, err
		}
		if x.ended {
			return 0, io.EOF
		}
		x.turn()
	}
}

// take moves bytes of the first part to p.
func (x *exchange) take(p []byte) (n int, err error) {
	if len(x.parts) == 0 {
		return 0, nil
	}
	s := &x.parts[0]
	if s.f == nil {
		n = copy(p, s.b)
		s.b = s.b[n:]
		x.queued -= n
		if len(s.b) == 0 {
			x.parts = x.parts[1:]
		}
		return n, nil
	}
	n, err = s.f.ReadAt(p[:min(int64(len(p)), s.n)], s.off)
	s.off += int64(n)
	s.n -= int64(n)
	if s.n == 0 {
		err = s.f.Close()
		x.parts = x.parts[1:]
	} else if err == io.EOF {
		err = io.ErrUnexpectedEOF // the file became shorter
	}
	return n, err
}

// Close is called by fasthttp when it needs no more of the stream. If that is before its end, the
// client is gone.
func (x *exchange) Close() error {
	if whole := x.length >= 0 && x.taken >= x.length; !x.ended && !whole {
		x.cancel(errHangup)
	}
	for !x.ended {
		x.turn()
	}
	x.finish()
	return nil
}

func (x *exchange) dropParts() {
	for _, s := range x.parts {
		if s.f != nil {
			_ = s.f.Close() // only read
		}
	}
	clear(x.parts)
	x.parts, x.queued = x.parts[:0], 0
}

// ReceiveBody implements pipeline.Exchange.
func (x *exchange) ReceiveBody(sink pipeline.BodySink) {
	if x.tunnel != nil {
		x.tunnel.receive(sink)
		return
	}
	if !x.req.HasBody() {
		sink.OnBodyEnd(&x.t.Context, nil)
		return
	}
	b := &bodyReader{x: x, src: x.ctx.RequestBodyStream(), sink: sink, quit: make(chan struct{}),
		done: make(chan struct{}), taken: make(chan struct{}), deadline: x.ctx.Conn().SetReadDeadline}
	b.gate.L = &b.mu
	x.body = b
	go b.run(x.t.Generation())
}

// PauseBody implements pipeline.Exchange.
func (x *exchange) PauseBody() { x.pause(true) }

// ResumeBody implements pipeline.Exchange.
func (x *exchange) ResumeBody() { x.pause(false) }

func (x *exchange) pause(paused bool) {
	if x.tunnel != nil {
		x.tunnel.paused = paused
	}
	x.body.pause(paused)
}

// bodyReader reads a request body on its own goroutine, so that the exchange's loop can send while the
// client does, and delivers it on that loop.
type bodyReader struct {
	x        *exchange
	src      io.Reader
	sink     pipeline.BodySink
	deadline func(time.Time) error
	quit     chan struct{} // closed: the exchange is over
	taken    chan struct{} // one delivery is done
	done     chan struct{} // the goroutine has ended
	ended    atomic.Bool   // the body was read to its end

	mu     sync.Mutex
	gate   sync.Cond
	paused bool // guarded by mu
	over   bool // guarded by mu
}

func (b *bodyReader) run(generation uint64) {
	defer close(b.done)
	buf := make([]byte, bodyChunk)
	for b.open() {
		n, err := b.src.Read(buf)
		if err == io.EOF {
			b.ended.Store(true)
		}
		if n > 0 && !b.deliver(generation, buf[:n]) {
			return
		}
		if err != nil {
			b.finish(generation, err)
			return
		}
	}
}

// open waits while the body is paused; false: the exchange is over.
func (b *bodyReader) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.paused && !b.over {
		b.gate.Wait()
	}
	return !b.over
}

// deliver hands p to the sink and waits until it is done with it.
func (b *bodyReader) deliver(generation uint64, p []byte) bool {
	ok := b.x.Post(generation, func(c *pipeline.Context) {
		b.x.bytesIn += int64(len(p))
		b.sink.OnBody(c, p)
		select {
		case b.taken <- struct{}{}:
		case <-b.quit:
		}
	})
	if !ok {
		return false
	}
	select {
	case <-b.taken:
		return true
	case <-b.quit:
		return false
	}
}

func (b *bodyReader) finish(generation uint64, err error) {
	if err == io.EOF {
		err = nil
	} else {
		err = fmt.Errorf("worker: request body: %w", err)
	}
	b.x.Post(generation, func(c *pipeline.Context) { b.sink.OnBodyEnd(c, err) })
}

func (b *bodyReader) pause(paused bool) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.paused = paused
	b.gate.Signal()
}

// stop ends the goroutine: nobody may read the connection any more when fasthttp goes on with it. A
// read that waits is woken by a deadline in the past; fasthttp closes the connection then.
func (b *bodyReader) stop() {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.over = true
	b.gate.Signal()
	b.mu.Unlock()
	close(b.quit)
	if !b.ended.Load() {
		_ = b.deadline(time.Unix(1, 0)) // a closed connection wakes it as well
	}
	<-b.done
}
