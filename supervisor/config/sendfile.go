package config

import "strings"

// Sendfile is which files a pool's workers may have sent by naming them in X-Accel-Redirect or
// X-Sendfile.
type Sendfile struct {
	Root   string `json:"root"`   // absolute directory; "" = none
	Prefix string `json:"prefix"` // of paths in X-Accel-Redirect, standing for Root
}

var sendfileKeys = []Key{
	{
		Path: "pools.*.sendfile.root", expected: "a directory",
		Doc: "A worker that names a file below it, in X-Accel-Redirect (a path, percent-encoded) or " +
			"X-Sendfile (a file), has it sent in place of its own body. Without it no file is.",
	},
	{
		Path: "pools.*.sendfile.prefix", Default: "/", expected: "a path such as /protected/",
		Doc: "What paths in X-Accel-Redirect begin with; it stands for sendfile.root.",
	},
}

// checkSendfile finds a root that is no directory, and a prefix that is no path.
func (r *resolver) checkSendfile(key string, s *Sendfile) {
	if s.Root == "" {
		if _, failed := r.failedBelow(key); s.Prefix != "/" && !failed {
			r.problem(key+".prefix", "has no effect without sendfile.root", "sendfile.root beside it", "")
		}
		return
	}
	r.checkDir(key+".root", s.Root)
	if !strings.HasPrefix(s.Prefix, "/") || strings.ContainsAny(s.Prefix, "?#%") {
		suggestion := ""
		if s.Prefix != "" && !strings.ContainsAny(s.Prefix, "?#%/") {
			suggestion = "/" + s.Prefix + "/"
		}
		r.problem(key+".prefix", "is no path", row("pools.*.sendfile.prefix").Expected(), suggestion)
	}
}
