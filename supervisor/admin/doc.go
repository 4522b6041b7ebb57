// Package admin is the administration API of a running instance and its client: HTTP, and JSON under
// /v1, on a Unix socket in the runtime directory, for the user who runs the instance and for root.
//
//	GET  /v1/status                 what the instance is now
//	GET  /metrics                   the same in numbers: text format of Prometheus
//	GET  /v1/requests               those under way; ?pool=POOL, &worker=N, ?older=5s: see [Requests]
//	POST /v1/pools/{pool}/{verb}    recycle, drain, stop, start, disable, scale?workers=N: see [Verb]
//	POST /v1/pools/{pool}/workers/{n}/{verb}   recycle, drain, stop, start, disable
//	                                of pools of upstreams: all but recycle
//	POST /v1/reload                 load the configuration anew and apply what differs
//	POST /v1/shutdown               drain and end
//
// Only POST changes anything. A change is answered when it has happened; with ?wait=false it is
// answered 202 when it has begun. An error is {"error": {"code": "...", "message": "..."}}: 403
// forbidden, 404 not-found, unknown-pool and unknown-worker, 405 method-not-allowed, 409 conflict (the instance is
// shutting down, the pool is stopped, the worker not in a state for it), 422 refused (a bad configuration), 500 failed, 504 timeout.
//
// [Find] finds the instances of this machine.
package admin
