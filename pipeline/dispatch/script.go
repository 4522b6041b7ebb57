package dispatch

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"weir/pipeline"
)

// Scripts are the files that the workers of a FastCGI pool run. A request runs the file that its path
// names, up to the first extension that is declared and a file; what follows is PATH_INFO. No worker is
// given the name of a file that is not there: php-fpm would look for one further up.
type Scripts struct {
	Root       string   // directory, absolute
	Index      string   // of a path that ends with a slash; "" = none
	Extensions []string // of files that are run
	Fallback   string   // what runs when a path names no script, from the root; "" = 404
	// Check says whether the path below Root, which begins with a slash, is a regular file, and nothing
	// outside of Root. It may block.
	Check func(path string) error
}

// namedScript is what a request runs.
type namedScript struct {
	of   *Scripts // nil: the pool has none
	name string   // path below Root
	info string   // PATH_INFO
}

// scriptFile is a candidate that was looked for.
type scriptFile struct {
	there bool
	at    int64 // loop time of the last look
}

// scriptCache is what a loop knows of scripts. What is there and what is not are apart, so that nobody
// drives the former out by asking for the latter.
type scriptCache struct {
	of             *Scripts
	there, missing map[string]*scriptFile
}

// candidates are the paths that a request's script may have, the first one first, each with PATH_INFO.
func (s *Scripts) candidates(path string, to []namedScript) []namedScript {
	if path == "" {
		path = "/"
	}
	for at := 1; at < len(path) && path[0] == '/' && len(to) < scriptTriesMax; at++ {
		n := strings.IndexByte(path[at:], '/')
		if n < 0 {
			n = len(path) - at
		}
		if at += n; s.runs(path[at-n : at]) {
			to = append(to, namedScript{s, path[:at], path[at:]})
		}
	}
	if strings.HasSuffix(path, "/") && s.Index != "" && len(to) < scriptTriesMax {
		to = append(to, namedScript{s, path + s.Index, ""})
	}
	if s.Fallback != "" {
		to = append(to, namedScript{s, s.Fallback, ""})
	}
	return to
}

// runs says whether a file of that name is run.
func (s *Scripts) runs(segment string) bool {
	return slices.ContainsFunc(s.Extensions, func(e string) bool {
		return len(segment) > len(e) && strings.HasSuffix(segment, e)
	})
}

// look is what the cache says of a candidate; known is false when somebody is to look.
func (k *scriptCache) look(s *Scripts, name string, now int64) (there, known bool) {
	if k.of != s {
		*k = scriptCache{of: s, there: map[string]*scriptFile{}, missing: map[string]*scriptFile{}}
	}
	f := k.there[name]
	if f == nil {
		f = k.missing[name]
	}
	if f == nil {
		return false, false
	}
	if now-f.at >= int64(scriptRecheck) {
		f.at = now // the others go on with what there is
		return false, false
	}
	return f.there, true
}

// note remembers what was found.
func (k *scriptCache) note(s *Scripts, name string, there bool, now int64) {
	if k.of != s {
		return
	}
	delete(k.there, name)
	delete(k.missing, name)
	m := k.missing
	if there {
		m = k.there
	}
	if len(m) >= scriptsMax {
		clear(m)
	}
	m[strings.Clone(name)] = &scriptFile{there, now}
}

// findScript finds what j runs. false: it is being looked for, or j has been answered.
//
// Hot path: once per request. No allocation where the script is known: TestGatewayAllocs.
func (r *route) findScript(j *job) bool {
	var room [scriptTriesMax + 1]namedScript
	k, now := &j.s.scripts, j.s.loop.Now()
	for _, c := range j.set.Scripts.candidates(j.c.Path(), room[:0]) {
		switch there, known := k.look(c.of, c.name, now); {
		case !known:
			r.lookForScript(j)
			return false
		case there:
			j.script = c
			return true
		}
	}
	j.fail(404, pipeline.NotFound, "")
	return false
}

// search is a script that is being looked for by the pool for blocking work.
type search struct {
	j      *job // nil once the request is over
	route  *route
	looked []namedScript
	errs   []error // of each that was looked at
}

func (r *route) lookForScript(j *job) {
	h := &search{j: j, route: r}
	for _, c := range j.set.Scripts.candidates(j.c.Path(), nil) {
		h.looked = append(h.looked, namedScript{c.of, strings.Clone(c.name), strings.Clone(c.info)})
	}
	j.stage, j.search = stageScript, h
	j.c.Hold(j)
	loop := j.s.loop
	if !j.x.Blocking(func() {
		h.look()
		loop.Post(h.done)
	}) {
		j.fail(503, pipeline.BlockingFull, "")
	}
}

// look looks until one is there. In the pool for blocking work.
func (h *search) look() {
	for _, c := range h.looked {
		err := c.of.Check(c.name)
		h.errs = append(h.errs, err)
		if err == nil || !missing(err) {
			return
		}
	}
}

// missing says whether err is that of a file that is not there.
func missing(err error) bool {
	return !errors.Is(err, fs.ErrPermission) && !ownShortage(err)
}

// done goes on with the request. On the loop.
func (h *search) done() {
	j := h.j
	if j == nil {
		return
	}
	defer j.guard(j.c)
	now := j.s.loop.Now()
	for i, err := range h.errs {
		if err == nil || missing(err) {
			j.s.scripts.note(h.looked[i].of, h.looked[i].name, err == nil, now)
		}
	}
	j.search, j.stage = nil, stageQueued
	switch err := h.errs[len(h.errs)-1]; {
	case err == nil:
		j.script = h.looked[len(h.errs)-1]
		h.route.admit(j)
	case errors.Is(err, fs.ErrPermission):
		j.fail(403, pipeline.ReasonNone, "")
	case ownShortage(err):
		j.fail(503, pipeline.FdLimit, "")
	default:
		j.fail(404, pipeline.NotFound, "")
	}
}
