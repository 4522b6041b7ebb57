package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"weir/bench/proc"
)

// server is a running subject.
type server struct {
	subject *subject
	setup   setup
	launch  launch
	process *proc.Process
	worker  *proc.Process // the bench's, counted with the server; nil: none or not counted
}

func (s *server) url() string { return "http://" + s.setup.addr() + s.setup.scenario.path }

// start launches a subject for a scenario on cpu and returns once it has answered 200.
func (b *bench) start(ctx context.Context, sub *subject, sc scenario, cpu int) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, sub.name+"-")
	if err != nil {
		return nil, fmt.Errorf("bench: start %s: %w", sub.name, err)
	}
	s := &server{subject: sub, setup: setup{scenario: sc, port: port, dir: dir}}
	if s.launch, err = sub.launch(b, s.setup); err != nil {
		return nil, err
	}
	s.process, err = b.spawner.Spawn(proc.Spec{Path: s.launch.path, Args: s.launch.args, Dir: dir,
		CPU: cpu})
	if err != nil {
		return nil, err
	}
	if err := s.awaitReady(ctx); err != nil {
		s.process.Stop()
		return nil, err
	}
	b.noteConfig(s)
	return s, nil
}

// awaitReady asks until the server answers 200.
func (s *server) awaitReady(ctx context.Context) error {
	path := s.launch.path200
	if path == "" {
		path = s.setup.scenario.path
	}
	deadline := time.Now().Add(readyWaitMax)
	for {
		a, err := ask(s.setup.addr(), "GET", path)
		if err == nil && a.status == 200 {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("status %d", a.status)
		}
		select {
		case <-s.process.Exited():
			return fmt.Errorf("bench: %s: ended before ready: %v: %s", s.subject.name,
				s.process.Err(), lastLine(s.process.Output()))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(readyPoll):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("bench: %s: not ready after %s: %w: %s", s.subject.name, readyWaitMax,
				err, lastLine(s.process.Output()))
		}
	}
}

// counted returns the processes whose CPU time and memory are the server's.
func (s *server) counted() ([]proc.Stat, error) {
	tree, err := proc.Tree(s.process.PID())
	if err == nil && s.worker != nil {
		var worker []proc.Stat
		worker, err = proc.Tree(s.worker.PID())
		tree = append(tree, worker...)
	}
	if err != nil || s.launch.counted == nil {
		return tree, err
	}
	var front []proc.Stat
	for _, p := range tree {
		if s.launch.counted(p) {
			front = append(front, p)
		}
	}
	if len(front) == 0 {
		return nil, fmt.Errorf("bench: %s: no process left", s.subject.name)
	}
	return front, nil
}

// pinWorkers moves what the server has started, but what does not count as the server, to cpu.
func (s *server) pinWorkers(cpu int) error {
	tree, err := proc.Tree(s.process.PID())
	if err != nil || s.launch.counted == nil {
		return err
	}
	for _, p := range tree {
		if !s.launch.counted(p) {
			if err := proc.Pin(p.PID, cpu); err != nil {
				return err
			}
		}
	}
	return nil
}

// startAll starts every chosen subject that can do sc; failures become rows that say why. worker is
// the application of those that forward.
func (b *bench) startAll(ctx context.Context, sc scenario, worker *proc.Process) (servers []*server,
	failed []absence, err error) {
	for _, sub := range b.subjects {
		if !sub.does(sc.mode) || sub.onlyLarge && !sc.large {
			continue
		}
		s, err := b.start(ctx, sub, sc, b.cpus.server)
		if ctx.Err() != nil {
			stopAll(append(servers, s))
			return nil, nil, ctx.Err()
		}
		if err == nil && sc.mode == modeProxy {
			err = s.pinWorkers(b.cpus.worker)
		}
		if err != nil {
			stopAll([]*server{s})
			failed = append(failed, absence{sub.name, err.Error()})
			continue
		}
		if sc.mode == modeHosted && sub.forwards {
			s.worker = worker
		}
		servers = append(servers, s)
	}
	return servers, failed, nil
}

func stopAll(servers []*server) {
	for _, s := range servers {
		if s != nil {
			s.process.Stop()
		}
	}
}

// freePort returns a loopback port that was free a moment ago.
func freePort() (int, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("bench: free port: %w", err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	return port, ln.Close()
}

func lastLine(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return lines[len(lines)-1]
}

// startWorker starts the application behind the proxies on cpu and waits for its socket.
func (b *bench) startWorker(ctx context.Context, cpu int) (*proc.Process, error) {
	p, err := b.spawner.Spawn(proc.Spec{Path: b.bin("worker"), CPU: cpu,
		Env: []string{"WEIR_SOCKET=" + b.workerSocket()}})
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(readyWaitMax); time.Now().Before(deadline); {
		c, err := net.Dial("unix", b.workerSocket())
		if err == nil {
			return p, c.Close()
		}
		select {
		case <-p.Exited():
			return nil, fmt.Errorf("bench: worker ended: %s", lastLine(p.Output()))
		case <-ctx.Done():
			p.Stop()
			return nil, ctx.Err()
		case <-time.After(readyPoll):
		}
	}
	p.Stop()
	return nil, errors.New("bench: worker: no socket")
}
