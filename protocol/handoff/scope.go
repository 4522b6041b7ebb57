package handoff

import "strings"

// Scope says which requests of a connection are the worker's without asking the front.
type Scope struct {
	Keep   bool   // any but the first are
	Host   string // of the first
	Prefix string
	Others []string
}

// ScopeOf is what m allows; Host is to be set when the first head has been parsed. It copies.
func ScopeOf(m *Message) Scope {
	s := Scope{Keep: m.Flags&FlagKeep != 0, Prefix: string(m.Prefix)}
	if len(m.Others) > 0 {
		s.Others = strings.Split(string(m.Others[:len(m.Others)-1]), "\x00")
	}
	return s
}

// Has says whether a request with this Host and path, which decodes to itself, is the worker's.
func (s *Scope) Has(host, path string) bool {
	if !s.Keep || !strings.EqualFold(host, s.Host) || !within(path, s.Prefix) {
		return false
	}
	for _, o := range s.Others {
		if within(path, o) {
			return false
		}
	}
	return true
}

// within says whether path is prefix or below it.
func within(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (prefix == "" || rest == "" || rest[0] == '/')
}
