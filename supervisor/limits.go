package supervisor

import "time"

// Maxima of pools and workers. Every queue, list and retry of this package is bounded here; what
// configuration sets is named in [PoolConfig].
const (
	poolNameBytesMax = 64   // of a pool's name; it is part of a path
	poolWorkersMax   = 4096 // workers of one pool
	commandArgsMax   = 4096 // argv entries of a worker

	// sockaddr_un.sun_path holds 108 bytes with the final NUL (104 on BSD: see socketPathBytesMax).
	runtimeDirHint = "choose a shorter --runtime-dir"

	probeHost      = "localhost" // Host of requests to workers that name none
	workersCounted = 999_999     // workers of a pool's life for whose numbers paths have room

	upstreamsMax        = 256             // addresses of one pool
	upstreamAsksMax     = 64              // checks and look-ups at once, of all pools
	upstreamLookUpMax   = 5 * time.Second // for one look-up
	upstreamLookUpAgain = 5 * time.Second // after one without an answer, at most

	inboxEventsMax = 1 << 16 // events that wait for the main loop; beyond it hints are dropped

	exitsKept          = 10              // last exits that Status shows per pool
	sidecarFailuresMax = 5               // in a row; the start of the instance is then not held up any longer
	stopSidecarsMin    = 3 * time.Second // sidecars get at least this long to stop after the pools

	failuresKept  = 1000 // times of failures per pool; more if rapid_fail.failures is
	halfOpenFirst = 4    // doublings of backoffMin before the first half-open probe: 1.6 s

	outputBufferMin       = 512                  // of a stream that has nothing to say; doubles to the next
	outputLineBytesMax    = 16 << 10             // a longer line is cut into pieces of this size
	outputLinesPerSecond  = 10_000               // per worker, by default
	outputLinesKept       = 100                  // per worker, for status and errors
	outputKeptBytesMax    = 64 << 10             // of those lines together, per worker
	outputErrorLines      = 5                    // last lines quoted in a log line about a failed worker
	outputQueueLinesMax   = 4096                 // lines that wait for the log, of all pools
	outputQueueBytesMax   = 4 << 20              // bytes of those lines
	outputDrainAfterDeath = 3 * time.Millisecond // for the end of a dead worker's output
	outputFlushMax        = time.Second          // at Close, for a log that blocks

	notifyMessageBytesMax = 4 << 10 // a datagram on NOTIFY_SOCKET; systemd's own bound is of this order
	statusBytesMax        = 256     // of STATUS=

	portMin = 20_000 // PORT is taken from [portMin, portMax]
	portMax = 29_999

	errorsMin         = 20          // requests below which an error share says nothing
	errorWindowLength = time.Minute // of recycle.errors
	errorWindowSteps  = 6
	watchJump         = 0.1              // more errors than old workers by so much roll a recycle back
	recycleYoung      = time.Minute      // a worker that must go this soon after ready proves a limit useless
	recycleRetryMin   = 10 * time.Second // from a replacement that did not help to the next, doubled each time
	recycleRetryMax   = 10 * time.Minute
	wallClockEvery    = time.Minute      // how often recycle.at looks whether the clock was put forward
	roomEvery         = time.Second      // how often memory is measured while a recycle waits for it
	roomPatience      = time.Minute      // then the old worker goes first
	filesEvery        = time.Second      // between looks at recycle.files
	filesQuiet        = 2 * time.Second  // without a change, before a recycle by files
	filesQuietMax     = 30 * time.Second // of changes, before a recycle in any case
	watchedFilesMax   = 10_000           // per pool

	envFileBytesMax = 1 << 20 // one file of env.files

	backoffMin      = 100 * time.Millisecond // after the first of consecutive deaths
	backoffMax      = 30 * time.Second
	earlyDeath      = 10 * time.Second // a death this soon after ready is a failure
	readySlow       = 10 * time.Second // a warning says what is waited for
	killPatience    = 5 * time.Second  // from SIGKILL to the complaint that the worker is still there
	killPatienceMax = 5 * time.Minute  // the complaint is repeated at doubling intervals up to this

	scaleAgain         = 500 * time.Millisecond // between looks at a load that no report tells of; > two reports
	parkPatience       = 10 * time.Second       // for a worker to be drained that is to be suspended
	cgroupDepthMax     = 32                     // levels that are searched for a limit of memory
	pressureEvery      = 5 * time.Second        // between samples of memory pressure
	pingRetry          = time.Second            // from a wrong answer of an HTTP ping to the next probe
	pingOverslept      = time.Second            // a time-out noticed this late tells of us, not of the worker
	pingBodyBytesMax   = 1 << 10                // of an HTTP answer, quoted when it is a wrong one
	pingHeadBytesMax   = 64 << 10               // of an HTTP answer
	pingFetchBeyond    = time.Second            // an HTTP ping is given up so long after ping.timeout
	groupReportEvery   = 200 * time.Millisecond // looks at what workers that accept have counted
	memberCountRate    = 1e7                    // of anything, that one of them counts in a second
	memberBytesRate    = 1 << 35                // the same of bytes, as a mean of its life
	memberCountsSlack  = 1 << 16                // on top of both, for looks at short intervals
	memberOpenMax      = 1 << 20                // connections of one
	balanceProgramMax  = 4096                   // instructions; BPF_MAXINSNS
	pingSendMax        = time.Second            // for a control socket whose buffer is full
	signalBytesMax     = 4 << 10                // one message of a worker on its control socket
	hungAnswerMax      = time.Second            // for fronts to say what a hung worker held
	dumpPatience       = time.Second            // from the dump signal to what follows
	hookTimeout        = 30 * time.Second       // then the hook's process group is killed
	hookCloseMax       = 2 * time.Second        // for hooks that run when the supervisor ends
	hooksMax           = 4                      // hooks that run at a time, of all pools
	hookOutputBytesMax = 16 << 10               // of a hook's output: the end of it is logged
	orphansMax         = 8                      // per pool; further ones are ended as by action kill
	auditEvery         = time.Second            // books against kernel, while there are workers

	probeIntervalMin     = time.Millisecond
	probeIntervalMax     = 20 * time.Millisecond
	probeDialTimeout     = 200 * time.Millisecond
	probeForeignInterval = 200 * time.Millisecond // while another process holds PORT
	probeAskInterval     = 50 * time.Millisecond  // between the requests of an HTTP probe
	probeAnswerTimeout   = 2 * time.Second
	warmupTimeoutMax     = 5 * time.Minute // of a warm-up request whose own bound is off
	answerBytesMax       = 16 << 20        // read of an answer to a probe or a warm-up request
	inheritBacklog       = 4096            // of an inherited socket; at most somaxconn
	familyDepthMax       = 64              // generations from a worker to who listens for it
	inheritReadyAfter    = time.Second     // a worker with an inherited socket counts as ready then

	spawnTimeout         = 10 * time.Second // from fork to exec of the worker's program
	statusPipeBytesMax   = 4 << 10          // the spawn helper's report
	cgroupEventsBytesMax = 256              // of cgroup.events
	warningsKept         = 1000             // that are said once; beyond it they may be repeated
	cpuIntervalMin       = time.Second      // of cpu_limit: processor time comes in hundredths
	cgroupPeriodUS       = 100_000          // of cpu.max
	cgroupWeightMax      = 10_000           // of cpu.weight
	cgroupEmptyAfter     = time.Second      // after cgroup.kill; then the group stays behind
	descendantPassesMax  = 10               // looks for what a dead worker left behind
	orphanSweepEvery     = time.Second      // how often children adopted from dead workers are collected
)

// Defaults of PoolConfig.
const (
	defaultWorkers           = 1
	defaultConcurrency       = 64
	defaultReadyTimeout      = 90 * time.Second
	defaultPingEvery         = 10 * time.Second
	defaultPingTimeout       = 30 * time.Second
	defaultPingStatus        = 200
	defaultHangKeep          = 10 * time.Minute
	defaultStopTimeout       = 30 * time.Second
	defaultWarmupTimeout     = 30 * time.Second
	defaultRapidFailFailures = 5
	defaultRapidFailWindow   = 5 * time.Minute
	defaultScaleWait         = 100 * time.Millisecond
	defaultScaleBusy         = 80 // percent
	defaultScaleCooldown     = 10 * time.Second
	defaultCPUInterval       = 5 * time.Minute
)
