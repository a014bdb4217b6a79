package targets

import (
	"context"
	"fmt"
	"sync"
)

// background runs work between checks: at most limit tasks at once, the others
// in the order in which they came. A task that waits costs no goroutine, so that
// thousands of targets may have one.
type background struct {
	limit int
	ctx   context.Context // ends with close
	stop  context.CancelFunc

	mu      sync.Mutex
	running int
	queue   []task // empty unless running equals limit
	idle    chan struct{}
}

// task is one piece of work, and what to call after a panic in it.
type task struct {
	work   func(ctx context.Context)
	failed func(err error)
}

func newBackground(limit int) *background {
	b := &background{limit: limit}
	b.ctx, b.stop = context.WithCancel(context.Background())
	return b
}

// run does the work, now or when its turn comes. After close it does nothing.
func (b *background) run(work func(ctx context.Context), failed func(err error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.ctx.Err() != nil:
	case b.running < b.limit:
		b.running++
		go b.loop(task{work, failed})
	default:
		b.queue = append(b.queue, task{work, failed})
	}
}

func (b *background) loop(t task) {
	for more := true; more; t, more = b.next() {
		b.do(t)
	}
}

// next gives the place up when no task waits for it.
func (b *background) next() (task, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() != nil {
		b.queue = nil
	}
	if len(b.queue) > 0 {
		t := b.queue[0]
		b.queue[0] = task{}
		b.queue = b.queue[1:]
		return t, true
	}
	b.running--
	if b.running == 0 && b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
	return task{}, false
}

// do keeps a panic from ending the process, and the agent with it.
func (b *background) do(t task) {
	defer func() {
		if r := recover(); r != nil {
			t.failed(fmt.Errorf("internal error: %v", r))
		}
	}()
	t.work(b.ctx)
}

// close ends the tasks and waits for them as long as ctx lasts.
func (b *background) close(ctx context.Context) {
	b.stop()
	b.mu.Lock()
	if b.running == 0 {
		b.mu.Unlock()
		return
	}
	if b.idle == nil {
		b.idle = make(chan struct{})
	}
	idle := b.idle
	b.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}
