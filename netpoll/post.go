package netpoll

import "github.com/panjf2000/gnet/v2/pkg/queue"

// Post runs f on the loop, in a later turn, in the order of the posts of one goroutine. It is the only
// way into a loop from outside; it does not block. After Stop f may run in the last turn or never:
// false says never.
func (l *Loop) Post(f func()) bool {
	if l.stopping.Load() {
		return false
	}
	task := queue.GetTask()
	task.Exec, task.Param = nil, f
	l.posts.Enqueue(task)
	l.posted.Add(1)
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
