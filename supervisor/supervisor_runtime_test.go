package supervisor

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestRuntimeDirIsLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w")
	d, note, err := claimRuntimeDir(t.Context(), runtimePlace{path: path, mode: 0o700})
	if err != nil || note != "" || d.path != path {
		t.Fatalf("claimRuntimeDir = %+v, %q, %v", d, note, err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v; want 0700", st.Mode(), err)
	}
	_, _, err = claimRuntimeDir(t.Context(), runtimePlace{path: path, explicit: true, mode: 0o700})
	if want := fmt.Sprintf("runtime directory %s: in use by pid %d", path, os.Getpid()); err == nil ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("a taken explicit directory: %v; want %q", err, want)
	}
	other, note, err := claimRuntimeDir(t.Context(), runtimePlace{path: path, mode: 0o700})
	want := fmt.Sprintf("%s-%d", path, os.Getpid())
	if err != nil || other.path != want || !strings.Contains(note, want) {
		t.Fatalf("a taken usual directory: %+v, %q, %v; want %s", other, note, err, want)
	}
	other.release()
	if _, err := os.Lstat(want); !os.IsNotExist(err) {
		t.Errorf("%s is left over: %v", want, err)
	}
	d.release()
	if d, _, err = claimRuntimeDir(t.Context(), runtimePlace{path: path, explicit: true, mode: 0o700}); err != nil {
		t.Fatalf("after release: %v", err)
	}
	// One that is about to end, as a killed instance is, is waited for.
	time.AfterFunc(3*dirTakenRetryEvery, d.release)
	next, note, err := claimRuntimeDir(t.Context(), runtimePlace{path: path, mode: 0o700})
	if err != nil || next.path != path || note != "" {
		t.Fatalf("beside one that ends: %+v, %q, %v; want %s", next, note, err, path)
	}
	next.release()
}

func TestRuntimeDirRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ desc, path, want string }{
		{"relative", "x", "not absolute"},
		{"a file", file, "it is not a directory"},
		{"a link", link, "it is a symbolic link"},
		{"below a file", file + "/x", "choose another with --runtime-dir"},
	} {
		for _, explicit := range []bool{true, false} {
			d, _, err := claimRuntimeDir(t.Context(), runtimePlace{path: tc.path, explicit: explicit, mode: 0o700})
			if err == nil {
				d.release()
				t.Errorf("%s: claimed", tc.desc)
			} else if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %v; want %q in it", tc.desc, err, tc.want)
			}
		}
	}
}

func TestRuntimeDirOfAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	path := filepath.Join(t.TempDir(), "w")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 12345, -1); err != nil {
		t.Fatal(err)
	}
	d, _, err := claimRuntimeDir(t.Context(), runtimePlace{path: path, mode: 0o700})
	if err == nil {
		d.release()
		t.Fatal("took another user's directory")
	}
	if !strings.Contains(err.Error(), "it belongs to user 12345") {
		t.Errorf("claimRuntimeDir = %v", err)
	}
}
