package main

import (
	"fmt"
	"strings"
)

// A skip is a test that was skipped, and what it said.
type skip struct{ pkg, test, reason string }

func (s skip) String() string {
	return fmt.Sprintf("SKIP: %s.%s: %s (not in cmd/check/skips.go)", s.pkg, s.test, s.reason)
}

// skipAllowed lists what may be skipped in CI, each by what the machine lacks. A program that
// .ci/run can install, or the right to be root, does not belong here.
var skipAllowed = []struct {
	pkg    string // import path; every package below it too
	reason string // part of what the test says
	why    string
}{
	{"weir", "no IPv6 here", "a container without an IPv6 loopback is common"},
	{"weir/supervisor", "listen on [::1]", "the same, told by the kernel's error"},
	{"weir", "takes SO_ATTACH_REUSEPORT_CBPF", "sandboxes have no such option: workers share a socket there"},
	{"weir/supervisor/worker", "no node with WebSocket", "WebSocket came with Node 20.10, distributions have 18"},
	{"weir/supervisor", "no controller ", "cgroup2 has those that cgroup v1 does not, which some still have"},
	{"weir/netpoll", "the kernel took only", "socket buffers smaller than the test's write"},
}

// skips is the rule of one run of the tests.
type skips struct {
	strict bool // WEIR_CI is set
	short  bool // -short: tests skip for it, and the plain step has covered them
}

// refuse returns those of all that fail the run.
func (k skips) refuse(all []skip) []skip {
	if !k.strict || k.short {
		return nil
	}
	var bad []skip
	for _, s := range all {
		if !allowed(s) {
			bad = append(bad, s)
		}
	}
	return bad
}

func allowed(s skip) bool {
	for _, a := range skipAllowed {
		if (s.pkg == a.pkg || strings.HasPrefix(s.pkg, a.pkg+"/")) &&
			strings.Contains(s.reason, a.reason) {
			return true
		}
	}
	return false
}
