package pipeline

import "errors"

// Errors that handlers branch on.
var (
	// ErrStarted refuses a change of status or fields after the response head was handed over.
	ErrStarted = errors.New("pipeline: response has started")
	// ErrEnded refuses output after the response was ended, aborted or cancelled.
	ErrEnded = errors.New("pipeline: response has ended")
	// ErrBackpressure refuses a Write on a loop while the client's outbound queue is above its high
	// mark. Nothing was taken: write again later, or use Stream.
	ErrBackpressure = errors.New("pipeline: outbound queue above the high mark")
	// ErrAgain is returned by Stream's next when there is nothing yet: it is called again after the
	// next Async.Post.
	ErrAgain = errors.New("pipeline: nothing to send yet")
	// ErrLength says that a body does not have the length that was announced.
	ErrLength = errors.New("pipeline: body differs from the announced Content-Length")
	// ErrBodyTooLarge says that a request body is longer than ReadBody's max.
	ErrBodyTooLarge = errors.New("pipeline: request body too large")
	// ErrStatus refuses a status that is no final status code: 200 to 999.
	ErrStatus = errors.New("pipeline: status code out of range")
	// ErrProtocol refuses a tunnel that the client has not asked for: it offers no such protocol, and
	// has not sent CONNECT.
	ErrProtocol = errors.New("pipeline: protocol that the client does not offer")
	// ErrField refuses a name that is no token, or a value with CR, LF, NUL or another control
	// byte.
	ErrField = errors.New("pipeline: malformed field name or value")
	// ErrFraming refuses a field that is the exchange's: Connection (other than close and
	// keep-alive), Keep-Alive, Proxy-Connection, Transfer-Encoding.
	ErrFraming = errors.New("pipeline: field belongs to the connection")
	// ErrFieldsFull says that a Fields has reached its maximum of fields or bytes.
	ErrFieldsFull = errors.New("pipeline: too many fields")
	// ErrNoPool says that there is no pool of that name where the exchange is served.
	ErrNoPool = errors.New("pipeline: no such pool")
	// ErrBodyBegun refuses to delegate a request whose body was asked for.
	ErrBodyBegun = errors.New("pipeline: request body has been begun")
	// ErrBlocking refuses on the goroutine of a Blocking handler what belongs to the loop.
	ErrBlocking = errors.New("pipeline: not in a Blocking handler")
	// ErrCancelled is the cause of a cancelled exchange when the exchange gave none.
	ErrCancelled = errors.New("pipeline: exchange cancelled")
	// ErrCompleted is the cause of Context after the exchange completed.
	ErrCompleted = errors.New("pipeline: exchange completed")
)
