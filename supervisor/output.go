package supervisor

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"sync"
	"time"

	"weir/supervisor/config"
)

// output takes what one worker prints. Its readers always read on, so that the worker never blocks:
// lines that the log cannot take are dropped and counted.
type output struct {
	sink   *sink
	pool   string
	worker string // POOL/N
	format config.OutputFormat
	rate   int64 // lines per second; below 0: no bound

	mu      sync.Mutex
	kept    []string // last lines, oldest first
	bytes   int      // of kept
	second  int64    // the second that lines counts
	lines   int64    // in that second
	dropped int64    // not told of yet
	lost    int64    // in all
	streams sync.WaitGroup
}

// read takes one stream until its end.
func (o *output) read(r io.Reader, stream string, now func() time.Time) {
	readLines(r, func(line []byte) { o.line(line, stream, now()) })
	o.flushDropped(stream, now())
}

// line keeps one line and passes it on, unless there are too many.
func (o *output) line(line []byte, stream string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keep(string(line))
	if s := now.Unix(); s != o.second {
		o.reportDropped(stream, now)
		o.second, o.lines = s, 0
	}
	o.lines++
	if o.rate >= 0 && o.lines > o.rate || !o.sink.put(o.appendLine(nil, line, stream, now)) {
		o.dropped++
		o.lost++
	}
}

// keep remembers the last lines for status and errors.
func (o *output) keep(s string) {
	o.kept = append(o.kept, s)
	o.bytes += len(s)
	drop := 0
	for len(o.kept)-drop > outputLinesKept || o.bytes > outputKeptBytesMax {
		o.bytes -= len(o.kept[drop])
		drop++
	}
	if drop > 0 {
		n := copy(o.kept, o.kept[drop:])
		clear(o.kept[n:])
		o.kept = o.kept[:n]
	}
}

func (o *output) flushDropped(stream string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reportDropped(stream, now)
}

// reportDropped says once how many lines are missing here.
func (o *output) reportDropped(stream string, now time.Time) {
	if o.dropped == 0 {
		return
	}
	msg := "dropped " + strconv.FormatInt(o.dropped, 10) + " lines"
	if o.sink.put(o.appendLine(nil, []byte(msg), stream, now)) {
		o.dropped = 0
	}
}

// last is what keep remembers.
func (o *output) last() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string{}, o.kept...)
}

// appendLine appends line in o's format.
func (o *output) appendLine(dst, line []byte, stream string, now time.Time) []byte {
	switch o.format {
	case config.OutputRaw:
		dst = append(dst, line...)
	case config.OutputJSON:
		dst = o.appendJSON(dst, line, stream, now)
	default:
		dst = append(dst, o.worker...)
		dst = append(dst, " | "...)
		dst = append(dst, line...)
	}
	return append(dst, '\n')
}

// appendJSON appends one record. A line that is an object itself is merged into it, behind our keys:
// most readers let the last of two equal keys win, so the worker's own time stays.
func (o *output) appendJSON(dst, line []byte, stream string, now time.Time) []byte {
	dst = append(dst, `{"time":"`...)
	dst = now.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	dst = append(dst, `","pool":`...)
	dst = strconv.AppendQuote(dst, o.pool) // names need no escapes
	dst = append(dst, `,"worker":`...)
	dst = strconv.AppendQuote(dst, o.worker)
	dst = append(dst, `,"stream":"`...)
	dst = append(dst, stream...)
	if t := bytes.TrimSpace(line); len(t) > 1 && t[0] == '{' && json.Valid(t) {
		dst = append(dst, '"')
		if t = bytes.TrimSpace(t[1:]); t[0] != '}' {
			dst = append(dst, ',')
		}
		return append(dst, t...)
	}
	msg, err := json.Marshal(string(line))
	if err != nil {
		panic("supervisor: a string does not marshal: " + err.Error())
	}
	dst = append(dst, `","msg":`...)
	return append(append(dst, msg...), '}')
}

// sink writes the lines of all workers to one writer, which may block: then it drops.
type sink struct {
	w    io.Writer
	mu   sync.Mutex
	cond sync.Cond
	buf  []byte // guarded by mu, like the rest
	n    int    // lines in buf
	end  bool
	done chan struct{}
}

func newSink(w io.Writer) *sink {
	s := &sink{w: w, done: make(chan struct{})}
	s.cond.L = &s.mu
	go s.run()
	return s
}

// put queues line, which ends with a newline; false: there is no room.
func (s *sink) put(line []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end || s.n >= outputQueueLinesMax || len(s.buf)+len(line) > outputQueueBytesMax {
		return false
	}
	s.buf = append(s.buf, line...)
	s.n++
	s.cond.Signal()
	return true
}

func (s *sink) run() {
	defer close(s.done)
	var spare []byte
	for {
		s.mu.Lock()
		for len(s.buf) == 0 && !s.end {
			s.cond.Wait()
		}
		b := s.buf
		s.buf, s.n = spare[:0], 0
		s.mu.Unlock()
		if len(b) == 0 {
			return
		}
		_, _ = s.w.Write(b) // nobody is left to tell
		spare = b
	}
}

// close writes what is queued. It waits at most outputFlushMax for a writer that blocks.
func (s *sink) close() {
	s.mu.Lock()
	s.end = true
	s.cond.Signal()
	s.mu.Unlock()
	t := time.NewTimer(outputFlushMax)
	defer t.Stop()
	select {
	case <-s.done:
	case <-t.C:
	}
}
