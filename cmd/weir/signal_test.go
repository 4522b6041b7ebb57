package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A command that is no instance ends at SIGTERM and Ctrl-C, whatever it waits for.
func TestVerbsEndBySignal(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		file := filepath.Join(t.TempDir(), "weir.yaml")
		if err := unix.Mkfifo(file, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(filepath.Join(bin, "weir"), "check", file)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		writer, err := os.OpenFile(file, os.O_WRONLY, 0) // returns when weir has opened it
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			_ = cmd.Wait() // its state is looked at below
			close(ended)
		}()
		if !closes(ended) {
			_ = cmd.Process.Kill() // it may end just now
			<-ended
		}
		_ = writer.Close() // nothing was written
		ws, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !ws.Signaled() || ws.Signal() != sig {
			t.Errorf("weir check, told %v: ended by %v; want by that signal", sig, cmd.ProcessState)
		}
	}
}

// closes waits for ch to be closed; false when patience is out.
func closes(ch <-chan struct{}) bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-ch:
		return true
	case <-late.C:
		return false
	}
}
