//go:build debugcheck

package netpoll

// poison overwrites released memory, so that a stale view shows.
func poison(b []byte) {
	for i := range b {
		b[i] = 0xDB
	}
}

// checkOn panics when the caller is not on the loop's thread.
func (l *Loop) checkOn() {
	if l.running.Load() && l.thread != threadID() {
		panic("netpoll: loop entered from a foreign thread")
	}
}
