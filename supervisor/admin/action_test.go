package admin

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestActions(t *testing.T) {
	f := newFakeInstance()
	dir, _ := serve(t, f)
	c, ctx := NewClient(filepath.Join(dir, SocketName)), context.Background()
	for _, tc := range []struct {
		a    Action
		want string // what reached the instance
		err  error
	}{
		{Action{Verb: VerbDrain, Pool: "shop"}, "drain shop", nil},
		{Action{Verb: VerbDrain, Pool: "shop", Worker: 3}, "drain shop/3", nil},
		{Action{Verb: VerbStop, Pool: "a b"}, "stop a b", nil},
		{Action{Verb: VerbStop, Pool: "shop", Worker: 3}, "stop shop/3", nil},
		{Action{Verb: VerbStart, Pool: "shop"}, "start shop", nil},
		{Action{Verb: VerbDisable, Pool: "shop"}, "disable shop", nil},
		{Action{Verb: VerbStart, Pool: "shop", Worker: 3}, "start shop/3", nil},
		{Action{Verb: VerbDisable, Pool: "shop", Worker: 3}, "disable shop/3", nil},
		{Action{Verb: VerbRecycle, Pool: "shop", Worker: 3}, "recycle shop/3", nil},
		{Action{Verb: VerbScale, Pool: "shop", Count: 7}, "scale shop 7", nil},
		{Action{Verb: VerbStop, Pool: "shp"}, "", ErrUnknownPool},
		{Action{Verb: VerbStop, Pool: "shop", Worker: 9}, "", ErrUnknownWorker},
		{Action{Verb: VerbStop, Pool: "a b", Worker: 9}, "", ErrUnknownWorker},
	} {
		for _, wait := range []bool{true, false} {
			f.mu.Lock()
			f.acts = nil
			f.mu.Unlock()
			err := c.Act(ctx, tc.a, wait)
			if !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
				t.Errorf("Act(%s, %t) = %v; want %v", tc.a, wait, err, tc.err)
			}
			if tc.err == nil {
				<-f.begun
			}
			f.mu.Lock()
			if got := strings.Join(f.acts, ","); got != tc.want {
				t.Errorf("Act(%s, %t): the instance was asked to %q; want %q", tc.a, wait, got, tc.want)
			}
			f.mu.Unlock()
		}
	}
	if err := c.Act(ctx, Action{Verb: VerbStop}, true); err == nil {
		t.Error("Act on no pool = nil; want an error")
	}
}
