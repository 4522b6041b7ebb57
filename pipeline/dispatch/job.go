package dispatch

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/fastcgi"
	"weir/protocol/http1"
)

// Reasons under shorter names.
const (
	reasonAbandoned = pipeline.AbandonedByWorker
	reasonHung      = pipeline.WorkerHung
	reasonProtocol  = pipeline.WorkerProtocol
	reasonRefused   = pipeline.WorkerRefused
	reasonTimeout   = pipeline.WorkerTimeout
)

// stage is how far a request has come.
type stage uint8

const (
	stageFree    stage = iota // on the free list; leaves by begin
	stageScript               // its script is looked for; leaves by route.admit
	stageSpool                // the body is kept until it is whole; leaves by unspool
	stageQueued               // waits for a slot; leaves by launch, time-out, cancellation
	stageParked               // waits beside the queue before it is tried again; leaves by reenter
	stageBacklog              // has a slot, the worker's backlog is full; tries again on a timer
	stageConnect              // the connection is being opened
	stageSent                 // head written; body follows as it comes; waits for the response
	stageRelay                // response head handed to the client
	stageTunnel               // it was a 101: bytes go both ways until both sides have sent FIN
)

// job is one request under way: the exchange's Source, the sink of its body, and what a connection
// answers to. It belongs to one loop, which reuses it.
type job struct {
	s     *shard
	timer netpoll.Timer
	chunk http1.ChunkDecoder
	body  []byte // of the request, held for a replay; as far as it came while keep is set
	held  []byte // of a CGI answer, its head, and a small body until it is whole
	request
}

// request is what a job forgets when it is released.
type request struct {
	c     *pipeline.Context // nil on the free list
	x     exchange
	set   *settings
	times *Timeouts
	stage stage

	// queue
	next, prev *job
	ticket     uint64
	waitFrom   int64 // loop time at which it began to wait
	waitSince  int64 // the same in pool time
	queued     bool

	// worker
	lane               *lane // nil without a slot
	up                 *upstream
	link               *link // by which the connection is about to go, in handoff mode
	nextBusy, prevBusy *job
	doneAt             uint32 // what the worker had completed at the dispatch
	base               uint64 // bytes that the connection had sent before this request
	tries, replays     uint8
	wish               wish // see balance.go

	// request body
	keep      bool // job.body has all that came
	receiving bool // ReceiveBody was called
	bodyDone  bool
	paused    bool     // PauseBody was called
	stopped   bool     // the worker wants no more of it
	expecting bool     // the worker's 100 is awaited
	spooled   *spooled // the whole body, or what has come of it; nil: it is sent as it comes

	// FastCGI
	script  namedScript
	search  *search // while stage is stageScript
	headEnd int     // length of the head in held, once it is known

	// response
	kind     http1.Body
	left     int64 // bytes of a BodyLength body
	seen     int   // bytes of a partial head looked at
	need     int   // bytes of head and small body together; 0 unless they are awaited
	late     bool  // what is there is forwarded although it is not whole
	gotByte  bool  // of the answer, informational ones aside
	interims int   // informational responses that came
	informed bool  // the client got an informational response
	choked   bool  // the client has no room
	reuse    bool  // the worker keeps the connection open
	socket   bool  // a tunnel's protocol is WebSocket, which has no half-closed state

	// clocks, in loop time; see clock.go
	start    int64 // of the first dispatch; 0 before
	wakeAt   int64 // of what the stage waits for: end of queue, retry, 100, small response
	delay    int64 // between attempts at a full backlog
	moved    int64 // last progress: bytes taken by the worker, then bytes from it
	movedTo  uint64
	sentAll  int64 // when the last byte of the request was seen to have gone; 0 before
	heldFrom int64 // since when the worker owes a byte
	deadAt   int64 // the process is gone: end of the grace; 0 while it lives
}

// begin takes an exchange on.
func (j *job) begin(c *pipeline.Context, x exchange, set *settings, t *Timeouts) {
	j.c, j.x, j.set, j.times = c, x, set, t
	r := c.Request()
	j.bodyDone = !r.HasBody()
	j.keep = true
	j.stage = stageQueued
}

// reset forgets the request but keeps its memory.
func (j *job) reset() {
	if j.spooled != nil {
		j.spooled.release()
	}
	if j.search != nil {
		j.search.j = nil
	}
	if j.held = j.held[:0]; cap(j.held) > smallBodyMax {
		j.held = nil
	}
	if j.kind == http1.BodyChunked {
		j.chunk.Reset()
	}
	if j.body = j.body[:0]; cap(j.body) > heldBodyMax {
		j.body = nil
	}
	j.request = request{}
}

// answering says whether any byte of a response has come.
func (j *job) answering() bool { return j.gotByte || j.stage >= stageRelay }

// consumed says whether the worker's side took a byte of the request.
func (j *job) consumed() bool { return j.up != nil && j.up.conn.Sent() > j.base }

