package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"weir/bench/load"
	"weir/bench/proc"
	"weir/bench/result"
)

// settleDefault is how long a server's memory may take to stand still.
const settleDefault = 3 * time.Second

// options are the flags.
type options struct {
	scenarios, subjects string
	rounds              int
	duration, settle    time.Duration
	client              string
	cpus                cpus
	out                 string
	list                bool
}

// cpus says what runs where.
type cpus struct{ server, client, worker int }

// bench is one run.
type bench struct {
	options   options
	cpus      cpus
	root      string // of the module
	dir       string // ours, removed at the end
	files     string // what the file servers serve
	openFiles uint64
	spawner   *proc.Spawner
	client    *load.Client
	subjects  []*subject
	report    result.Report
	weirPath  string
	weirErr   error // of the one attempt to build it
}

func newBench(ctx context.Context, o options) (*bench, error) {
	b := &bench{options: o, cpus: o.cpus}
	// Started first: everything else may be cut short.
	var err error
	if b.spawner, err = proc.NewSpawner(); err != nil {
		return nil, err
	}
	if err := b.prepare(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) prepare(ctx context.Context) (err error) {
	if b.openFiles, err = proc.RaiseOpenFiles(); err != nil {
		return err
	}
	if b.root, err = moduleRoot(ctx); err != nil {
		return err
	}
	// Directly below the temporary directory: a Unix socket's path has at most 107 bytes.
	if b.dir, err = os.MkdirTemp("", "weir-bench-"); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	// /proc shows programs by their real path.
	if b.dir, err = filepath.EvalSymlinks(b.dir); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if err := b.writeFiles(); err != nil {
		return err
	}
	b.report = result.Report{Started: time.Now(), Commit: commit(ctx, b.root), Machine: machine(),
		Options: result.Options{Rounds: b.options.rounds, Duration: b.options.duration,
			ServerCPU: b.cpus.server, ClientCPU: b.cpus.client, WorkerCPU: b.cpus.worker,
			OpenFiles: b.openFiles}}
	if err := b.build(ctx, "worker", "./bench/peers/worker"); err != nil {
		return err
	}
	return b.chooseClient(ctx)
}

// writeFiles makes the directory that the file servers serve.
func (b *bench) writeFiles() error {
	b.files = filepath.Join(b.dir, "files")
	if err := os.Mkdir(b.files, 0o755); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	line := []byte("0123456789abcdef")
	for name, content := range map[string][]byte{"hello.txt": []byte(helloBody),
		"small.txt": bytes.Repeat(line, 1<<10/len(line)), "1m.txt": bytes.Repeat(line, 1<<20/len(line))} {
		if err := os.WriteFile(filepath.Join(b.files, name), content, 0o644); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	return nil
}

func (b *bench) chooseClient(ctx context.Context) (err error) {
	if b.options.client != "own" {
		b.client, err = load.Wrk(b.dir)
		if err != nil && b.options.client == "wrk" {
			return err
		}
	}
	if b.client == nil {
		if err := b.build(ctx, "client", "./bench/peers/client"); err != nil {
			return err
		}
		b.client = load.Own(b.bin("client"))
	}
	b.report.Client = result.Named{Name: b.client.Name, Text: b.client.Version}
	return nil
}

// close stops what still runs and removes our directory.
func (b *bench) close() {
	b.spawner.Close()
	if b.dir != "" {
		if err := os.RemoveAll(b.dir); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
}

func (b *bench) bin(name string) string { return filepath.Join(b.dir, "bin", name) }

func (b *bench) workerSocket() string { return filepath.Join(b.dir, "worker.sock") }

// build compiles one program into our directory.
func (b *bench) build(ctx context.Context, name, pkg string) error {
	ctx, cancel := context.WithTimeout(ctx, buildMax)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", b.bin(name), pkg)
	cmd.Dir = b.root
	if out, err := cmd.CombinedOutput(); err != nil {
		text := strings.Join(strings.Split(strings.TrimSpace(string(out)), "\n"), " | ")
		return fmt.Errorf("bench: build %s: %w: %.300s", pkg, err, text)
	}
	return nil
}

// weir builds the shipped program, once.
func (b *bench) weir(ctx context.Context) (string, error) {
	if b.weirPath == "" {
		b.weirPath = b.bin("weir")
		b.weirErr = b.build(ctx, "weir", "./cmd/weir")
	}
	return b.weirPath, b.weirErr
}

// findSubjects builds or looks up what the flags ask for, and runs the parity gate.
func (b *bench) findSubjects(ctx context.Context) error {
	chosen, err := choose(b.options.subjects, finders, func(f finder) string { return f.name })
	if err != nil {
		return fmt.Errorf("bench: -subject: %w", err)
	}
	for _, f := range chosen {
		sub, err := f.find(ctx, b)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			b.report.Absent = append(b.report.Absent, result.Named{Name: f.name, Text: err.Error()})
			fmt.Printf("%s: absent: %v\n", f.name, err)
			continue
		}
		b.subjects = append(b.subjects, sub)
		s := result.Subject{Name: sub.name, Version: sub.version, Configs: map[string]string{}}
		b.report.Subjects = append(b.report.Subjects, s)
		if sub.does(modeHello) {
			b.gate(ctx, sub)
		}
	}
	if len(b.subjects) == 0 {
		return fmt.Errorf("bench: no subject can run")
	}
	return nil
}

func (b *bench) subject(name string) *subject {
	i := slices.IndexFunc(b.subjects, func(s *subject) bool { return s.name == name })
	return b.subjects[i]
}

// reported returns the entry of a subject in the report.
func (b *bench) reported(name string) *result.Subject {
	i := slices.IndexFunc(b.report.Subjects, func(s result.Subject) bool { return s.Name == name })
	return &b.report.Subjects[i]
}

func (b *bench) engineOnly(name string) bool { return b.reported(name).EngineOnly() }

// noteConfig keeps how a subject was started, without the directories of this run.
func (b *bench) noteConfig(s *server) {
	text := filepath.Base(s.launch.path) + " " + strings.Join(s.launch.args, " ") + "\n\n" +
		s.launch.config
	text = strings.NewReplacer(s.setup.dir, "DIR", b.dir, "BENCH", s.setup.addr(), "127.0.0.1:PORT",
		fmt.Sprintf("port: %d", s.setup.port), "port: PORT").Replace(text)
	m := string(s.setup.scenario.mode)
	if s.setup.scenario.perConn == 1 {
		m += ", connection per request"
	}
	b.reported(s.subject.name).Configs[m] = text
}
