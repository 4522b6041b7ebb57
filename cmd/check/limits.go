package main

import "time"

// Budgets are what a step should take on two cores with a warm build cache; they are printed, never
// enforced. Timeouts are what it may take on a slow machine with a cold one. Their total is held
// below totalMax by a test, so that .ci/run with its other half stays below 90 minutes.
const totalMax = 60 * time.Minute

const (
	// testTimeout bounds one package's tests (go test -timeout): its panic shows every goroutine.
	testTimeout = 6 * time.Minute

	// fuzzShare is what all fuzz targets get together; the rest of the step's budget is compiling.
	fuzzShare = 90 * time.Second
	// fuzzEachMax is what one target gets at most, fuzzEachMin at least.
	fuzzEachMax = 10 * time.Second
	fuzzEachMin = 2 * time.Second

	// graceKill is how long an interrupted step may take to end before SIGKILL.
	graceKill = 5 * time.Second

	// stepOutputMax bounds what is kept of one step's output.
	stepOutputMax = 32 << 20
	// eventLineMax bounds one line of go test -json: a test's line of output, escaped.
	eventLineMax = 16 << 20
)
