package supervisor

import (
	"os"
	"slices"
	"strings"
)

// frontVars are the variables that a front process is started with, if the supervisor has them: those
// of the Go runtime, of time zones, the resolver and the dynamic linker, and where temporary files go.
// Everything else, such as what workers are trusted with, is no business of a process that reads what
// strangers send.
var frontVars = []string{
	"GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK", "GORACE", "GOCOVERDIR",
	"TZ", "TZDIR", "ZONEINFO", "LOCALDOMAIN", "RES_OPTIONS", "LD_LIBRARY_PATH", "LD_PRELOAD",
	"DYLD_LIBRARY_PATH", "TMPDIR",
}

// frontEnv is what of env a front is started with.
func frontEnv(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !slices.Contains(frontVars, name)
	})
}

// hostedEnv is what of env a front is told beside that when it runs handlers or middleware of the
// program, which read their settings there: what workers that host the same have.
func hostedEnv(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, found := strings.Cut(kv, "=")
		return !found || name == "" || private(name) || slices.Contains(frontVars, name)
	})
}

// setEnv adds what a front is told to its environment, as the program's first code may read it.
func setEnv(env []string) error {
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if os.Getenv(name) == value {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}
