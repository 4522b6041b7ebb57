//go:build !linux

package netpoll

import (
	"errors"
	"fmt"
)

// Plug has no equivalent here: connections that come between the last accept and the close are reset.
func Plug(fd int) error { return fmt.Errorf("netpoll: plug fd %d: %w", fd, errors.ErrUnsupported) }

// Waiting has no equivalent here.
func Waiting(fd int) (int, error) {
	return 0, fmt.Errorf("netpoll: waiting at fd %d: %w", fd, errors.ErrUnsupported)
}

// Refuse has no equivalent here.
func Refuse(fd int) error {
	return fmt.Errorf("netpoll: refuse at fd %d: %w", fd, errors.ErrUnsupported)
}

// Unplug has nothing to take back.
func Unplug(int) error { return nil }
