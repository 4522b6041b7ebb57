package supervisor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/supervisor/config"
)

// contract is what a worker is told: the variables of the worker contract and the placeholders.
type contract struct {
	ref    WorkerRef
	socket string
	port   int
	notify string
	listen bool // fd 3 is a listening socket
	slots  int

	dispatch config.Dispatch

	control  int           // WEIR_CONTROL_FD
	watchdog time.Duration // 0: none is wanted
}

// variables are the contract's environment. LISTEN_PID is added by the spawn helper, whose pid it is.
func (c *contract) variables() []string {
	if isSidecar(c.ref.Pool) {
		return []string{"WEIR_SIDECAR=" + strings.TrimPrefix(c.ref.Pool, sidecarPrefix),
			"NOTIFY_SOCKET=" + c.notify}
	}
	v := []string{
		"WEIR_SOCKET=" + c.socket,
		"WEIR_POOL=" + c.ref.Pool,
		"WEIR_WORKER=" + c.ref.String(),
		"PORT=" + strconv.Itoa(c.port),
		"NOTIFY_SOCKET=" + c.notify,
	}
	switch c.dispatch {
	case config.DispatchMux, config.DispatchHandoff:
		v = append(v, "WEIR_DISPATCH="+string(c.dispatch), "WEIR_CONCURRENCY="+strconv.Itoa(c.slots))
	case config.DispatchReuseport:
		v = append(v, "WEIR_DISPATCH=reuseport")
	}
	if c.control != 0 {
		v = append(v, "WEIR_CONTROL_FD="+strconv.Itoa(c.control))
	}
	if c.watchdog > 0 {
		v = append(v, "WATCHDOG_USEC="+strconv.FormatInt(c.watchdog.Microseconds(), 10))
	}
	if c.listen {
		v = append(v, "LISTEN_FDS=1", "LISTEN_FDNAMES="+c.ref.Pool)
	}
	return v
}

// argv is command with its placeholders replaced.
func (c *contract) argv(command []string) []string {
	if isSidecar(c.ref.Pool) {
		return command
	}
	r := strings.NewReplacer("{socket}", c.socket, "{port}", strconv.Itoa(c.port))
	args := make([]string, len(command))
	for i, a := range command {
		args[i] = r.Replace(a)
	}
	return args
}

// workerEnv is the environment of a worker: inherited (all, or the names of Keep), then Files, then
// Set, then the contract; the later wins. What belongs to Weir or to the service manager's contract
// with Weir is never inherited.
func workerEnv(inherited []string, e *config.Env, c *contract) ([]string, error) {
	vars := map[string]string{}
	for _, kv := range inherited {
		name, value, ok := strings.Cut(kv, "=")
		if ok && name != "" && !private(name) && (!e.Inherit.IsOff() || slices.Contains(e.Keep, name)) {
			vars[name] = value
		}
	}
	for _, f := range e.Files {
		if err := readEnvFile(vars, f); err != nil {
			return nil, err
		}
	}
	for name, value := range e.Set {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
			return nil, fmt.Errorf("env: %q: not a variable", name)
		}
		vars[name] = value
	}
	for _, kv := range c.variables() {
		name, value, _ := strings.Cut(kv, "=")
		vars[name] = value
	}
	list := make([]string, 0, len(vars))
	for name, value := range vars {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list, nil
}

// private reports the variables by which Weir itself was started.
func private(name string) bool {
	return strings.HasPrefix(name, "WEIR_") || strings.HasPrefix(name, "LISTEN_") ||
		strings.HasPrefix(name, "WATCHDOG_") || name == "NOTIFY_SOCKET" || name == "FDSTORE"
}

// readEnvFile reads NAME=VALUE lines into vars. Empty lines and lines that begin with # are skipped;
// one pair of quotes around a value is taken off. Nothing is expanded.
func readEnvFile(vars map[string]string, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("env.files: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(f, envFileBytesMax+1))
	if err != nil {
		return fmt.Errorf("env.files: %w", err)
	}
	if len(b) > envFileBytesMax {
		return fmt.Errorf("env.files: %s: more than %d bytes", path, envFileBytesMax)
	}
	for i, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.Contains(line, "\x00") {
			return fmt.Errorf("env.files: %s:%d: not NAME=VALUE", path, i+1)
		}
		vars[name] = unquote(strings.TrimSpace(value))
	}
	return nil
}

func unquote(s string) string {
	if n := len(s); n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		return s[1 : n-1]
	}
	return s
}

// checkSocketPath reports a path that no socket address can hold.
func checkSocketPath(path string) error {
	if len(path) > socketPathBytesMax {
		return fmt.Errorf("socket path %s has %d bytes, at most %d fit: %w", path, len(path),
			socketPathBytesMax, errPathTooLong)
	}
	return nil
}

var errPathTooLong = errors.New(runtimeDirHint)
