package pipeline

// Reason says why Weir itself answered or cut an exchange. One enum for log, metric, admin API and
// X-Weir-Reason; the names are those of HTTP.sys's error log where it has them.
//
// systems.md rows H50-H57.
type Reason uint8

// Reasons, in the order of the life of a request.
const (
	ReasonNone Reason = iota
	BadRequest
	ReasonHost // Hostname: missing, repeated or malformed Host
	ReasonURL
	ReasonURLLength
	ReasonVerb
	ReasonFieldLength
	ReasonRequestLength
	EntityTooLarge
	ExpectationFailed
	TransferEncoding
	VersionNotSupported
	NotHTTP // TLS ClientHello, HTTP/2 preface or other bytes on a plain port
	ProxyProtocol
	NoSite // no binding matches: 421
	NotFound
	TimerHeaderWait
	TimerConnectionIdle
	TimerEntityBody
	TimerMinBytesPerSecond
	TimerDrain
	ConnLimit
	FdLimit
	MemoryPressure
	QueueFull
	QueueTimeout
	AppOffline
	AppShutdown
	Disabled
	AbandonedByWorker
	WorkerRefused
	WorkerProtocol
	WorkerConnectTimeout // timeouts.connect
	WorkerTimeout        // timeouts.first_byte
	WorkerIdleTimeout    // timeouts.idle
	WorkerTotalTimeout   // timeouts.total
	TunnelTimeout        // timeouts.tunnel
	WorkerHung
	BlockingFull
	SpoolFull   // no room for a request body that is kept until it is whole
	SpoolFailed // its file could not be written
	HandlerPanic
	HandlerError // a stream, a filter or a file failed in the middle of a response
	ClientDropped
	Draining
	HandedOff // the connection was given to a worker, which answers
	reasonCount
)

// Reasons is how many there are, ReasonNone included.
const Reasons = int(reasonCount)

var reasonNames = [reasonCount]string{
	ReasonNone: "-", BadRequest: "BadRequest", ReasonHost: "Hostname", ReasonURL: "URL",
	ReasonURLLength: "URL_Length", ReasonVerb: "Verb", ReasonFieldLength: "FieldLength",
	ReasonRequestLength: "RequestLength", EntityTooLarge: "EntityTooLarge",
	ExpectationFailed: "Expectation", TransferEncoding: "N/I", VersionNotSupported: "Version_N/S",
	NotHTTP: "NotHTTP", ProxyProtocol: "ProxyProtocol", NoSite: "NoSite", NotFound: "NotFound",
	TimerHeaderWait: "Timer_HeaderWait", TimerConnectionIdle: "Timer_ConnectionIdle",
	TimerEntityBody: "Timer_EntityBody", TimerMinBytesPerSecond: "Timer_MinBytesPerSecond",
	TimerDrain: "Timer_Drain", ConnLimit: "ConnLimit", FdLimit: "FdLimit",
	MemoryPressure: "MemoryPressure", QueueFull: "QueueFull", QueueTimeout: "Timer_AppPool",
	AppOffline: "AppOffline", AppShutdown: "AppShutdown", Disabled: "Disabled",
	AbandonedByWorker: "Abandoned_By_Worker", WorkerRefused: "WorkerRefused",
	WorkerProtocol: "WorkerProtocol", WorkerConnectTimeout: "Timer_WorkerConnect",
	WorkerTimeout: "Timer_Worker", WorkerIdleTimeout: "Timer_WorkerIdle",
	WorkerTotalTimeout: "Timer_WorkerTotal", TunnelTimeout: "Timer_Tunnel", WorkerHung: "WorkerHung",
	BlockingFull: "BlockingFull", SpoolFull: "SpoolFull", SpoolFailed: "SpoolFailed",
	HandlerPanic: "HandlerPanic",
	HandlerError: "HandlerError", ClientDropped: "Client_Dropped",
	Draining: "Draining", HandedOff: "HandedOff",
}

// String is the reason's stable name, "-" for none.
func (r Reason) String() string { return reasonNames[r] }
