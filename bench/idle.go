package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"weir/bench/proc"
	"weir/bench/result"
)

// measureIdle takes the memory of an idle keep-alive connection: a fresh server each round, the
// growth of its memory between idleFew and idleMany connections divided by their difference.
func (b *bench) measureIdle(ctx context.Context, sc scenario) (result.Scenario, error) {
	out := result.Scenario{Name: sc.name, Text: sc.text, Unit: sc.unit()}
	if need := uint64(idleMany + idleSpareFiles); b.openFiles < need {
		return out, fmt.Errorf("bench: idle-memory: %d open files allowed, want %d", b.openFiles, need)
	}
	for _, sub := range b.subjects {
		if sub.does(sc.mode) {
			out.Rows = append(out.Rows, result.Row{Subject: sub.name})
		}
	}
	for range b.options.rounds {
		for i := range out.Rows {
			row := &out.Rows[i]
			if row.Failure != "" {
				continue
			}
			r, err := b.idleOnce(ctx, b.subject(row.Subject), sc)
			if ctx.Err() != nil {
				return out, ctx.Err()
			}
			if err != nil {
				row.Failure = err.Error()
				continue
			}
			row.Rounds = append(row.Rounds, r)
		}
	}
	return out, nil
}

func (b *bench) idleOnce(ctx context.Context, sub *subject, sc scenario) (result.Round, error) {
	s, err := b.start(ctx, sub, sc, b.cpus.server)
	if err != nil {
		return result.Round{}, err
	}
	defer s.process.Stop()
	conns := make([]net.Conn, 0, idleMany)
	defer func() {
		for _, c := range conns {
			_ = c.Close() // nothing is in flight
		}
	}()
	var memory [2]int64
	for i, count := range [2]int{idleFew, idleMany} {
		for len(conns) < count && ctx.Err() == nil {
			c, err := idleConn(s.setup.addr())
			if err != nil {
				return result.Round{}, fmt.Errorf("bench: %s: connection %d: %w", sub.name,
					len(conns)+1, err)
			}
			conns = append(conns, c)
		}
		if memory[i], err = b.settled(ctx, s); err != nil {
			return result.Round{}, err
		}
	}
	return result.Round{Value: float64(memory[1]-memory[0]) / (idleMany - idleFew)}, nil
}

// idleConn opens a connection and has one request answered on it.
func idleConn(addr string) (net.Conn, error) {
	c, err := dial(addr)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, request("GET", "/", addr)); err != nil {
		return nil, err
	}
	var buf [1024]byte
	for n := 0; !bytes.HasSuffix(buf[:n], []byte(helloBody)); {
		k, err := c.Read(buf[n:])
		if err != nil {
			return nil, fmt.Errorf("after %q: %w", buf[:n], err)
		}
		n += k
	}
	return c, nil
}

// settled returns the server's memory once it has stood still for settleSamples looks, or as it is
// when the time for that is over.
func (b *bench) settled(ctx context.Context, s *server) (int64, error) {
	if err := s.collect(); err != nil {
		return 0, fmt.Errorf("bench: %s: collect: %w", s.subject.name, err)
	}
	tick := time.NewTicker(settlePoll)
	defer tick.Stop()
	deadline := time.Now().Add(b.options.settle)
	last, still := int64(0), 0
	for {
		now, err := s.memory()
		if err != nil {
			return 0, err
		}
		if d := now - last; d > -settleBytes && d < settleBytes {
			still++
		} else {
			last, still = now, 0
		}
		// A settle time beyond the default waits for the runtime's own collection: look to the end.
		done := time.Now().After(deadline)
		if done || still >= settleSamples && b.options.settle <= settleDefault {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
	}
}

// memory is the proportional set size of the server's processes.
func (s *server) memory() (sum int64, err error) {
	tree, err := s.counted()
	if err != nil {
		return 0, err
	}
	for _, p := range tree {
		n, err := proc.PSS(p.PID)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}
