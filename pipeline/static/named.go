package static

import (
	"errors"
	"io/fs"
	"strings"

	"weir/pipeline"
)

// Send answers with the file at path, which an application has named rather than a client: whatever the
// method. Fields that are set stay, Content-Type among them; validators are the file's, and "none" in
// Accept-Ranges keeps ranges off. Names follow the rules of [Files], without index and redirect: a
// directory does not exist. The file is looked at afresh each time, for the application may just have
// written it.
func (f *Files) Send(c *pipeline.Context, path string) {
	if path == "" || !validPath(path) || strings.HasSuffix(path, "/") {
		pipeline.NotFoundHandler(c)
		return
	}
	pipeline.Blocking(func(c *pipeline.Context) { f.loadNamed(c, path) })(c)
}

// loadNamed opens path and answers. In the pool for blocking work.
func (f *Files) loadNamed(c *pipeline.Context, path string) {
	e, err := f.read(path, c.Now())
	switch {
	case err == nil:
		e.deliver(c)
		e.release()
	case errors.Is(err, errDirectory):
		pipeline.NotFoundHandler(c)
	default:
		refuse(c, err)
	}
}

// Check says whether path is that of a regular file, by the rules of [Files.Send]; it need not be
// readable. In the pool for blocking work.
func (f *Files) Check(path string) error {
	if path == "" || !validPath(path) || strings.HasSuffix(path, "/") {
		return fs.ErrNotExist
	}
	info, err := f.tree.stat(path[1:])
	if err == nil && !info.Mode().IsRegular() {
		err = errSpecial
	}
	return err
}

// deliver answers with a file that an application described.
func (e *entry) deliver(c *pipeline.Context) {
	f := c.Fields()
	contentType := strings.Clone(f.Get("Content-Type"))
	if contentType == "" {
		contentType = e.contentType
	}
	e.answerAs(c, contentType, !strings.EqualFold(f.Get("Accept-Ranges"), "none"))
}
