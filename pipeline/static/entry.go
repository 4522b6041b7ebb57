package static

import (
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"weir/pipeline"
	"weir/protocol/http1"
)

// entry is one file as it was when it was opened. All but the atomics is fixed.
type entry struct {
	info         fs.FileInfo
	size         int64
	modified     time.Time // to the second, as clients see it
	etag         string
	lastModified string
	contentType  string
	body         []byte   // the contents of a small file
	file         *os.File // a large one
	checked      atomic.Int64
	used         atomic.Int64
	refs         atomic.Int32 // of the cache and of who is about to send file; 0: closed
}

// describe makes the validators. The tag is strong: nanoseconds and size change when the bytes do,
// unless somebody sets the time back.
func (e *entry) describe(info fs.FileInfo) {
	e.modified = info.ModTime().Truncate(time.Second).UTC()
	e.lastModified = e.modified.Format(http.TimeFormat)
	e.etag = `"` + strconv.FormatInt(info.ModTime().UnixNano(), 36) + "-" +
		strconv.FormatInt(info.Size(), 36) + `"`
}

// same says whether info is that of the file the entry was made from, unchanged.
func (e *entry) same(info fs.FileInfo) bool {
	return os.SameFile(e.info, info) && e.size == info.Size() &&
		e.info.ModTime().Equal(info.ModTime())
}

// due says, to one caller per second, that the file is to be looked at again; the others go on with
// what there is.
func (e *entry) due(now int64) bool {
	if used := e.used.Load(); now-used >= usedTouchNS {
		e.used.Store(now)
	}
	last := e.checked.Load()
	return now-last >= recheckNS && e.checked.CompareAndSwap(last, now)
}

func (e *entry) acquire() bool {
	for {
		n := e.refs.Load()
		if n == 0 {
			return false
		}
		if e.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (e *entry) release() {
	if e.refs.Add(-1) == 0 && e.file != nil {
		_ = e.file.Close() // only read from: nothing can be lost
	}
}

// answer answers with the file, or with what preconditions and Range make of it. A large file's
// entry must have been acquired.
func (e *entry) answer(c *pipeline.Context) { e.answerAs(c, e.contentType, true) }

// answerAs is answer with a type of the caller's choice; without ranged, Range is ignored.
func (e *entry) answerAs(c *pipeline.Context, contentType string, ranged bool) {
	f := c.Fields()
	_ = f.Set("ETag", e.etag) // these are well-formed; a full list loses validators
	_ = f.Set("Last-Modified", e.lastModified)
	if status := e.precondition(c); status != 0 {
		if status == http.StatusPreconditionFailed {
			c.Fail(status, pipeline.ReasonNone)
			return
		}
		_ = f.Del("Content-Type") // RFC 9110 section 15.4.5: no metadata but what updates a cache
		_ = c.SetStatus(status)   // nothing has started
		_ = c.SetLength(e.size)   // that of the 200, RFC 9110 section 8.6
		return
	}
	_ = f.Set("X-Content-Type-Options", "nosniff")
	status, off, n := http.StatusOK, int64(0), e.size
	if ranged {
		_ = f.Set("Accept-Ranges", "bytes")
	}
	if ranged && c.Request().Has(http1.Range) && c.Request().Verb == http1.VerbGet && e.inRange(c) {
		switch start, length, ok := parseRange(c.Header("Range"), e.size); {
		case ok && length == 0:
			e.unsatisfiable(c)
			return
		case ok:
			status, off, n = http.StatusPartialContent, start, length
			_ = f.Set("Content-Range", contentRange(start, length, e.size))
		}
	}
	_ = f.Set("Content-Type", contentType)
	e.send(c, status, off, n)
}

// unsatisfiable answers a Range behind the end; what describes the file does not describe the answer.
func (e *entry) unsatisfiable(c *pipeline.Context) {
	f := c.Fields()
	_ = f.Del("Content-Type") // nothing has started
	_ = f.Del("Content-Disposition")
	_ = f.Set("Content-Range", "bytes */"+strconv.FormatInt(e.size, 10))
	c.Text(http.StatusRequestedRangeNotSatisfiable, "Range Not Satisfiable\n")
}

// send sends [off, off+n) of the file.
func (e *entry) send(c *pipeline.Context, status int, off, n int64) {
	switch {
	case c.IsHead():
		_ = c.SetStatus(status) // nothing has started
		_ = c.SetLength(n)
	case e.file == nil:
		_ = c.SetStatus(status)
		_ = c.SetLength(n)
		_, _ = c.Write(e.body[off : off+n]) // a fresh response has room; a cancelled one no reader
	default:
		fd, err := unix.FcntlInt(e.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			c.Fail(http.StatusServiceUnavailable, pipeline.FdLimit)
			return
		}
		c.SendFile(status, os.NewFile(uintptr(fd), e.info.Name()), off, n)
	}
}
