package server

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"weir/netpoll"
)

// LogFormat is how an access log line looks.
type LogFormat uint8

// Access log formats.
const (
	LogCombined LogFormat = iota // the combined format of Apache and nginx, and the time taken
	LogJSON
)

// AccessLog writes one line per exchange, also of those refused before routing. Loops fill batches; a
// goroutine writes them. When the writer cannot follow, lines are dropped and counted: a full disk
// does not stop serving.
type AccessLog struct {
	format  LogFormat
	path    string // "" for a writer that cannot be opened again
	batches chan []byte
	spare   chan []byte
	reopen  chan struct{}
	done    chan struct{}
	once    sync.Once
	out     io.Writer
	dropped atomic.Uint64
	failed  atomic.Uint64
}

// OpenAccessLog appends to the file at path.
func OpenAccessLog(path string, format LogFormat) (*AccessLog, error) {
	f, err := openLog(path)
	if err != nil {
		return nil, err
	}
	a := newAccessLog(f, format)
	a.path = path
	go a.write()
	return a, nil
}

// NewAccessLog writes to out, which is never closed.
func NewAccessLog(out io.Writer, format LogFormat) *AccessLog {
	a := newAccessLog(out, format)
	go a.write()
	return a
}

func newAccessLog(out io.Writer, format LogFormat) *AccessLog {
	return &AccessLog{
		format: format, out: out, batches: make(chan []byte, logBatchesMax),
		spare: make(chan []byte, logBatchesMax), reopen: make(chan struct{}, 1),
		done: make(chan struct{}),
	}
}

func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
}

// Reopen opens the file anew, after it was rotated away.
func (a *AccessLog) Reopen() {
	select {
	case a.reopen <- struct{}{}:
	default: // one is due already
	}
}

// Close writes what is queued and ends the writer; it waits at most logCloseMax for one that blocks,
// which gives up its queue then only when it ends. No loop may use a any more.
func (a *AccessLog) Close() {
	a.once.Do(func() { close(a.batches) })
	late := time.NewTimer(logCloseMax)
	defer late.Stop()
	select {
	case <-a.done:
	case <-late.C:
	}
}

// Failed is the number of batches that the writer could not write.
func (a *AccessLog) Failed() uint64 { return a.failed.Load() }

func (a *AccessLog) write() {
	defer close(a.done)
	for {
		select {
		case b, ok := <-a.batches:
			if !ok {
				a.closeFile()
				return
			}
			if _, err := a.out.Write(b); err != nil {
				a.failed.Add(1)
			}
			select {
			case a.spare <- b[:0]:
			default:
			}
		case <-a.reopen:
			a.reopenFile()
		}
	}
}

// reopenFile keeps the old file when the path cannot be opened.
func (a *AccessLog) reopenFile() {
	if a.path == "" {
		return
	}
	f, err := openLog(a.path)
	if err != nil {
		a.failed.Add(1)
		return
	}
	a.closeFile()
	a.out = f
}

func (a *AccessLog) closeFile() {
	if f, ok := a.out.(*os.File); ok && a.path != "" {
		if err := f.Close(); err != nil {
			a.failed.Add(1)
		}
	}
}

// logBatch collects a loop's lines.
type logBatch struct {
	to    *AccessLog
	ls    *loopServer
	buf   []byte
	lines int
	timer netpoll.Timer // flushes when the loop is quiet
}

func newLogBatch(to *AccessLog, ls *loopServer) *logBatch {
	b := &logBatch{to: to, ls: ls, buf: make([]byte, 0, logBufferBytes)}
	b.timer.Owner = b
	return b
}

// add appends x's line.
//
// Hot path when the access log is on. No allocation: TestAccessLogAllocs.
func (b *logBatch) add(x *exchange) {
	if len(b.buf) == 0 {
		b.ls.loop.Schedule(&b.timer, b.ls.loop.Now()+int64(logFlushEvery))
	}
	if b.to.format == LogJSON {
		b.buf = appendJSONLine(b.buf, x)
	} else {
		b.buf = appendCombinedLine(b.buf, x)
	}
	b.lines++
}

// OnExpire implements netpoll.Expirer.
func (b *logBatch) OnExpire(*netpoll.Timer, int64) { b.flush() }

// endTurn flushes a batch that has grown large.
func (b *logBatch) endTurn() {
	if len(b.buf) >= logBufferBytes/2 {
		b.flush()
	}
}

// flushLog hands over what the loop has collected.
func (ls *loopServer) flushLog() {
	if ls.log != nil {
		ls.log.flush()
	}
}

func (b *logBatch) flush() {
	if len(b.buf) == 0 {
		return
	}
	b.ls.loop.Cancel(&b.timer)
	select {
	case b.to.batches <- b.buf:
		select {
		case b.buf = <-b.to.spare:
		default:
			b.buf = make([]byte, 0, logBufferBytes)
		}
	default:
		b.ls.count(CounterLogDropped, uint64(b.lines))
		b.to.dropped.Add(uint64(b.lines))
		b.buf = b.buf[:0]
	}
	b.lines = 0
}
