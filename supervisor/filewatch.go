package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// stamp is what tells that a file is another than before.
type stamp struct {
	mtime int64 // nanoseconds
	size  int64
	inode uint64
}

// fileSet is the files that match, by path.
type fileSet struct {
	files map[string]stamp
	more  bool // there are more than are looked at
}

// fileWatch is recycle.files as one pool's clock.
type fileWatch struct {
	of    []string // patterns
	last  map[string]stamp
	known bool // last is there
	busy  bool
	said  bool      // that there are too many
	at    time.Time // of the next look
	name  string    // a file that changed
	first time.Time // when it was seen; zero: nothing changed
	quiet time.Time // of the last change
}

// scanFiles looks at recycle.files when it is time, and orders a recycle when they have changed and
// nothing changes any more.
func (p *Pool) scanFiles(now time.Time) {
	f, c := &p.rec.files, &p.conf.Recycle
	if !slices.Equal(f.of, c.Files) {
		*f = fileWatch{of: c.Files, at: now}
	}
	if len(f.of) == 0 {
		return
	}
	if !f.busy && !now.Before(f.at) {
		f.busy, f.at = true, now.Add(filesEvery)
		of := f.of
		p.ps.env.scan(of, func(s fileSet) { p.onScan(of, s) })
	}
	if !f.first.IsZero() && (now.Sub(f.quiet) >= filesQuiet || now.Sub(f.first) >= filesQuietMax) {
		p.rec.pending = order{causeFiles, "files: " + f.name}
		f.first = time.Time{}
	}
	p.rec.wake(f.at)
}

// onScan takes what a look at the patterns of found.
func (p *Pool) onScan(of []string, s fileSet) {
	f, now := &p.rec.files, p.ps.env.now()
	if !slices.Equal(of, f.of) {
		return // other ones are watched by now
	}
	f.busy = false
	if s.more && !f.said {
		f.said = true
		p.ps.log.Warn("recycle.files: too many files match, the rest is not watched", "pool", p.name,
			"watched", watchedFilesMax)
	}
	if name := firstChange(f.last, s.files); name != "" && f.known {
		f.name, f.quiet = name, now
		if f.first.IsZero() {
			f.first = now
		}
	}
	f.last, f.known = s.files, true
}

// firstChange says what is different in b, "" for nothing.
func firstChange(a, b map[string]stamp) string {
	first, n := "", 0
	see := func(path, what string) {
		n++
		if text := path + " " + what; first == "" || text < first {
			first = text
		}
	}
	for path, s := range b {
		if old, ok := a[path]; !ok {
			see(path, "is new")
		} else if old != s {
			see(path, "changed")
		}
	}
	for path := range a {
		if _, ok := b[path]; !ok {
			see(path, "is gone")
		}
	}
	if n > 1 {
		first += fmt.Sprintf(", and %d more", n-1)
	}
	return first
}

// scanPatterns finds the files that match. What cannot be read is not there.
func scanPatterns(patterns []string) fileSet {
	s := fileSet{files: map[string]stamp{}}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			continue // validated
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			if err != nil {
				continue
			}
			if len(s.files) == watchedFilesMax {
				s.more = true
				return s
			}
			s.files[path] = stamp{info.ModTime().UnixNano(), info.Size(), inodeOf(info)}
		}
	}
	return s
}
