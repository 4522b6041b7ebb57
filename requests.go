package weir

import (
	"context"
	"sync"

	"weir/pipeline/dispatch"
	"weir/supervisor"
	"weir/supervisor/admin"
)

// requestsOf is what pools have under way; a loop that is silent has nobody wait beyond ctx.
func requestsOf(ctx context.Context, pools []*dispatch.Pool, q admin.RequestsQuery) (all admin.Requests) {
	var mu sync.Mutex
	var asking sync.WaitGroup
	silent := 0
	for _, p := range pools {
		if q.Pool != "" && q.Pool != p.Name() {
			continue
		}
		asking.Go(func() {
			list, n, without := p.Requests(ctx,
				dispatch.RequestQuery{Worker: q.Worker, Older: q.Older, Max: admin.RequestsMax})
			mu.Lock()
			defer mu.Unlock()
			all.All += n
			silent = max(silent, without) // they are the same loops
			for i := range list {
				all.Requests = append(all.Requests, wireRequest(p.Name(), &list[i]))
			}
		})
	}
	asking.Wait()
	all.Silent = silent
	all.Cut()
	return all
}

func wireRequest(pool string, r *dispatch.RequestStatus) admin.Request {
	w := admin.Request{
		Pool: pool, Method: r.Method, Path: r.Path, ID: r.ID, Stage: r.Stage, Elapsed: r.Elapsed.Seconds(),
	}
	if r.Worker != 0 {
		w.Worker = supervisor.WorkerRef{Pool: pool, N: r.Worker}.String()
	}
	return w
}
