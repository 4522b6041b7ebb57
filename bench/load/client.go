package load

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"weir/bench/proc"
)

// graceMax is how long a client may take beyond the duration of its run.
const graceMax = 15 * time.Second

//go:embed wrk.lua
var wrkScript []byte

// Client is a load generator: a program and how its arguments are made from a Spec.
type Client struct {
	Name    string // "wrk" or "own"
	Version string
	path    string
	args    func(Spec) []string
}

// Wrk returns the client for an installed wrk; dir receives its script.
func Wrk(dir string) (*Client, error) {
	path, err := exec.LookPath("wrk")
	if err != nil {
		return nil, fmt.Errorf("load: wrk: %w", err)
	}
	script := filepath.Join(dir, "wrk.lua")
	if err := os.WriteFile(script, wrkScript, 0o600); err != nil {
		return nil, fmt.Errorf("load: wrk script: %w", err)
	}
	// wrk -v prints its version and exits 1.
	out, _ := exec.Command(path, "-v").CombinedOutput()
	first, _, _ := strings.Cut(string(out), "\n")
	version, _, _ := strings.Cut(first, " Copyright")
	return &Client{Name: "wrk", Version: version, path: path, args: func(s Spec) []string {
		args := []string{"-t", "1", "-c", strconv.Itoa(s.Conns),
			"-d", strconv.Itoa(int(s.Duration.Seconds())) + "s", "--timeout", "10s", "-s", script}
		if s.PerConn == 1 {
			args = append(args, "-H", "Connection: close")
		}
		return append(args, s.URL, "--", strconv.Itoa(s.Pipeline), strconv.Itoa(s.PerConn))
	}}, nil
}

// Own returns the client for this project's own program at path.
func Own(path string) *Client {
	return &Client{Name: "own", Version: "this tree", path: path, args: func(s Spec) []string {
		return []string{"-c", strconv.Itoa(s.Conns), "-d", s.Duration.String(),
			"-pipeline", strconv.Itoa(s.Pipeline), "-perconn", strconv.Itoa(s.PerConn), s.URL}
	}}
}

// Run drives one server and returns what the client saw and the CPU time it took itself.
//
// It blocks for s.Duration and little more; a client that hangs is stopped after graceMax.
func (c *Client) Run(ctx context.Context, sp *proc.Spawner, cpu int, s Spec) (Result,
	time.Duration, error) {
	p, err := sp.Spawn(proc.Spec{Path: c.path, Args: c.args(s), CPU: cpu})
	if err != nil {
		return Result{}, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Duration+graceMax)
	defer cancel()
	select {
	case <-p.Exited():
	case <-ctx.Done():
		p.Stop()
		return Result{}, 0, fmt.Errorf("load: %s on %s: %w", c.Name, s.URL, ctx.Err())
	}
	if p.Err() != nil {
		return Result{}, 0, fmt.Errorf("load: %s on %s: %w: %s", c.Name, s.URL, p.Err(), p.Output())
	}
	r, err := ParseLine(p.Output())
	if c.Name == "wrk" && s.Pipeline > 1 {
		// wrk corrects latencies for the requests it should have sent meanwhile, and counts each of
		// a batch as one that waits alone: its percentiles mean nothing here.
		r.P50, r.P99 = 0, 0
	}
	return r, p.CPUTime(), err
}
