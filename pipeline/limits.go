package pipeline

// Maxima of this package. Each is per exchange; what one exchange can hold in user memory is their
// sum: the response buffer, the fields, the runs' two queues and the stream buffer.
const (
	bufferedBodyMax = 16 << 10  // bytes of body kept so that a small response gets Content-Length
	streamChunk     = 16 << 10  // bytes asked of Stream's next at a time
	pumpMax         = 256 << 10 // bytes a loop takes from Stream's next before it sees to others
	streamIdleMax   = 16        // calls of next in a row that may return (0, nil)

	fieldsMax     = 256      // response fields, and trailers
	fieldBytesMax = 64 << 10 // bytes of names and values of one Fields, dead ones included

	callbacksMax = 64 // OnStarting, OnCompleted and filters, each
	keysMax      = 64 // NewKey calls in one process
	postedMax    = 64 // Async.Post while a Blocking handler runs

	asyncPostsMax = 1024 // Async.Post, not run yet
	runPostsMax   = 64   // what else a Blocking handler has the loop do; above it the handler waits

	runBatch    = 16 << 10 // bytes a Blocking handler writes before they are posted to the loop
	runQueueMax = 64 << 10 // bytes written and not yet taken by the loop; above it Write blocks
	runBodyHigh = 64 << 10 // bytes of request body waiting for BodyReader; above it reading pauses
	runBodyLow  = 16 << 10 // below it reading resumes

	bodyGuessMax  = 1 << 20 // bytes made for a body because its Content-Length says so
	inlineBodyMax = 1 << 20 // bytes of request body for an adapted handler within Inline

	requestIDMax = 128 // bytes of a request id taken from a client
)
