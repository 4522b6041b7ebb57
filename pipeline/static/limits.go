package static

import "time"

// Maxima of one Files. What it holds: entriesMax descriptors at most, and shards × shardBytesMax =
// 64 MiB of file contents.
const (
	smallMax      = 64 << 10 // bytes; up to here a file is kept in memory, above it open
	shards        = 64
	shardEntries  = 16 // per shard, so 1024 in all: each may hold a descriptor
	shardBytesMax = 1 << 20
	entriesMax    = shards * shardEntries

	pathMax     = 4096 // bytes of a path; longer ones are in no file system
	etagsMax    = 64   // tags looked at in If-Match and If-None-Match
	recheckNS   = int64(time.Second)
	usedTouchNS = int64(time.Second) // how stale an entry's use may be noted
)
