package targets

import (
	"context"
	"fmt"
	"sync"
)

// background runs what goes on between checks: at most limit works at once, the
// others in the order in which they came. A work that waits costs no goroutine,
// so that thousands of targets may have one.
type background struct {
	limit int
	ctx   context.Context // ends with close
	stop  context.CancelFunc

	mu      sync.Mutex
	running int
	queue   []errand // empty unless running equals limit
	idle    chan struct{}
}

// errand is one work, and who is told of a panic in it.
type errand struct {
	work   func(ctx context.Context)
	failed func(err error)
}

func newBackground(limit int) *background {
	b := &background{limit: limit}
	b.ctx, b.stop = context.WithCancel(context.Background())
	return b
}

// run has the work done, now or when its turn comes. After close it does
// nothing.
func (b *background) run(work func(ctx context.Context), failed func(err error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.ctx.Err() != nil:
	case b.running < b.limit:
		b.running++
		go b.loop(errand{work, failed})
	default:
		b.queue = append(b.queue, errand{work, failed})
	}
}

func (b *background) loop(e errand) {
	for more := true; more; e, more = b.next() {
		b.do(e)
	}
}

// next gives the place up when nobody waits for it.
func (b *background) next() (errand, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() != nil {
		b.queue = nil
	}
	if len(b.queue) > 0 {
		e := b.queue[0]
		b.queue[0] = errand{}
		b.queue = b.queue[1:]
		return e, true
	}
	b.running--
	if b.running == 0 && b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
	return errand{}, false
}

// do keeps a panic from ending the process, and the agent with it.
func (b *background) do(e errand) {
	defer func() {
		if r := recover(); r != nil {
			e.failed(fmt.Errorf("internal error: %v", r))
		}
	}()
	e.work(b.ctx)
}

// close ends the works and waits for them as long as ctx lasts.
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
