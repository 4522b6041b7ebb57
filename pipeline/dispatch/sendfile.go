package dispatch

import (
	"strings"

	"weir/pipeline"
	"weir/protocol/frame"
	"weir/protocol/http1"
)

// Fields by which a worker has a file sent in place of its own body.
const (
	fieldAccel    = "x-accel-redirect" // a path as in a URL, percent-encoded, below Files.Prefix
	fieldSendfile = "x-sendfile"       // a file: absolute, below Files.Root, or relative to it
)

// Files are what workers may have sent by naming it.
type Files struct {
	Root   string // directory, absolute
	Prefix string // what paths in X-Accel-Redirect begin with, and what stands for Root there; "" = /
	// Send answers with the file at path, which begins with a slash, below Root. It sees to it that
	// nothing outside of Root is sent.
	Send func(c *pipeline.Context, path string)
}

// naming is what a worker's fields say of a file. X-Accel-Redirect wins; of each the first one counts.
type naming struct {
	value []byte
	accel bool
	found bool
}

func (n *naming) note(name, value []byte) {
	switch {
	case n.accel:
	case foldIs(name, fieldAccel):
		n.value, n.accel, n.found = value, true, true
	case !n.found && foldIs(name, fieldSendfile):
		n.value, n.found = value, true
	}
}

// path is the named file's path below Root; "" when it cannot be there.
func (f *Files) path(n *naming) string {
	if !n.accel {
		return f.pathOfFile(string(n.value))
	}
	raw, _, _ := strings.Cut(string(n.value), "?")
	decoded, err := http1.DecodePath(nil, []byte(raw))
	if err != nil {
		return ""
	}
	path, ok := strings.CutPrefix(string(decoded), strings.TrimSuffix(f.Prefix, "/"))
	if !ok || !strings.HasPrefix(path, "/") {
		return ""
	}
	return path
}

// pathOfFile is path for a file's name.
func (f *Files) pathOfFile(name string) string {
	if !strings.HasPrefix(name, "/") {
		return "/" + name
	}
	path, ok := strings.CutPrefix(name, strings.TrimSuffix(f.Root, "/"))
	if !ok || !strings.HasPrefix(path, "/") {
		return ""
	}
	return path
}

// namedBy says whether a response names a file to be sent in its place, and which.
func (j *job) namedBy(r *http1.Response) (path string, named bool) {
	f := j.set.Files
	if f == nil {
		return "", false
	}
	var n naming
	for i := range r.NumFields() {
		if r.KnownOf(i) == http1.Unknown && !r.HopByHop(i) {
			n.note(r.FieldName(i), r.FieldValue(i))
		}
	}
	if !n.found {
		return "", false
	}
	return f.path(&n), true
}

// sendNamed frees the worker and has the file sent. whole says that the whole body has come behind the
// head, and nothing else: then the connection stays.
func (j *job) sendNamed(u *upstream, r *http1.Response, whole bool, path string) {
	for i := range r.NumFields() {
		if !r.HopByHop(i) {
			j.keepField(r.FieldName(i), r.FieldValue(i))
		}
	}
	if r.Status >= 500 {
		bump(&j.lane.errors)
	}
	j.observe()
	x, send := j.x, j.set.Files.Send
	j.part(u, whole)
	pass(x, send, path)
}

// isWhole says whether b is the body of the response to its end, and nothing else.
func (j *job) isWhole(b []byte) bool {
	switch j.kind {
	case http1.BodyNone:
		return len(b) == 0
	case http1.BodyLength:
		return int64(len(b)) == j.left
	case http1.BodyChunked:
		for len(b) > 0 && !j.chunk.Done() {
			_, n, err := j.chunk.Next(b)
			if err != nil {
				return false
			}
			b = b[n:]
		}
		return len(b) == 0 && j.chunk.Done()
	}
	return false
}

// namedByLines is namedBy for a RESPONSE.
func (j *job) namedByLines(text []byte, lines frame.Lines) (path string, named bool, err error) {
	f := j.set.Files
	if f == nil {
		return "", false, nil
	}
	var n naming
	for {
		at, nl, v, vl, ok, err := lines.Next()
		if err != nil {
			return "", false, err
		}
		if !ok {
			break
		}
		n.note(text[at:at+nl], text[v:v+vl])
	}
	if !n.found {
		return "", false, nil
	}
	return f.path(&n), true, nil
}

// sendNamedByLines is sendNamed for a RESPONSE; what follows it on the stream is not wanted.
func (j *job) sendNamedByLines(
	u *upstream, status int, text []byte, lines *frame.Lines, end bool, path string,
) error {
	for {
		at, nl, v, vl, ok, err := lines.Next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		j.keepField(text[at:at+nl], text[v:v+vl])
	}
	if status >= 500 {
		bump(&j.lane.errors)
	}
	j.observe()
	x, send := j.x, j.set.Files.Send
	u.over = end && j.bodyDone && j.fileSent()
	j.partStream(u)
	pass(x, send, path)
	return nil
}

// replaced are the fields that told of the body which the file takes the place of, or of an answer
// that it no longer is. The status is the file's, too.
var replaced = [...]string{
	"content-length", "content-encoding", "content-range", "content-location", "content-md5",
	"etag", "last-modified", "date", "server", "location", "trailer",
}

// keepField takes a field of the worker over to the answer with the file: Content-Type and
// Content-Disposition, cookies, whatever concerns caches and policies.
func (j *job) keepField(name, value []byte) {
	for _, r := range replaced {
		if foldIs(name, r) {
			return
		}
	}
	if foldPrefix(name, "x-accel-") || isOurs(name) {
		return
	}
	_ = j.c.Fields().AddBytes(name, value) // fields of this hop are refused, and a full list loses them
}

// pass has the file sent. The job is over.
func pass(x exchange, send func(*pipeline.Context, string), path string) {
	x.Call(func(c *pipeline.Context) {
		c.PassTo(func(c *pipeline.Context) { send(c, path) })
	})
}
