package frame

import "errors"

// Errors of a peer that does not keep to the format. The connection is to be closed.
var (
	ErrKind    = errors.New("frame: unknown kind")
	ErrStream  = errors.New("frame: kind on a stream that it does not belong to")
	ErrEnd     = errors.New("frame: END where it may not be, or missing")
	ErrLength  = errors.New("frame: payload length")
	ErrMagic   = errors.New("frame: not a HELLO of this protocol")
	ErrVersion = errors.New("frame: no version in common")
	ErrHead    = errors.New("frame: outline and text of a head do not match")
	ErrStatus  = errors.New("frame: status of a response")
	ErrCredit  = errors.New("frame: credit")
	ErrOrder   = errors.New("frame: a frame that cannot come now")
)
