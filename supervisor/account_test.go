//go:build linux

package supervisor

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestOtherUsers runs a worker as one user behind a front that is another.
func TestOtherUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("changing users needs root")
	}
	tp := startPoolsWith(t, func(o *PoolsOptions) {
		o.User, o.FrontUser, o.NoFile = "64001:64002", "64003:64004", &[2]uint64{100, 200}
	})
	if err := os.Chmod(tp.dir, 0o711); err != nil {
		t.Fatal(err)
	}
	// The test binary lies where only its owner may look: a copy for the worker's user.
	program := filepath.Join(tp.dir, "app")
	copyFile(t, program, "/proc/self/exe")
	c := testConfig("other", "report")
	c.Program, c.Dir = program, tp.dir
	p, _ := tp.start(t, c)
	printedLine(t, p, "end")
	w := p.Status().Workers[0]
	joined := strings.Join(w.Output, "\n")
	for _, want := range []string{"status Uid: 64001 64001 64001 64001", "status Groups: 64002",
		"env PWD=" + tp.dir, "files 200"} {
		if !strings.Contains(joined, want) {
			t.Errorf("worker does not see %q:\n%s", want, joined)
		}
	}
	wantFile(t, filepath.Dir(w.Address), 0o710, 64001, 64004)
	wantFile(t, w.Address, 0o660, 64001, 64004)
}

func wantFile(t *testing.T, path string, mode os.FileMode, uid, gid uint32) {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	own := st.Sys().(*syscall.Stat_t)
	if st.Mode().Perm() != mode || own.Uid != uid || own.Gid != gid {
		t.Errorf("%s: %o of %d:%d; want %o of %d:%d", path, st.Mode().Perm(), own.Uid, own.Gid, mode, uid,
			gid)
	}
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	src, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close() //nolint:errcheck // only read
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(dst, src); err != nil {
		t.Fatal(err)
	}
	if err := dst.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLookupAccount(t *testing.T) {
	own := ownAccount()
	for _, tc := range []struct {
		desc, spec string
		want       account
		bad        bool
	}{
		{desc: "own", spec: "", want: own},
		{desc: "numbers", spec: "64001:64002",
			want: account{uid: 64001, gid: 64002, groups: []int{64002}, switched: true}},
		{desc: "a number alone", spec: "64001",
			want: account{uid: 64001, gid: 64001, groups: []int{64001}, switched: true}},
		{desc: "unknown user", spec: "no-such-user", bad: true},
		{desc: "unknown group", spec: "64001:no-such-group", bad: true},
	} {
		got, err := lookupAccount(tc.spec)
		if (err != nil) != tc.bad {
			t.Errorf("%s: lookupAccount(%q) = %v", tc.desc, tc.spec, err)
		}
		if err == nil && (got.uid != tc.want.uid || got.gid != tc.want.gid ||
			len(got.groups) != len(tc.want.groups) || got.switched != tc.want.switched) {
			t.Errorf("%s: lookupAccount(%q) = %+v; want %+v", tc.desc, tc.spec, got, tc.want)
		}
	}
}

// TestWorkerAccountHasNoOtherGroups looks for a user with supplementary groups on this machine.
func TestWorkerAccountHasNoOtherGroups(t *testing.T) {
	groups, err := os.ReadFile("/etc/group")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(groups)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		name, _, _ := strings.Cut(fields[len(fields)-1], ",")
		a, err := lookupAccount(name)
		if name == "" || err != nil || len(a.groups) < 2 {
			continue
		}
		w, err := workerAccount(name)
		if err != nil || w.uid != a.uid || w.gid != a.gid || !slices.Equal(w.groups, []int{w.gid}) {
			t.Errorf("workerAccount(%s) = %+v, %v; want %+v without other groups", name, w, err, a)
		}
		return
	}
	t.Skip("no user here has supplementary groups")
}

// TestDescendantsEnd: a worker's descendants that left its group for sessions of their own come to a
// supervisor that is a subreaper, end with the worker, and leave no zombies behind.
func TestDescendantsEnd(t *testing.T) {
	tp := startPoolsWith(t, func(o *PoolsOptions) { o.Process = true })
	defer stopSubreaper(t)
	p, _ := tp.start(t, testConfig("runaway", "runaway"))
	orphan, err := strconv.Atoi(strings.TrimPrefix(printedLine(t, p, "child "), "child "))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitNoProcess(t, orphan)
}
