package supervisor

import "weir/supervisor/config"

// Messages between the supervisor and a worker that accepts for itself (config.DispatchReuseport),
// beside those of every worker with a control socket.
//
// The worker says hello, is sent its configuration, answers it, and says READY=1. Then it gets
// sockets, and loses them again, one by one, as the members of its pool change; the supervisor
// keeps every one of them open, so that what has been queued at it is still there for the next who
// gets it. At last it is told to leave: it accepts what waits at the sockets that it still has,
// finishes what it has begun, and ends.
const (
	KindSiteConfigure  = "configure"  // supervisor: SiteConfigure; first with counters and stdout
	KindSiteConfigured = "configured" // worker: SiteConfigured
	KindSiteJoin       = "join"       // supervisor: SiteSocket; descriptor: a listening socket
	KindSitePart       = "part"       // supervisor: SiteSocket: accept what waits there, and close it
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
