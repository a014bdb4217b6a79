package targets

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"redisjobs/conf"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// batcher lets the checks of one target share its few connections. While one is
// free, a check's commands are sent at once and alone. Checks that come while
// all are busy wait together, and are sent as one pipeline on the first
// connection that becomes free, identical ones as one command: 500 single-key
// items cost a few round trips, and several items that need INFO at the same
// moment send it once. No check gets a reply to a command that was sent before
// the check came.
type batcher struct {
	// run holds one conversation with the target.
	run func(ctx context.Context, cmds []redisclient.Command) ([]resp.Value, error)
	// limit is the number of conversations at once, the target's connections.
	limit int
	// maxWaiting bounds the checks that wait for a target that is silent; 0: no
	// bound.
	maxWaiting int
	// budget is where shared replies take their memory.
	budget *redisclient.Budget

	mu sync.Mutex
	// active counts conversations; queue is empty unless it equals limit.
	active int
	queue  []*call
	waits  waits
	inside int    // checks in DoAll
	heard  uint64 // counts the conversations that the target answered
	silent bool   // it has answered nothing for the time of silence
}

// silence is how long a target may answer nothing before the checks beyond
// maxWaiting are refused. That many may well come at once: a target that answers
// serves hundreds in a few round trips. It is measured in looks, so that a
// machine that holds this process up is not taken for a target that is silent.
const (
	silence = 500 * time.Millisecond
	looks   = 10
)

// waits are the queue's share of the pool's figures: a check that waits for a
// connection here does not wait in the pool.
type waits struct {
	waiting  int // in this moment
	count    uint64
	time     time.Duration
	timeouts uint64
}

// call is the commands of one check while they wait, and of all checks with the
// same commands.
type call struct {
	cmds     []redisclient.Command
	asking   int       // checks that still wait
	sent     bool      // taken from the queue
	taken    time.Time // when
	deadline time.Time // the latest of theirs; zero: one has none
	done     chan struct{}
	values   []resp.Value
	err      error
	lease    *redisclient.Lease // of values, held once for each check that waits
	// alone is the context of a check that takes a reply line by line, which is not
	// shared; nil for others.
	alone context.Context
}

// maxBatch bounds the commands of one pipeline.
const maxBatch = 512

// DoAll implements redisclient.Doer. The values may be shared with other
// checks and must not be changed.
func (b *batcher) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	b.mu.Lock()
	if b.active == 0 {
		b.silent = false
	}
	if b.active < b.limit {
		b.active++
		b.inside++
		b.mu.Unlock()
		defer b.leaveFirst()
		return b.converse(ctx, cmds)
	}
	surplus := b.maxWaiting > 0 && b.inside >= b.maxWaiting
	if surplus && b.silent {
		b.mu.Unlock()
		return nil, b.tooMany()
	}
	now := time.Now()
	c := b.joinLocked(ctx, cmds)
	b.waits.count++
	b.inside++
	b.mu.Unlock()
	return b.wait(ctx, c, now, surplus)
}

// wait waits for a call that was joined at began. A check that came when there
// were maxWaiting already does not wait for a target that stays silent.
func (b *batcher) wait(ctx context.Context, c *call, began time.Time, surplus bool) ([]resp.Value, error) {
	var look <-chan time.Time
	if surplus {
		ticker := time.NewTicker(silence / looks)
		defer ticker.Stop()
		look = ticker.C
	}
	var heard uint64
	quiet := 0
	for {
		select {
		case <-c.done:
			b.leave(c, began, false)
			c.lease.Adopt(ctx)
			return c.values, c.err
		case <-look:
			if b.isSilent(&heard, &quiet) {
				b.leave(c, began, true)
				return nil, b.tooMany()
			}
		case <-ctx.Done():
			if b.leave(c, began, true) {
				return nil, &redisclient.Error{
					Op: "wait", Reason: redisclient.ReasonTimeout, Err: redisclient.InWords("no answer before the deadline", ctx.Err()),
				}
			}
			return nil, &redisclient.Error{Op: "wait", Reason: redisclient.ReasonPool, Err: &busyError{b.limit, ctx.Err()}}
		}
	}
}

// leaveFirst ends a check that did not wait.
func (b *batcher) leaveFirst() {
	b.mu.Lock()
	b.inside--
	b.mu.Unlock()
	b.next()
}

// leave books the end of a check's wait, gaveUp when it has no answer, and
// reports whether its commands were sent.
func (b *batcher) leave(c *call, began time.Time, gaveUp bool) (sent bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inside--
	if gaveUp {
		c.asking--
		if c.lease != nil { // it was answered in this moment
			c.lease.End()
		}
	}
	if c.sent {
		b.waits.time += c.taken.Sub(began)
	} else {
		b.waits.time += time.Since(began)
		b.waits.timeouts++
	}
	return c.sent
}

// isSilent is one look at the target: whether it has answered nothing for as many
// as it may, and more checks wait than may. heard and quiet are the caller's.
func (b *batcher) isSilent(heard *uint64, quiet *int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if *quiet++; b.heard != *heard {
		*heard, *quiet = b.heard, 0
	}
	if *quiet < looks && !b.silent {
		return false
	}
	b.silent = true
	return b.inside > b.maxWaiting
}

