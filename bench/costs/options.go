// Package costs measures what the supervisor of the shipped program costs and how quick it is: its
// processor time beside a crash loop and at rest, its memory, when it notices a death, and what it adds to
// the start of a program.
package costs

import (
	"flag"
	"fmt"
	"time"
)

// Options are what a run measures.
type Options struct {
	Weir    string        // path of the program
	Worker  string        // path of bench/peers/worker
	Dir     string        // of this run, short: it holds Unix sockets
	Rounds  int           // every figure is the median of so many
	Window  time.Duration // over which processor time is taken
	Workers int           // of the large pool
	Kills   int           // workers killed in a round, one after the other
}

// Bounds of Options.
const (
	roundsMax  = 100
	windowMin  = 100 * time.Millisecond
	windowMax  = 10 * time.Minute
	workersMax = 1000
)

// ParseFlags reads the arguments of bench supervisor.
func ParseFlags(args []string) (Options, error) {
	o := Options{}
	f := flag.NewFlagSet("bench supervisor", flag.ContinueOnError)
	f.IntVar(&o.Rounds, "rounds", 5, "every figure is the median of so many rounds")
	f.DurationVar(&o.Window, "window", 10*time.Second, "over which processor time is taken")
	f.IntVar(&o.Workers, "workers", 100, "workers that are watched")
	f.IntVar(&o.Kills, "kills", 20, "workers killed in a round, one after the other")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.Rounds < 1 || o.Rounds > roundsMax:
		return o, fmt.Errorf("-rounds %d: want 1 to %d", o.Rounds, roundsMax)
	case o.Window < windowMin || o.Window > windowMax:
		return o, fmt.Errorf("-window %s: want %s to %s", o.Window, windowMin, windowMax)
	case o.Workers < 1 || o.Workers > workersMax:
		return o, fmt.Errorf("-workers %d: want 1 to %d", o.Workers, workersMax)
	case o.Kills < 1 || o.Kills > o.Workers: // one that dies again soon is given a pause
		return o, fmt.Errorf("-kills %d: want 1 to %d, one of each worker", o.Kills, o.Workers)
	}
	return o, nil
}
