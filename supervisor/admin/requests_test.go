package admin

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestRequests(t *testing.T) {
	f := newFakeInstance()
	f.requests = Requests{All: 3, Silent: 2, Requests: []Request{{Pool: "shop", Worker: "shop/3",
		Method: "GET", Path: "/a b", ID: "7", Stage: "sent", Elapsed: 1.5}}}
	dir, _ := serve(t, f)
	c, ctx := NewClient(filepath.Join(dir, SocketName)), context.Background()
	asked := []RequestsQuery{{}, {Pool: "a b"}, {Pool: "shop", Worker: 3, Older: 90 * time.Second}}
	for _, q := range asked {
		if got, err := c.Requests(ctx, q); err != nil || !reflect.DeepEqual(*got, f.requests) {
			t.Errorf("Requests(%+v) = %+v, %v; want %+v", q, got, err, f.requests)
		}
	}
	if !slices.Equal(f.asked, asked) {
		t.Errorf("the instance was asked %+v; want %+v", f.asked, asked)
	}
	for q, want := range map[RequestsQuery]error{
		{Pool: "shp"}: ErrUnknownPool, {Pool: "shop", Worker: 9}: ErrUnknownWorker,
	} {
		if _, err := c.Requests(ctx, q); !errors.Is(err, want) {
			t.Errorf("Requests(%+v): %v; want %v", q, err, want)
		}
	}
	for _, q := range []RequestsQuery{{Worker: 3}, {Older: -time.Second}} {
		if e := (*Error)(nil); !errors.As(func() error { _, err := c.Requests(ctx, q); return err }(), &e) ||
			e.Status != 400 {
			t.Errorf("Requests(%+v): %v; want 400", q, e)
		}
	}
}

// The oldest are kept, whatever order fronts say them in.
func TestRequestsCut(t *testing.T) {
	var all Requests
	for i := range RequestsMax + 5 {
		all.Add(&Requests{All: 1, Requests: []Request{{Elapsed: float64(i)}}})
	}
	all.Cut()
	if n := len(all.Requests); n != RequestsMax || all.All != n+5 || all.Requests[0].Elapsed != float64(n+4) ||
		all.Requests[n-1].Elapsed != 5 {
		t.Errorf("%d of %d requests, from %v on; want the oldest %d, oldest first", n, all.All,
			all.Requests[0].Elapsed, RequestsMax)
	}
}
