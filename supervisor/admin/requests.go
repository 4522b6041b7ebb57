package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// RequestsQuery says which requests under way are asked for.
type RequestsQuery struct {
	Pool   string        `json:"pool,omitempty"`   // "": of all pools
	Worker uint64        `json:"worker,omitempty"` // N of POOL/N; 0: of all workers, and in the queue
	Older  time.Duration `json:"older,omitempty"`  // that came at least so long ago
}

// Requests are requests that pools have under way.
type Requests struct {
	Requests []Request `json:"requests"`     // the oldest RequestsMax, oldest first
	All      int       `json:"all"`          // how many there are
	Silent   int       `json:"loops_silent"` // event loops that did not answer in time: of theirs nothing is known
}

// Request is one of them.
type Request struct {
	Pool    string  `json:"pool"`
	Worker  string  `json:"worker,omitempty"` // POOL/N; "" while it waits in the queue
	Method  string  `json:"method"`
	Path    string  `json:"path"` // its beginning, without a query
	ID      string  `json:"id"`
	Stage   string  `json:"stage"`
	Elapsed float64 `json:"elapsed_s"` // since it came to the pool
}

// Add adds o.
func (r *Requests) Add(o *Requests) {
	r.Requests = append(r.Requests, o.Requests...)
	r.All += o.All
	r.Silent += o.Silent
}

// Cut leaves the oldest RequestsMax, in order.
func (r *Requests) Cut() {
	slices.SortStableFunc(r.Requests, func(a, b Request) int { return cmp.Compare(b.Elapsed, a.Elapsed) })
	r.Requests = r.Requests[:min(len(r.Requests), RequestsMax)]
}

// Requests asks which requests are under way.
func (c *Client) Requests(ctx context.Context, q RequestsQuery) (*Requests, error) {
	v := url.Values{}
	for name, value := range map[string]string{
		"pool": q.Pool, "worker": strconv.FormatUint(q.Worker, 10), "older": q.Older.String(),
	} {
		if value != "" && value != "0" {
			v.Set(name, value)
		}
	}
	r := new(Requests)
	return r, c.do(ctx, http.MethodGet, "/v1/requests?"+v.Encode(), r)
}

func (s *Server) requests(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	q := RequestsQuery{Pool: v.Get("pool")}
	var err error
	if n := v.Get("worker"); n != "" {
		if q.Worker, err = strconv.ParseUint(n, 10, 64); err != nil || q.Worker == 0 || q.Pool == "" {
			s.fail(w, http.StatusBadRequest, "bad-request", "worker is the number of one of pool")
			return
		}
	}
	if d := v.Get("older"); d != "" {
		if q.Older, err = time.ParseDuration(d); err != nil || q.Older < 0 {
			s.fail(w, http.StatusBadRequest, "bad-request", "older is a duration")
			return
		}
	}
	if q.Pool != "" {
		st := s.inst.Status(r.Context())
		if err := known(Action{Pool: q.Pool, Worker: q.Worker}, st.Pools); err != nil {
			s.failWith(w, fmt.Errorf("requests: %w", err))
			return
		}
	}
	list := s.inst.Requests(r.Context(), q)
	if list.Requests == nil {
		list.Requests = []Request{}
	}
	s.answer(w, http.StatusOK, &list)
}