// converse holds one conversation, and notes that the target answered. A timeout
// alone is silence.
func (b *batcher) converse(ctx context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
	values, err := b.run(ctx, cmds)
	if redisclient.ReasonOf(err) != redisclient.ReasonTimeout {
		b.mu.Lock()
		b.heard++
		b.silent = false
		b.mu.Unlock()
	}
	return values, err
}

func (b *batcher) tooMany() error {
	return &redisclient.Error{Op: "wait", Reason: redisclient.ReasonPool, Err: fmt.Errorf(
		"the server has not answered for %s, and %d checks wait for it already (option Plugins.%s.MaxWaiting)",
		silence, b.maxWaiting, conf.PluginName)}
}

// joinLocked adds the commands to the queue, or to an equal call in it.
func (b *batcher) joinLocked(ctx context.Context, cmds []redisclient.Command) *call {
	alone := redisclient.HasLines(ctx)
	i := slices.IndexFunc(b.queue, func(c *call) bool {
		return !alone && c.alone == nil && slices.EqualFunc(c.cmds, cmds, slices.Equal[redisclient.Command])
	})
	if i < 0 {
		i = len(b.queue)
		b.queue = append(b.queue, &call{cmds: cmds, done: make(chan struct{})})
	}
	c := b.queue[i]
	if alone {
		c.alone = ctx
	}
	deadline, _ := ctx.Deadline()
	if c.asking == 0 || (!c.deadline.IsZero() && (deadline.IsZero() || deadline.After(c.deadline))) {
		c.deadline = deadline
	}
	c.asking++
	return c
}

// next ends a conversation: its place goes to the calls that wait.
func (b *batcher) next() {
	b.mu.Lock()
	batch := b.takeLocked()
	b.mu.Unlock()
	if batch != nil {
		go func() {
			for ; batch != nil; batch = b.nextBatch() {
				b.serve(batch)
			}
		}()
	}
}

func (b *batcher) nextBatch() []*call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.takeLocked()
}

// takeLocked takes the next batch from the queue, or gives the place up when
// there is none. Calls that no check waits for anymore are dropped.
func (b *batcher) takeLocked() []*call {
	var batch []*call
	var now time.Time
	if len(b.queue) > 0 {
		now = time.Now()
	}
	taken, commands := 0, 0
	for _, c := range b.queue {
		if len(batch) > 0 && (commands+len(c.cmds) > maxBatch || c.alone != nil || batch[0].alone != nil) {
			break
		}
		taken++
		c.sent, c.taken = true, now
		if c.asking > 0 {
			batch = append(batch, c)
			commands += len(c.cmds)
		}
	}
	b.queue = slices.Delete(b.queue, 0, taken)
	if batch == nil {
		b.active--
	}
	return batch
}

// serve sends the calls as one pipeline and passes on the replies. When a reply
// breaks the conversation each call is tried alone, so that only the one whose
// reply is broken fails. A panic, which would end the process and the agent
// with it, becomes the error of all.
func (b *batcher) serve(batch []*call) {
	ctx, lease := b.budget.Begin(context.Background())
	if alone := batch[0].alone; alone != nil {
		ctx = redisclient.LinesOf(ctx, alone)
	}
	defer func() {
		r := recover()
		b.mu.Lock()
		for _, c := range batch {
			if r != nil {
				c.values, c.err = nil, fmt.Errorf("internal error in a shared conversation: %v", r)
			}
			for range c.asking {
				lease.Hold()
			}
			c.lease = lease
			close(c.done)
		}
		b.mu.Unlock()
		lease.End()
	}()
	var cmds []redisclient.Command
	deadline := batch[0].deadline
	for _, c := range batch {
		cmds = append(cmds, c.cmds...)
		if !deadline.IsZero() && (c.deadline.IsZero() || c.deadline.After(deadline)) {
			deadline = c.deadline
		}
	}
	values, err := b.runUntil(ctx, deadline, cmds)
	if len(batch) > 1 && redisclient.ReasonOf(err) == redisclient.ReasonProtocol {
		for _, c := range batch {
			c.values, c.err = b.runUntil(ctx, c.deadline, c.cmds)
		}
		return
	}
	if err != nil {
		values = redisclient.RepliesBefore(err, cmds)
	}
	for _, c := range batch {
		n := len(c.cmds)
		switch {
		case n <= len(values):
			c.values, values = values[:n:n], values[n:]
		case len(values) > 0:
			c.err, values = &redisclient.Unfinished{Cmds: c.cmds, Replies: values, Err: err}, nil
		default:
			c.err = err
		}
	}
}

// figures are the queue's part of the pool's figures.
func (b *batcher) figures() waits {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.waits
	for _, c := range b.queue {
		w.waiting += c.asking
	}
	return w
}

func (b *batcher) runUntil(ctx context.Context, deadline time.Time, cmds []redisclient.Command) ([]resp.Value, error) {
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	return b.converse(ctx, cmds)
}

// busyError means that a check's time ended while all connections were busy.
type busyError struct {
	limit int
	cause error
}

func (e *busyError) Error() string {
	return "all connections to the target (limit " + strconv.Itoa(e.limit) + ") were busy with earlier checks until the deadline"
}

func (e *busyError) Unwrap() error { return e.cause }
