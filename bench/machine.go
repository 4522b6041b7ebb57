package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"weir/bench/proc"
	"weir/bench/result"
)

// moduleRoot finds the module from any directory inside it.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "weir").Output()
	if err != nil {
		return "", fmt.Errorf("bench: run it inside its module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// commit names the commit that is checked out, with "-dirty" where tracked files differ from it.
func commit(ctx context.Context, root string) string {
	cmd := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--exclude", "*")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func machine() result.Machine {
	m := result.Machine{OS: runtime.GOOS + "/" + runtime.GOARCH, Kernel: proc.Kernel(),
		CPU: field("/proc/cpuinfo", "model name"), CPUs: runtime.NumCPU(), Go: runtime.Version()}
	kib, _, _ := strings.Cut(field("/proc/meminfo", "MemTotal"), " ")
	if n, err := strconv.ParseInt(kib, 10, 64); err == nil {
		m.Memory = n << 10
	}
	return m
}

// field returns the value of the first "name : value" line of a file, "unknown" without one.
func field(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(b)) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// moduleVersion names what a Go peer is made of: the version of its library, else Go's.
func (b *bench) moduleVersion(ctx context.Context, peer string) string {
	module, ok := map[string]string{"gnet": "github.com/panjf2000/gnet/v2",
		"fasthttp": "github.com/valyala/fasthttp"}[peer]
	if !ok {
		return runtime.Version()
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", module)
	cmd.Dir = b.root
	out, err := cmd.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out)) + ", " + runtime.Version()
}

// write puts the report's three files into dir.
func write(r *result.Report, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("bench: results: %w", err)
	}
	json, err := r.JSON()
	if err != nil {
		return fmt.Errorf("bench: results: %w", err)
	}
	for name, content := range map[string][]byte{"results.json": json, "results.md": r.Markdown(),
		"chart.svg": r.Chart()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("bench: results: %w", err)
		}
	}
	return nil
}
