// Package static serves the files of a directory.
//
// A file in the cache is answered on the loop: up to 64 KiB from memory, without a system call or
// an allocation; larger ones from an open descriptor by sendfile. Everything else happens in the
// pool for blocking work. A cached file is looked at again when a request finds that the last look
// is a second old, so a change shows after a second at most plus that request.
package static

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"weir/pipeline"
	"weir/protocol/http1"
)

// Options are the keys of static in configuration.
type Options struct {
	// Root is the directory. A symlink is followed at every look, so that it can be moved to a new
	// release; symlinks below it are followed as long as they stay below it.
	Root string `yaml:"root"`
	// Index is the file that answers for a directory; default index.html.
	Index string `yaml:"index"`
}

// Files serves the files below a directory. It is safe for use by many loops.
//
// GET and HEAD only; others get 405. Directories redirect to their path with a slash at the end and
// are answered by their index file, never listed. Names that begin with a dot do not exist, except
// .well-known (RFC 8615). Preconditions and single ranges work as in RFC 9110 sections 13 and 14;
// several ranges at once get the whole file, which section 14.2 permits.
type Files struct {
	tree  *tree
	index string
	cache cache
	miss  pipeline.Handler
}

// New opens the directory.
func New(o Options) (*Files, error) {
	if o.Root == "" {
		return nil, errors.New("static: root: want a directory")
	}
	index := o.Index
	if index == "" {
		index = "index.html"
	}
	if !validPath("/" + index) {
		return nil, fmt.Errorf("static: index %q: want a file name", index)
	}
	t, err := openTree(o.Root)
	if err != nil {
		return nil, fmt.Errorf("static: root: %w", err)
	}
	f := &Files{tree: t, index: index}
	f.miss = pipeline.Blocking(f.load)
	return f, nil
}

// Close gives directory and files back. No exchange may be under way.
func (f *Files) Close() error {
	f.cache.clear()
	return f.tree.Close()
}

// Handle answers with the file that the path names. It is a pipeline.Handler.
//
// Hot path: once per request for a file. No allocation on a hit: TestHitAllocs.
func (f *Files) Handle(c *pipeline.Context) {
	if v := c.Request().Verb; v != http1.VerbGet && v != http1.VerbHead {
		_ = c.SetHeader("Allow", "GET, HEAD") // well-formed, and nothing has started
		c.Fail(http.StatusMethodNotAllowed, pipeline.ReasonVerb)
		return
	}
	path := c.Path()
	if path == "" {
		redirect(c)
		return
	}
	if !validPath(path) {
		pipeline.NotFoundHandler(c)
		return
	}
	e := f.cache.get(path)
	switch {
	case e == nil, e.due(c.Now()):
		f.miss(c)
	case e.file == nil:
		e.answer(c)
	case e.acquire():
		e.answer(c)
		e.release()
	default: // evicted since
		f.miss(c)
	}
}

// validPath says whether a decoded path may name a file.
func validPath(path string) bool {
	if len(path) > pathMax || path[0] != '/' {
		return false
	}
	for rest := path[1:]; ; {
		segment, after, more := strings.Cut(rest, "/")
		switch {
		case segment == "" && more, strings.IndexByte(segment, 0) >= 0:
			return false
		case strings.HasPrefix(segment, ".") && segment != ".well-known":
			return false
		case !more:
			return true
		}
		rest = after
	}
}

// load opens what the path names and answers. In the pool for blocking work.
func (f *Files) load(c *pipeline.Context) {
	e, err := f.read(c.Path(), c.Now())
	switch {
	case err == nil:
		e.answer(c)
		e.release()
	case errors.Is(err, errDirectory):
		redirect(c)
	default:
		refuse(c, err)
	}
}

// refuse answers for a file that cannot be read.
func refuse(c *pipeline.Context, err error) {
	switch {
	case errors.Is(err, fs.ErrPermission):
		c.Fail(http.StatusForbidden, pipeline.ReasonNone)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		c.Fail(http.StatusServiceUnavailable, pipeline.FdLimit)
	case errors.Is(err, syscall.EIO), errors.Is(err, errChanging):
		c.Fail(http.StatusInternalServerError, pipeline.HandlerError)
	default:
		pipeline.NotFoundHandler(c)
	}
}

var (
	errDirectory = errors.New("static: is a directory")
	errSpecial   = errors.New("static: no regular file")
	errChanging  = errors.New("static: file changes while it is read")
)

// read returns the entry of path, acquired: the cached one if it still is true, else a new one,
// which it caches.
func (f *Files) read(path string, now int64) (*entry, error) {
	name := path[1:]
	if name == "" || strings.HasSuffix(name, "/") {
		name += f.index
	}
	file, err := f.tree.open(name)
	if err != nil {
		f.cache.drop(path)
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = errDirectory
	} else if err == nil && !info.Mode().IsRegular() {
		err = errSpecial
	}
	if err != nil {
		f.cache.drop(path)
		return nil, errors.Join(err, file.Close())
	}
	if old := f.cache.get(path); old != nil && old.same(info) && old.acquire() {
		old.checked.Store(now)
		return old, file.Close()
	}
	e, err := newEntry(name, file, info, now)
	if err != nil {
		f.cache.drop(path)
		return nil, err
	}
	f.cache.put(strings.Clone(path), e, now)
	return e, nil
}

// newEntry makes an entry of an open file and takes the file.
func newEntry(name string, file *os.File, info fs.FileInfo, now int64) (*entry, error) {
	e := &entry{info: info, size: info.Size(), contentType: typeOf(name)}
	e.describe(info)
	e.checked.Store(now)
	e.used.Store(now)
	e.refs.Store(1)
	if e.size > smallMax {
		e.file = file
		return e, nil
	}
	e.body = make([]byte, e.size)
	_, err := io.ReadFull(io.NewSectionReader(file, 0, e.size), e.body)
	after, statErr := file.Stat()
	cut := err == io.EOF || err == io.ErrUnexpectedEOF
	if cut || err == nil && statErr == nil && !e.same(after) {
		err = errChanging
	}
	return e, errors.Join(err, statErr, file.Close())
}

// redirect sends the client to the path with a slash at its end. The path has no empty segment, so
// the result cannot be taken for another host.
func redirect(c *pipeline.Context) {
	u := url.URL{Path: c.PathBase() + c.Path() + "/", RawQuery: c.Query()}
	if err := c.SetHeader("Location", u.String()); err != nil || strings.HasPrefix(u.Path, "//") {
		pipeline.NotFoundHandler(c)
		return
	}
	c.Text(http.StatusMovedPermanently, "Moved Permanently\n")
}
