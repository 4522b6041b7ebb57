package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"weir/bench/proc"
)

// subject is a server that can be measured.
type subject struct {
	name     string
	version  string
	modes    []mode
	collects bool // collects garbage on SIGUSR1
	forwards bool // to the bench's worker, where the mode asks for an application
	// onlyLarge: it differs from another subject in scenarios of large answers alone.
	onlyLarge bool
	launch    func(b *bench, s setup) (launch, error)
}

// setup is what a subject is asked to serve.
type setup struct {
	scenario scenario
	port     int
	dir      string // its own, for configuration and state
}

func (s setup) addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// launch is how a subject does it.
type launch struct {
	path, config string // program; what results print: arguments and configuration file
	args         []string
	// counted tells front processes from the workers behind them; nil: all count.
	counted func(proc.Stat) bool
	path200 string // asked until it answers 200; "": the scenario's path
}

// absence is a subject that cannot run here.
type absence struct{ name, why string }

// finder looks for one subject on this machine.
type finder struct {
	name string
	find func(ctx context.Context, b *bench) (*subject, error)
}

var finders = []finder{
	{"weir", findWeir},
	{"weir-demo", findWeirDemo},
	{"weir-in-process", findWeirApp("weir-in-process", "--hosting", "in-process")},
	{"weir-http", findWeirHTTP},
	{"weir-mux", findWeirApp("weir-mux", "--hosting", "out-of-process", "--dispatch", "mux")},
	{"weir-handoff", findWeirApp("weir-handoff", "--hosting", "out-of-process", "--dispatch", "handoff")},
	{"weir-reuseport", findWeirApp("weir-reuseport", "--hosting", "out-of-process", "--dispatch",
		"reuseport")},
	{"floor", goPeer("floor", []mode{modeHello, modeStatic}, floorArgs)},
	{"gnet", goPeer("gnet", []mode{modeHello}, listenArgs)},
	{"fasthttp", goPeer("fasthttp", []mode{modeHello, modeStatic, modeProxy}, listenArgs)},
	{"nethttp", goPeer("nethttp", []mode{modeHello, modeStatic, modeProxy}, listenArgs)},
	{"nginx", findNginx},
	{stockNginx, findStockNginx},
	{"haproxy", findHAProxy},
	{"h2o", findH2O},
}

func (s *subject) does(m mode) bool { return slices.Contains(s.modes, m) }

// findWeir builds the shipped program and starts it by its documented flags.
func findWeir(ctx context.Context, b *bench) (*subject, error) {
	path, err := b.weir(ctx)
	if err != nil {
		return nil, err
	}
	return &subject{name: "weir", version: b.report.Commit,
		modes: []mode{modeHello, modeStatic, modeProxy},
		launch: func(b *bench, s setup) (launch, error) {
			args := weirArgs(s)
			switch s.scenario.mode {
			case modeHello:
				args = append(args, "--respond", "Hello, World!")
			case modeStatic:
				args = append(args, "--root", b.files)
			case modeProxy:
				args = append(args, "--workers", "1", "--", b.bin("worker"))
			}
			return launch{path: path, args: args, counted: runs(path)}, nil
		}}, nil
}

// weirArgs are the flags that every Weir under load gets.
func weirArgs(s setup) []string {
	return []string{"--listen", s.addr(), "--loops", "1", "--max-connections", "20000",
		"--runtime-dir", filepath.Join(s.dir, "run"), "--log-level", "warn"}
}

// findWeirApp is an application made with Weir, hosted as the flags say.
func findWeirApp(name string, flags ...string) func(context.Context, *bench) (*subject, error) {
	return func(ctx context.Context, b *bench) (*subject, error) {
		if err := b.build(ctx, "app", "./bench/peers/app"); err != nil {
			return nil, err
		}
		return &subject{name: name, version: b.report.Commit, modes: []mode{modeHosted},
			launch: func(b *bench, s setup) (launch, error) {
				return launch{path: b.bin("app"), args: append(weirArgs(s), flags...)}, nil
			}}, nil
	}
}

// findWeirHTTP is the shipped program before the same worker that other proxies have.
func findWeirHTTP(ctx context.Context, b *bench) (*subject, error) {
	path, err := b.weir(ctx)
	if err != nil {
		return nil, err
	}
	return &subject{name: "weir-http", version: b.report.Commit, modes: []mode{modeHosted},
		launch: func(b *bench, s setup) (launch, error) {
			return launch{path: path,
				args: append(weirArgs(s), "--workers", "1", "--", b.bin("worker"))}, nil
		}}, nil
}

// findWeirDemo is the demo with its two workers, for cold-start only.
func findWeirDemo(ctx context.Context, b *bench) (*subject, error) {
	path, err := b.weir(ctx)
	if err != nil {
		return nil, err
	}
	return &subject{name: "weir-demo", version: b.report.Commit, modes: []mode{modeDemo},
		launch: func(_ *bench, s setup) (launch, error) {
			return launch{path: path, path200: "/worker/hello", args: []string{"--listen", s.addr(),
				"--runtime-dir", filepath.Join(s.dir, "run"), "--log-level", "warn"}}, nil
		}}, nil
}

// runs tells the processes of one program from the workers it has started.
func runs(path string) func(proc.Stat) bool {
	return func(s proc.Stat) bool { return proc.Exe(s.PID) == path }
}

// goPeer finds a peer whose source is in bench/peers.
func goPeer(name string, modes []mode, args func(*bench, setup) []string) func(context.Context,
	*bench) (*subject, error) {
	return func(ctx context.Context, b *bench) (*subject, error) {
		if err := b.build(ctx, name, "./bench/peers/"+name); err != nil {
			return nil, err
		}
		return &subject{name: name, version: b.moduleVersion(ctx, name), modes: modes, collects: true,
			launch: func(b *bench, s setup) (launch, error) {
				return launch{path: b.bin(name), args: args(b, s)}, nil
			}}, nil
	}
}

func listenArgs(b *bench, s setup) []string {
	args := []string{"-listen", s.addr()}
	switch s.scenario.mode {
	case modeStatic:
		args = append(args, "-root", b.files)
	case modeProxy:
		args = append(args, "-socket", b.workerSocket())
	}
	return args
}

func floorArgs(b *bench, s setup) []string {
	args := []string{"-listen", s.addr()}
	if s.scenario.mode == modeStatic {
		args = append(args, "-file", filepath.Join(b.files, s.scenario.path))
	}
	if s.scenario.perConn == 1 {
		args = append(args, "-close")
	}
	return args
}

// installed finds a program and the line of its version output that holds word.
func installed(ctx context.Context, program, flag, word string) (path, version string, err error) {
	if path, err = exec.LookPath(program); err != nil {
		// Debian keeps servers where an ordinary user's PATH does not look.
		if path, err = exec.LookPath(filepath.Join("/usr/sbin", program)); err != nil {
			return "", "", errNotInstalled
		}
	}
	// Some print to standard error, some exit with 1: the text is all we want.
	out, _ := exec.CommandContext(ctx, path, flag).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, word) {
			return path, strings.TrimSpace(line), nil
		}
	}
	return path, "unknown", nil
}

// collect makes a peer that can do so return free memory to the system.
func (s *server) collect() error {
	if !s.subject.collects {
		return nil
	}
	return syscall.Kill(s.process.PID(), syscall.SIGUSR1)
}
