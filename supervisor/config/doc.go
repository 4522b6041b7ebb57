// Package config is the one schema of Weir: YAML file, environment, flags and --set are bound by
// one walker over one table of keys, checked together, and resolved to one [Config].
//
// [Load] reads all sources and reports every problem in one pass, each with its place. A Config is
// complete: defaults are filled in, relative paths are absolute, automatic counts are numbers (but
// limits.connections, which depends on the process). It is a plain value that survives JSON, which
// is how the supervisor hands it to a front.
//
// [Keys] is the table of keys, [Flags] the table of flags; [Explain] says where a value came from;
// [Diff] says what a reload changes and what it costs.
//
// The package knows no middleware and no handler: it asks the [Registry] that the root package
// fills.
package config
