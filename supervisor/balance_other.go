//go:build !linux

package supervisor

import "errors"

// attachBalance: SO_REUSEPORT shares out connections on some of these systems, by their own choice.
func attachBalance(int, []int) error { return errors.ErrUnsupported }

// detachBalance has nothing to take back.
func detachBalance(int) error { return nil }

// canBalance: the members of a group share one socket here.
func canBalance() error { return errors.ErrUnsupported }
