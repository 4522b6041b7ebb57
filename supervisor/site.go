package supervisor

import "weir/supervisor/config"

// Messages between the supervisor and a worker that accepts for itself (config.DispatchReuseport),
// beside those of every worker with a control socket.
//
// The worker says hello, is sent its configuration, answers it, and says READY=1. Then it gets
// sockets, and loses them again, one by one, as the members of its pool change; the supervisor
// keeps every one of them open, so that what has been queued at it is still there for the next who
// gets it. One that is disabled has lost all of them when it is told to rest: connections end behind the
// answers that they are at, and when none is left it says so. At last it is told to leave: it accepts what waits at the sockets that it still has,
// finishes what it has begun, and ends.
const (
	KindSiteConfigure  = "configure"  // supervisor: SiteConfigure; first with counters and stdout
	KindSiteConfigured = "configured" // worker: SiteConfigured
	KindSiteJoin       = "join"       // supervisor: SiteSocket; descriptor: a listening socket
	KindSitePart       = "part"       // supervisor: SiteSocket: accept what waits there, and close it
	KindSiteRest       = "rest"       // supervisor: SiteRest: finish, and wait for sockets
	KindSiteRested     = "rested"     // worker: SiteRest: no connection is left
	KindSiteLeave      = "leave"      // supervisor: accept what waits, finish, end
	KindSiteReopen     = "reopen"     // supervisor: log files
)

// SiteConfigure is the body of KindSiteConfigure.
type SiteConfigure struct {
	Generation uint64         `json:"generation"`
	Counters   []string       `json:"counters"` // names in the memory behind the first descriptor
	Config     *config.Config `json:"config"`   // of the one site, its address and what holds for all
}

// SiteConfigured is the body of KindSiteConfigured. With an error the configuration before is in
// force, or the worker ends because there is none.
type SiteConfigured struct {
	Generation uint64 `json:"generation"`
	Error      string `json:"error,omitempty"`
}

// SiteSocket is the body of KindSiteJoin and KindSitePart.
type SiteSocket struct {
	ID      uint64 `json:"id"` // unique in the life of the instance
	Address string `json:"address"`
}

// SiteRest is the body of KindSiteRest and KindSiteRested.
type SiteRest struct {
	N uint64 `json:"n"` // of the rest: one that was called off is not answered for a later one
}
