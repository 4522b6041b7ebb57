//go:build !linux

package dispatch

import (
	"errors"
	"os"
)

// openUnnamed leaves it to Spool.create to take the name away.
func openUnnamed(string) (*os.File, error) { return nil, errors.ErrUnsupported }
