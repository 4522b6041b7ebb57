package dispatch

import (
	"weir/netpoll"
	"weir/pipeline"
)

// exchange is what dispatch needs of an exchange beyond pipeline.Exchange; that of pipeline/server has
// it.
type exchange interface {
	pipeline.Exchange
	// Loop is the loop that the exchange belongs to.
	Loop() *netpoll.Loop
	// FromWorker says that the response is a worker's own: its Server field, or none, is what the
	// client gets.
	FromWorker()
}

// lookExchange is how exchangeOf reaches the exchange behind a Context.
var lookExchange = func(c *pipeline.Context) pipeline.Exchange {
	if h, ok := any(c).(interface{ Exchange() pipeline.Exchange }); ok {
		return h.Exchange()
	}
	return nil
}

// exchangeOf is the exchange behind c. Any other kind of exchange cannot be dispatched: a bug in how
// the front was put together.
func exchangeOf(c *pipeline.Context) exchange {
	x, ok := lookExchange(c).(exchange)
	if !ok {
		panic("dispatch: the exchange has no loop")
	}
	return x
}
