//go:build linux

package main

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"weir/supervisor/admin"
)

// must runs a verb that is to succeed.
func (in *instance) must(t *testing.T, args ...string) {
	t.Helper()
	if code, _, stderr := in.weir(args...); code != 0 {
		t.Fatalf("weir %s: %d, %s", strings.Join(args, " "), code, stderr)
	}
}

// wantBy wants requests to be answered by pid alone.
func (in *instance) wantBy(t *testing.T, why string, pid int) {
	t.Helper()
	for range 20 {
		if a := in.get("/pid"); strings.TrimSpace(a.body) != strconv.Itoa(pid) {
			t.Fatalf("%s: %d %q; want pid %d", why, a.status, a.body, pid)
		}
	}
}

// workerBy is the worker of a pool with that pid.
func workerBy(t *testing.T, p *admin.Pool, pid int) *admin.Worker {
	t.Helper()
	for i := range p.Workers {
		if p.Workers[i].PID == pid {
			return &p.Workers[i]
		}
	}
	t.Fatalf("no worker with pid %d in %+v", pid, p)
	return nil
}

// acceptDisable: a disabled worker takes no requests and stays; the others have them all, and none fails.
// When all are disabled requests are refused at once.
func acceptDisable(t *testing.T, in *instance) {
	in.settled("default", 2)
	p := poolOf(in.status(), "default")
	a, b := p.Workers[0], p.Workers[1]
	act := func(v admin.Verb, w admin.Worker) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		n, err := strconv.ParseUint(strings.TrimPrefix(w.Name, "default/"), 10, 64)
		if err == nil {
			err = in.admin().Act(ctx, admin.Action{Verb: v, Pool: "default", Worker: n}, true)
		}
		if err != nil {
			t.Fatalf("%s %s: %v", v, w.Name, err)
		}
	}
	l := startLoad(in.url + "/pid")
	for range rounds(2, 1) {
		l.passes(in, 20)
		act(admin.VerbDisable, a)
		in.wantBy(t, a.Name+" is disabled", b.PID)
		l.passes(in, 20)
		if w := workerBy(t, poolOf(in.status(), "default"), a.PID); w.State != "disabled" {
			t.Fatalf("worker %+v; want it disabled", w)
		}
		act(admin.VerbStart, a)
		in.until(a.Name+" serves again", func(*admin.Status) bool {
			return strings.HasSuffix(strings.TrimSpace(in.raw("GET /pid HTTP/1.0\r\n\r\n")),
				"\n"+strconv.Itoa(a.PID))
		})
	}
	l.finish(t)
	act(admin.VerbDisable, a)
	act(admin.VerbDisable, b)
	if got := in.get("/pid"); got.status != 503 || got.header.Get("X-Weir-Reason") != "Disabled" {
		t.Errorf("every worker is disabled: %d %v; want 503 Disabled", got.status, got.header)
	}
	if p := poolOf(in.status(), "default"); p.State != "disabled" || p.Want != "running" || p.Ready != 0 {
		t.Errorf("pool %+v; want it disabled, though it should run", p)
	}
	act(admin.VerbStart, a)
	in.wantBy(t, a.Name+" alone is started", a.PID)
	if err := unix.Kill(b.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if now := in.settled("default", 2); !now[a.PID] || now[b.PID] {
		t.Errorf("%s, disabled, was killed: workers %v; want a fresh one beside %d", b.Name, now, a.PID)
	}
}

// What a disabled worker has begun is finished, and the verb waits for it. It stays disabled when the
// front ends, and over reloads; one that would make it another worker has it replaced by its start.
func TestDisableWorkerHolds(t *testing.T) {
	t.Parallel()
	b := startBed(t, edit{pool: "workers: 2, stop_timeout: 100ms"})
	b.settled("p", 2)
	c := b.trickling()
	wantTrickle(t, c, "before")
	var kept, other admin.Worker
	b.until("one worker with the request", func(s *admin.Status) bool {
		w := poolOf(s, "p").Workers
		if kept, other = w[0], w[1]; other.InFlight > 0 {
			kept, other = other, kept
		}
		return kept.InFlight == 1 && other.InFlight == 0
	})
	b.must(t, "disable", kept.Name, "--no-wait")
	b.until("it leaves rotation", func(s *admin.Status) bool {
		return workerBy(t, poolOf(s, "p"), kept.PID).State == "disabling"
	})
	b.wantBy(t, "while it finishes", other.PID)
	wantTrickle(t, c, "past stop_timeout")
	_ = c.Close() // its request ends
	b.must(t, "disable", kept.Name)
	if _, out, _ := b.weir("status"); !regexp.MustCompile(kept.Name + ` +disabled `).MatchString(out) {
		t.Errorf("weir status does not say that %s is disabled:\n%s", kept.Name, out)
	}
	b.metrics(map[string]string{`weir_pool_workers{pool="p",state="disabled"}`: "1"})

	front := b.status().Fronts[0].PID
	if err := unix.Kill(front, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.until("another front", func(s *admin.Status) bool {
		return s.Fronts[0].State == "up" && s.Fronts[0].PID != front
	})
	b.wantBy(t, "by another front", other.PID)
	b.apply(t, edit{pool: "workers: 2, stop_timeout: 200ms"})
	b.wantBy(t, "after a reload", other.PID)
	b.apply(t, edit{pool: "workers: 2, stop_timeout: 200ms", command: "testworker, -say, new"})
	p := poolOf(b.status(), "p")
	if w := workerBy(t, p, kept.PID); w.State != "disabled" || len(p.Workers) != 2 || p.Ready != 1 {
		t.Fatalf("pool %+v after a reload that changed its command; want %s disabled", p, kept.Name)
	}
	b.must(t, "start", kept.Name)
	if now := b.settled("p", 2); now[kept.PID] || now[other.PID] {
		t.Errorf("workers %v; want both to be fresh", now)
	}
	code, _, stderr := b.weir("start", kept.Name)
	if code != 1 || !strings.Contains(stderr, "unknown worker "+kept.Name) {
		t.Errorf("weir start %s, which has ended: %d, %s; want 1, unknown", kept.Name, code, stderr)
	}
}

// A worker that is not ready cannot be disabled.
func TestDisableRefused(t *testing.T) {
	t.Parallel()
	b := startBed(t, edit{pool: "start: manual"})
	b.apply(t, edit{pool: "start: manual", command: "testworker, -bind, none"})
	b.must(t, "start", "p", "--no-wait")
	w := poolOf(b.until("a worker that starts", func(s *admin.Status) bool {
		return len(poolOf(s, "p").Workers) == 1
	}), "p").Workers[0]
	code, _, stderr := b.weir("disable", w.Name)
	if code != 1 || !strings.Contains(stderr, "not possible now") ||
		!strings.Contains(stderr, "it is not ready yet") {
		t.Errorf("weir disable %s: %d, %s; want 1, and why", w.Name, code, stderr)
	}
}
