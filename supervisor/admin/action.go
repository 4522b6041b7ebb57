package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"weir/supervisor/config"
)

// Verb is what is asked of a pool or a worker.
type Verb string

// Verbs.
const (
	VerbRecycle Verb = "recycle" // replace by a worker that is ready first
	VerbDrain   Verb = "drain"   // refuse what is new, finish what has begun, without a deadline
	VerbStop    Verb = "stop"    // drain, at most stop_timeout
	VerbStart   Verb = "start"   // run, also when stopped, disabled or failed; take requests again
	VerbDisable Verb = "disable" // as stop, and 503 Disabled; a worker: no requests, but stay
	VerbScale   Verb = "scale"   // pools only: another count of workers
)

// ofPool are the verbs of pools, ofWorker those of a worker.
var (
	ofPool = map[Verb]bool{
		VerbRecycle: true, VerbDrain: true, VerbStop: true, VerbStart: true, VerbDisable: true,
		VerbScale: true,
	}
	ofWorker = map[Verb]bool{
		VerbRecycle: true, VerbDrain: true, VerbStop: true, VerbStart: true, VerbDisable: true,
	}
)

// Action is a verb and what it is about.
type Action struct {
	Verb   Verb
	Pool   string
	Worker uint64 // N of POOL/N; 0: the whole pool
	Count  int    // scale: workers
}

// String is "drain shop/3".
func (a Action) String() string {
	s := string(a.Verb) + " " + a.Pool
	switch {
	case a.Worker != 0:
		s += "/" + strconv.FormatUint(a.Worker, 10)
	case a.Verb == VerbScale:
		s += " " + strconv.Itoa(a.Count)
	}
	return s
}

// ForWorkers reports whether v may be asked of a worker.
func (v Verb) ForWorkers() bool { return ofWorker[v] }

// path is where a is posted.
func (a Action) path() string {
	p := "/v1/pools/" + url.PathEscape(a.Pool)
	if a.Worker != 0 {
		p += "/workers/" + strconv.FormatUint(a.Worker, 10)
	}
	p += "/" + string(a.Verb)
	if a.Verb == VerbScale {
		p += "?workers=" + strconv.Itoa(a.Count)
	}
	return p
}

// Act carries a out. With wait it returns when that has happened.
func (c *Client) Act(ctx context.Context, a Action, wait bool) error {
	if a.Pool == "" {
		return errors.New("admin: " + string(a.Verb) + ": no pool named")
	}
	return c.post(ctx, a.path(), wait)
}

func (s *Server) act(w http.ResponseWriter, r *http.Request) {
	a := Action{Verb: Verb(r.PathValue("verb")), Pool: r.PathValue("pool")}
	verbs := ofPool
	if n := r.PathValue("worker"); n != "" {
		verbs = ofWorker
		// What is no number is no worker either.
		a.Worker, _ = strconv.ParseUint(n, 10, 64)
		if a.Worker == 0 {
			s.failWith(w, fmt.Errorf("%w %s/%s", ErrUnknownWorker, a.Pool, n))
			return
		}
	}
	if !verbs[a.Verb] {
		s.fail(w, http.StatusNotFound, "not-found", "no such path")
		return
	}
	if a.Verb == VerbScale {
		var err error
		if a.Count, err = strconv.Atoi(r.URL.Query().Get("workers")); err != nil || a.Count < 1 {
			s.fail(w, http.StatusBadRequest, "bad-request", "workers is a number from 1")
			return
		}
	}
	// Told before anything has begun, also with wait=false.
	if err := known(a, s.inst.Status(r.Context()).Pools); err != nil {
		s.failWith(w, err)
		return
	}
	s.change(w, r, a.String(), func(ctx context.Context) error { return s.inst.Act(ctx, a) })
}

// known reports a pool or worker that is not there.
func known(a Action, pools []Pool) error {
	names := make([]string, len(pools))
	for i, p := range pools {
		names[i] = p.Name
		if p.Name == a.Pool {
			return knownWorker(a, p.Workers)
		}
	}
	err := fmt.Errorf("%w %q", ErrUnknownPool, a.Pool)
	if near := config.Nearest(a.Pool, names); near != "" {
		err = fmt.Errorf("%w, did you mean %s?", err, near)
	}
	return err
}

func knownWorker(a Action, workers []Worker) error {
	if a.Worker == 0 {
		return nil
	}
	name := a.Pool + "/" + strconv.FormatUint(a.Worker, 10)
	there := ""
	for _, w := range workers {
		if w.Name == name {
			return nil
		}
		there += " " + w.Name
	}
	if there == "" {
		there = " none"
	}
	return fmt.Errorf("%w %s, there are:%s", ErrUnknownWorker, name, there)
}
