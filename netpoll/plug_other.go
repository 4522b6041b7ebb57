//go:build !linux

package netpoll

import (
	"errors"
	"fmt"
)

// Plug has no equivalent here: connections that come between the last accept and the close are reset.
func Plug(fd int) error { return fmt.Errorf("netpoll: plug fd %d: %w", fd, errors.ErrUnsupported) }

// Unplug has nothing to take back.
func Unplug(int) error { return nil }
