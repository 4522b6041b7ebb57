package supervisor

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"weir/supervisor/admin"
)

// Every front is asked, and each counts once, however often it answers; one that does not answer in time
// is said to be silent.
func TestRequestsOfFronts(t *testing.T) {
	s, _ := startFronts(t, 2, "")
	q := admin.RequestsQuery{Pool: "p", Older: 3 * time.Second}
	pids := map[string]bool{}
	for range 3 {
		r := s.requests(context.Background(), q)
		if r.All != 2 || len(r.Requests) != 2 || r.Silent != 0 {
			t.Fatalf("%+v; want one request of each front", r)
		}
		for _, x := range r.Requests {
			pids[x.ID] = true
			if x.Pool != "p" || x.Elapsed != 3 {
				t.Errorf("%+v; want what was asked for", x)
			}
		}
	}
	if len(pids) != 2 || len(s.asks) != 0 {
		t.Errorf("answers by %v, %d questions left; want two fronts and none", pids, len(s.asks))
	}
	still := s.frontStatuses(context.Background())[1].pid
	if err := syscall.Kill(still, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r := s.requests(context.Background(), q)
	if err := syscall.Kill(still, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if r.All != 1 || r.Silent != s.opts.loops || r.Requests[0].ID == fmt.Sprint(still) {
		t.Errorf("%+v; want the request of one, and the loops of the other silent", r)
	}
	s.answered(0, &requestsReport{N: s.lastAsk}) // too late
}
