// Package chaos loads a pool steadily while its workers are killed, stopped, made to hang, leak or fail
// at start, and its front is killed; it counts what failed, and judges whether it had to.
//
// What may fail is what design.md section 7 says of replays: a request that is not idempotent and of
// which the worker took a byte, when that worker died or hung meanwhile; and whatever was in flight in
// a front that was killed. Everything else must be answered, by its own answer.
package chaos

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Options are what a run does.
type Options struct {
	Weir     string // path of the program
	Worker   string // path of bench/peers/chaosworker
	Dir      string // of this run, short: it holds Unix sockets
	Duration time.Duration
	Every    time.Duration // between two mischiefs
	Clients  int
	Workers  int
	Posts    int // every so manieth request is a POST; 0: none is
	Kinds    []string
	Seed     uint64
}

// kinds are the mischiefs, in the order in which they are listed.
var kinds = []string{"kill", "stop", "hang", "leak", "exit", "front"}

// Bounds of Options.
const (
	durationMax = time.Hour
	clientsMax  = 1000
	workersMax  = 64
	everyMin    = 10 * time.Millisecond
)

// ParseFlags reads the arguments of bench chaos.
func ParseFlags(args []string) (Options, error) {
	o := Options{}
	f := flag.NewFlagSet("bench chaos", flag.ContinueOnError)
	f.DurationVar(&o.Duration, "duration", 60*time.Second, "how long")
	f.DurationVar(&o.Every, "every", 200*time.Millisecond, "between two mischiefs")
	f.IntVar(&o.Clients, "clients", 16, "connections that ask without pause")
	f.IntVar(&o.Workers, "workers", 4, "workers of the pool")
	f.IntVar(&o.Posts, "posts", 10, "every so manieth request is a POST; 0: none")
	only := f.String("only", strings.Join(kinds, ","), "mischiefs, comma-separated")
	f.Uint64Var(&o.Seed, "seed", rand.Uint64(), "of the order of mischiefs")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.Kinds = strings.Split(*only, ",")
	for _, k := range o.Kinds {
		if !slices.Contains(kinds, k) {
			return o, fmt.Errorf("-only: %q: want some of %s", k, strings.Join(kinds, ","))
		}
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.Duration < time.Second || o.Duration > durationMax:
		return o, fmt.Errorf("-duration %s: want 1s to %s", o.Duration, durationMax)
	case o.Every < everyMin:
		return o, fmt.Errorf("-every %s: want at least %s", o.Every, everyMin)
	case o.Clients < 1 || o.Clients > clientsMax || o.Workers < 2 || o.Workers > workersMax:
		return o, fmt.Errorf("want 1 to %d clients and 2 to %d workers", clientsMax, workersMax)
	case o.Posts < 0:
		return o, errors.New("-posts: want 0 or more")
	}
	return o, nil
}
