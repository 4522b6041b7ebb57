package dispatch

import (
	"net/netip"

	"weir/netpoll"
	"weir/pipeline"
)

// exchange is what dispatch needs of an exchange beyond pipeline.Exchange; that of pipeline/server
// has it.
type exchange interface {
	pipeline.Exchange
	// Loop is the loop that the exchange belongs to.
	Loop() *netpoll.Loop
	// FromWorker says that the response is a worker's own: its Server field, or none, is what the
	// client gets.
	FromWorker()
	// LocalAddr is the address that the client has connected to; not valid for a Unix socket.
	LocalAddr() netip.AddrPort
	// Call runs f at once, as a function that was posted, with the recover for user code around it.
	Call(f func(*pipeline.Context))
	// GoAway ends a tunnel gently, for a reason.
	GoAway(pipeline.Reason)
}

// exchangeOf is the exchange behind c. Any other kind of exchange cannot be dispatched: a bug in
// how the front was put together.
func exchangeOf(c *pipeline.Context) exchange {
	x, ok := c.Exchange().(exchange)
	if !ok {
		panic("dispatch: the exchange has no loop")
	}
	return x
}