// dial opens a connection for the slot that j has.
func (j *job) dial() {
	now := j.s.loop.Now()
	if j.start == 0 {
		j.start = now
	}
	if j.stage != stageBacklog {
		j.moved = now // the connect clock
		j.delay = 0
	}
	if j.lane.w.handoff {
		j.give(now)
		return
	}
	if j.lane.w.mux {
		j.join(now)
		return
	}
	u := &upstream{lane: j.lane}
	conn, err := j.s.loop.Dial(j.lane.address, u)
	if err != nil {
		j.unconnected(now, err)
		return
	}
	conn.Bulk(true)
	u.conn = conn
	if conn.Connected() {
		j.lane.accepted()
		j.send(u)
		return
	}
	j.stage, j.up, u.job = stageConnect, u, j
	j.arm(now)
}

// unconnected goes on when a connection could not be begun.
func (j *job) unconnected(now int64, err error) {
	switch {
	case errors.Is(err, netpoll.ErrStopped):
		j.stop()
	case errors.Is(err, netpoll.ErrBacklogFull) || ownShortage(err):
		j.backlog(now)
	default:
		j.refused(err)
	}
}

// ownShortage says whether a connection failed for want of something of this process.
func ownShortage(err error) bool {
	for _, e := range [...]syscall.Errno{
		unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.EADDRNOTAVAIL,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// backlog keeps the slot and tries again a little later.
func (j *job) backlog(now int64) {
	j.stage = stageBacklog
	j.delay = min(max(2*j.delay, int64(backlogWaitMin)), int64(backlogWaitMax))
	j.wakeAt = now + j.delay
	j.arm(now)
}

// park waits for replayWait without a slot and without a place in the queue.
func (j *job) park() {
	now := j.s.loop.Now()
	j.stage = stageParked
	j.wakeAt = now + int64(replayWait)
	j.arm(now)
}

// redial is the next attempt at a full backlog: at the worker with the fewest requests, which may
// be another one.
func (j *job) redial() {
	l, s := j.lane, j.s
	j.unlane()
	l.w.giveBack()
	s.reenter(j)
	s.serve()
}

// refused ends an attempt to connect: another worker, or the queue.
func (j *job) refused(err error) {
	l, s := j.lane, j.s
	j.unlane()
	l.refuse(err)
	l.w.giveBack()
	bump(&s.refused)
	s.reenter(j)
	s.serve()
}

// unlane takes j off its worker's books; the slot is still to be given back, closed or kept.
func (j *job) unlane() {
	l := j.lane
	l.removeBusy(j)
	l.w.abandoned()
	j.lane = nil
	if j.link != nil {
		j.link.forget(j)
		j.link = nil
	}
	if j.up != nil {
		j.up.job = nil
		j.up = nil
	}
}

// send writes the request to u, whose slot j has.
//
// Hot path: once per request. No allocation: TestProxyAllocs.
func (j *job) send(u *upstream) {
	now := j.s.loop.Now()
	if j.start == 0 {
		j.start = now
	}
	u.job, j.up = j, u
	j.stage = stageSent
	if j.lane.w.proxy > 0 {
		j.introduce(u)
	}
	j.base = u.conn.Sent() + uint64(u.conn.Queued())
	j.moved, j.movedTo, j.heldFrom = now, j.base, now
	j.sentAll, j.wakeAt = 0, 0
	j.gotByte, j.seen, j.need, j.late, j.interims = false, 0, 0, false, 0
	j.held, u.decoder = j.held[:0], fastcgi.Decoder{}
	gateway := j.lane.w.protocol != HTTP
	switch {
	case u.mux != nil:
		if !j.writeRequest(u) {
			return
		}
	case !gateway:
		j.writeHead(u.conn)
	case !j.writeVariables(u.conn):
		return
	}
	switch {
	case j.inFile():
		j.sendFile(u)
	case j.bodyDone && len(j.body) == 0 && !j.c.Request().Chunked:
	case j.receiving:
		j.resend(u)
	case j.c.Request().ExpectContinue && !gateway: // else we say it
		j.expecting = true
		j.wakeAt = now + int64(continueWait)
	default:
		j.receive()
	}
	if u.job == j {
		j.arm(now)
	}
}

// OnWritable implements pipeline.Source: the client has room again.
func (j *job) OnWritable(c *pipeline.Context) {
	if j.c != c || !j.choked {
		return
	}
	j.choked = false
	j.moved = j.s.loop.Now()
	if j.up.mux != nil {
		j.up.credit()
	} else {
		j.up.conn.Resume()
	}
	j.arm(j.moved)
}

// OnCancel implements pipeline.Source: the exchange is over. The worker sees its connection closed.
func (j *job) OnCancel(c *pipeline.Context, _ error) {
	if j.c == c {
		j.drop()
	}
}

// drop ends j without a word to the client, wherever it is.
func (j *job) drop() {
	s := j.s
	if j.queued {
		s.leave(j)
	}
	j.detach()
	s.release(j)
	s.serve()
}

// detach takes j off its worker, closing the connection: the slot is free.
func (j *job) detach() {
	l, u := j.lane, j.up
	if l == nil {
		return
	}
	j.unlane()
	if u != nil {
		u.close()
		return
	}
	l.w.giveBack()
}
