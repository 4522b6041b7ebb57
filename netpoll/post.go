package netpoll

import (
	"math"
	"runtime"

	"github.com/panjf2000/gnet/v2/pkg/queue"
)

// postsClosed in Loop.posted: nothing is taken any more. Posts that find it are counted off again.
const postsClosed = math.MinInt64 / 2

// Post runs f on the loop, in a later turn, in the order of the posts of one goroutine. It is the only
// way into a loop from outside; it does not block. true: f runs, if need be when the loop ends. false:
// the loop was stopped, and f never runs.
//
// The queue has no bound of its own, because who posts cannot do without the post: a place, a buffer
// or an exchange would be lost. So each caller bounds what it has under way:
//   - Cap has one post per listener, a cold file one per connection, a dispatch shard one,
//     a request body that is written to a file one;
//   - an exchange has one for its Blocking handler's output, one for its body, and numbers of
//     pipeline's limits.go for what the application posts (asyncPostsMax, runPostsMax);
//   - configuration and drain wait for each of theirs;
//   - the supervisor's events are posted as they come, one per loop; starts of workers are what its
//     back-off paces.
func (l *Loop) Post(f func()) bool {
	if l.stopping.Load() {
		return false
	}
	if l.posted.Add(1) <= 0 { // counted before it is queued, so that the end waits for it
		l.posted.Add(-1)
		return false
	}
	task := queue.GetTask()
	task.Exec, task.Param = nil, f
	l.posts.Enqueue(task)
	if l.awake.CompareAndSwap(asleep, 1) {
		l.wake()
	}
	return true
}

// runPosts runs what was posted, at most postsPerTurn, and reports whether some is left.
func (l *Loop) runPosts() (more bool) {
	for range postsPerTurn {
		if l.posted.Load() == 0 {
			return false
		}
		task := l.posts.Dequeue()
		if task == nil {
			return true // being enqueued right now
		}
		l.posted.Add(-1)
		f := task.Param.(func())
		task.Param = nil
		queue.PutTask(task)
		f()
	}
	return l.posted.Load() > 0
}

// endPosts runs what was posted before now, and takes no more.
func (l *Loop) endPosts() {
	for !l.posted.CompareAndSwap(0, postsClosed) {
		if l.runPosts() {
			runtime.Gosched() // one may be half-way into the queue
		}
	}
}
