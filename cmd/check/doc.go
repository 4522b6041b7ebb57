// Command check is the one developer command: what must hold before a change is proposed.
//
//	go run ./cmd/check                   everything
//	go run ./cmd/check -skip-plain       all but the plain tests, which go test ./... runs as well
//	go run ./cmd/check -only vet,rules   some steps, in the order of the table
//	go run ./cmd/check -list             the steps, their budgets and what they are for
//
// Steps run one after the other, all of them even if one fails. Each prints one line: its verdict,
// its duration and its budget on two cores; a failing step prints its whole output first. A budget
// overrun is shown and fails nothing, because machines differ; each step has a timeout that does
// (limits.go). Exit status: 0 all passed, 1 a step failed or was interrupted, 2 usage.
// An interrupt ends the running step and every process that it started, then this command.
//
// # Tools
//
// staticcheck, and gofumpt for editors, are pinned in tools.mod beside this file, so that they stay
// out of the product's go.mod:
//
//	go tool -modfile=cmd/check/tools.mod gofumpt -w FILE
//
// # Skipped tests and WEIR_CI
//
// A test may skip for want of a program, of IPv6, of root. On a developer's machine the plain step
// only counts skips. Where WEIR_CI is set (to anything; .ci/run sets it) a test that was skipped
// without -short and is not in the list of skips.go is a failure, so that a program missing in CI
// is not mistaken for a green test. Tests need not read WEIR_CI themselves.
//
// # go test -json on standard input
//
//	go test -json ./... | go run ./cmd/check -testlog
//
// prints what go test ./... would have printed and applies the rule on skips; .ci/run uses it.
//
// # Rules
//
// The rules step is this package's own tests: which package may import which, what may lie at the
// top level, where unsafe may be used, no time.Sleep in tests, and every "Hot path" comment names a
// test that exists. They also run under go test ./....
package main
