package static

import (
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"
)

// cache is the open-file cache. Lookups are lock-free, for every loop makes them: each shard is an
// immutable map that writers, who come from the blocking pool, replace as a whole.
type cache struct {
	shards [shards]shard
}

type shard struct {
	entries atomic.Pointer[map[string]*entry]
	mu      sync.Mutex // of writers
	bytes   int64      // of contents; guarded by mu
	_       [40]byte   // its own cache line
}

var seed = maphash.MakeSeed()

func (c *cache) shard(path string) *shard { return &c.shards[maphash.String(seed, path)%shards] }

// get returns the entry of path or nil. It may be evicted any time: acquire before using its file.
func (c *cache) get(path string) *entry {
	if m := c.shard(path).entries.Load(); m != nil {
		return (*m)[path]
	}
	return nil
}

// put caches e with a reference of its own, replacing what is there and evicting what was not used
// for longest.
func (c *cache) put(path string, e *entry, now int64) {
	if !e.acquire() {
		return
	}
	e.used.Store(now)
	s := c.shard(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.copy()
	s.remove(m, path)
	for len(m) >= shardEntries || len(m) > 0 && s.bytes+int64(len(e.body)) > shardBytesMax {
		s.remove(m, oldest(m))
	}
	m[path] = e
	s.bytes += int64(len(e.body))
	s.entries.Store(&m)
}

// drop forgets the entry of path.
func (c *cache) drop(path string) {
	if c.get(path) == nil {
		return
	}
	s := c.shard(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.copy()
	s.remove(m, path)
	s.entries.Store(&m)
}

func (c *cache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		m := s.copy()
		for path := range m {
			s.remove(m, path)
		}
		s.entries.Store(&m)
		s.mu.Unlock()
	}
}

// copy is a map that may be changed. mu is held.
func (s *shard) copy() map[string]*entry {
	if m := s.entries.Load(); m != nil {
		return maps.Clone(*m)
	}
	return make(map[string]*entry)
}

// remove takes path out of m, a copy. mu is held.
func (s *shard) remove(m map[string]*entry, path string) {
	if e := m[path]; e != nil {
		s.bytes -= int64(len(e.body))
		delete(m, path)
		e.release()
	}
}

func oldest(m map[string]*entry) (path string) {
	first := true
	var used int64
	for p, e := range m {
		if u := e.used.Load(); first || u < used {
			path, used, first = p, u, false
		}
	}
	return path
}
