package chaos

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"weir/bench/instance"
)

// Run does o and prints what came of it to w. The error says that something failed that need not
// have.
func Run(ctx context.Context, o Options, w io.Writer) error {
	in, err := o.start(ctx)
	if err != nil {
		return fmt.Errorf("chaos: %w", err)
	}
	t := newTally()
	m := &mischief{o: &o, in: in, rnd: rand.New(rand.NewPCG(o.Seed, 0))}
	begin := time.Now()
	load, stopLoad := context.WithCancel(context.Background())
	defer stopLoad()
	var clients, doing sync.WaitGroup
	for i := range o.Clients {
		c := &client{addr: in.Addr, name: fmt.Sprint(i), posts: o.Posts, tell: t.add}
		clients.Go(func() { c.run(load) })
	}
	bounded, cancel := context.WithTimeout(ctx, o.Duration)
	defer cancel()
	doing.Go(func() { m.run(bounded) })
	select {
	case <-bounded.Done():
	case <-in.Ended:
		cancel()
	}
	doing.Wait()
	stopLoad() // each client ends after its answer
	clients.Wait()
	took := time.Since(begin)
	clean := in.Stop()
	bad := report(w, &o, t, m, took)
	return verdict(w, &o, in, m, bad, clean)
}

// verdict is the error of a run in which something was wrong.
func verdict(w io.Writer, o *Options, in *instance.Instance, m *mischief, bad int, clean bool) error {
	problems := m.failures
	if bad > 0 {
		problems = append(problems, fmt.Sprintf("%d requests failed that need not have", bad))
	}
	if m.failed > 0 {
		problems = append(problems, fmt.Sprintf("the pool had failed at %d looks", m.failed))
	}
	if !clean {
		problems = append(problems, "the instance did not end by itself with exit code 0")
	}
	if len(m.done) == 0 {
		problems = append(problems, "nothing was done to it")
	}
	if len(problems) == 0 {
		fmt.Fprintln(w, "nothing failed that need not have; the pool never failed")
		return nil
	}
	fmt.Fprintln(w, "last lines of its log:")
	for _, l := range in.Lines() {
		fmt.Fprintln(w, " ", l)
	}
	return fmt.Errorf("chaos: %q", problems)
}
