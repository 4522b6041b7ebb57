package config

// Spool is where request bodies are kept until they are whole; see Pool.Buffer.
type Spool struct {
	Dir    string `json:"dir"`    // absolute directory for files without a name
	Memory Size   `json:"memory"` // of one body, until it goes to a file
	Disk   Size   `json:"disk"`   // all bodies of all fronts
}

// Buffer is what of a request must be there before it takes a worker's slot.
type Buffer string

// Buffers.
const (
	BufferOff     Buffer = "off"     // its head
	BufferRequest Buffer = "request" // its body, too
)

var bufferKeys = []Key{
	{
		Path: "pools.*.buffer", Default: "off", Values: []string{"off", "request"},
		Doc: "request: a request takes a slot only when its body is whole (see spool), so that a slow " +
			"upload holds no worker, which then gets its length, and it may be sent once more.",
	},
	{
		Path: "sites.*.apps.*.buffer", Values: []string{"off", "request"},
		Doc: "As the pool's buffer, for this app.",
	},
}

var spoolKeys = []Key{
	{
		Path: "spool.dir", Default: "/var/tmp", expected: "a directory",
		Doc: "Where request bodies that are kept until they are whole lie, in files without a name.",
	},
	{
		Path: "spool.memory", Default: "64KiB", allow: zeroOK, max: spoolMemoryMax,
		Doc: "What of one body stays in memory; a larger one goes to a file.",
	},
	{
		Path: "spool.disk", Default: "1GiB", min: 1,
		Doc: "All bodies in files together; above: 503 SpoolFull.",
	},
}

// checkSpool looks at the directory where one is needed.
func (r *resolver) checkSpool() {
	needed := false
	for i := range r.c.Pools {
		p := &r.c.Pools[i]
		needed = needed || p.Buffer == BufferRequest || p.Protocol == ProtocolFastCGI || p.Protocol == ProtocolUWSGI
	}
	for i := range r.c.Sites {
		for j := range r.c.Sites[i].Apps {
			needed = needed || r.c.Sites[i].Apps[j].Buffer == BufferRequest
		}
	}
	if needed {
		r.checkDir("spool.dir", r.c.Spool.Dir)
	}
}
