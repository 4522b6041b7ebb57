package main

import (
	"context"
	"fmt"
)

// gate probes a subject and records what failed and how its answer looks.
func (b *bench) gate(ctx context.Context, sub *subject) {
	r := b.reported(sub.name)
	hello := scenario{name: "parity", mode: modeHello, path: "/"}
	s, err := b.start(ctx, sub, hello, b.cpus.server)
	if err != nil {
		r.Failed = []string{err.Error()}
	} else {
		r.Failed = parity(s.setup.addr())
		if a, err := ask(s.setup.addr(), "GET", "/"); err == nil {
			r.Head = a.head
		}
		if !sub.does(modeStatic) {
			r.Failed = append(r.Failed, missingFailure(missing(s.setup.addr()))...)
		}
		s.process.Stop()
	}
	if sub.does(modeStatic) {
		r.Failed = append(r.Failed, missingFailure(b.missingFile(ctx, sub))...)
	}
	r.Probed = true
	fmt.Printf("%s: %s: parity probe: %s\n", sub.name, sub.version, r.Verdict())
}

func (b *bench) missingFile(ctx context.Context, sub *subject) error {
	s, err := b.start(ctx, sub, scenario{name: "parity", mode: modeStatic, path: "/small.txt"},
		b.cpus.server)
	if err != nil {
		return err
	}
	defer s.process.Stop()
	return missing(s.setup.addr())
}

func missingFailure(err error) []string {
	if err == nil {
		return nil
	}
	return []string{"404 (" + err.Error() + ")"}
}
