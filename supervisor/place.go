package supervisor

import (
	"path/filepath"
	"strings"
)

// place is where a worker runs from, with the symlinks resolved that led there when it was spawned.
type place struct {
	dir     string
	program string // "": looked up in the worker's PATH, from dir
}

// placeOf resolves c's symlinks as they are now. run is what is started: its program keeps its own
// name, by which programs tell what they are to be. real is where that is, to come back to.
//
// What this process may not resolve is left to the worker's user.
func placeOf(c *PoolConfig) (run, real place) {
	run = place{dir: c.Dir, program: c.Program}
	if dir, err := filepath.EvalSymlinks(c.Dir); err == nil && filepath.IsAbs(c.Dir) {
		run.dir = dir
	}
	real = run
	if !filepath.IsAbs(c.Program) || strings.HasPrefix(c.Program, "/proc/") { // a link to oneself
		return run, real
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(c.Program)); err == nil {
		run.program = filepath.Join(dir, filepath.Base(c.Program))
	}
	if program, err := filepath.EvalSymlinks(c.Program); err == nil {
		real.program = program
	}
	return run, real
}

// at is c with workers run from p.
func (c *PoolConfig) at(p place) *PoolConfig {
	d := *c
	d.Dir, d.Program = p.dir, p.program
	return &d
}
