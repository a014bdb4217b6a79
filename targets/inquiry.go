package targets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// inquiry is one round of questions to the sentinels.
type inquiry struct {
	suspect string // an address that is believed only when no other is named
	began   time.Time
	done    chan struct{}
	master  *target
	said    string // what each sentinel said, for errors
	err     error
}

// wait reports whether the inquiry ended before the context.
func (q *inquiry) wait(ctx context.Context) bool {
	select {
	case <-q.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// unsuspecting reports whether the inquiry ended with a master that is in doubt
// now, on the word of the first sentinel: the others were not asked.
func (q *inquiry) unsuspecting(master *target) bool {
	return q.err == nil && q.suspect == "" && q.master.conf == master.conf
}

// inquire asks the sentinels, unless somebody does so already or has done since
// or a moment before.
func (f *follower) inquire(since time.Time, suspect string) *inquiry {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asking != nil {
		return f.asking
	}
	if f.last != nil && (f.last.began.After(since) || time.Since(f.last.began) < askPause) &&
		(suspect == "" || f.last.suspect != "" || f.last.err != nil || f.last.master.conf.Address() != suspect) {
		return f.last
	}
	q := &inquiry{suspect: suspect, began: time.Now(), done: make(chan struct{})}
	f.asking = q
	go f.run(q)
	return q
}

// run has a time of its own, shorter than a check's: its answer serves all who
// wait, and the next check when none waits anymore.
func (f *follower) run(q *inquiry) {
	defer func() {
		if r := recover(); r != nil { // it would end the process, and the agent with it
			q.err = fmt.Errorf("internal error while asking the sentinels: %v", r)
		}
		f.finish(q)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), f.t.rt.dialLimit())
	defer cancel()
	addr, err := f.ask(ctx, q)
	if err != nil {
		q.err = err
		return
	}
	master, err := f.t.at(addr)
	if err != nil {
		q.err = &redisclient.Error{Op: "master " + f.name, Reason: redisclient.ReasonSentinel, Err: err}
		return
	}
	q.master = master
}

// finish makes an answer known. When there is another master, connections to
// the old one are closed, and what was remembered of it is forgotten.
func (f *follower) finish(q *inquiry) {
	f.mu.Lock()
	old := f.master
	changed := q.master != nil && old != nil && old.conf != q.master.conf
	if q.master != nil {
		f.master = q.master
	}
	if changed {
		public := *f.public
		public.Memory = &item.Memory{}
		f.public = &public
		f.roleOff = time.Time{}
	}
	f.asking, f.last = nil, q
	f.mu.Unlock()
	if changed {
		f.t.rt.pool.Renew(old.conf)
	}
	close(q.done)
}

// ask asks the sentinels in turn, the one that answered last time first, and
// returns the first address that is not suspect.
func (f *follower) ask(ctx context.Context, q *inquiry) (string, error) {
	f.mu.Lock()
	first := f.first
	f.mu.Unlock()
	var said sayings
	var suspect string
	var failure error
	for i := range f.sentinels {
		at := (first + i) % len(f.sentinels)
		addr, err := f.askOne(ctx, f.t.rt.target(f.sentinels[at]), len(f.sentinels)-i)
		said.add(f.sentinels[at].Address(), addr, err)
		q.said = said.String()
		switch {
		case err != nil:
			if failure == nil {
				failure = err
			}
		case addr == q.suspect:
			suspect = addr
		default:
			f.mu.Lock()
			f.first = at
			f.mu.Unlock()
			return addr, nil
		}
	}
	if suspect != "" {
		return suspect, nil
	}
	return "", &redisclient.Error{Op: "master " + f.name, Reason: redisclient.ReasonOf(failure), Err: redisclient.InWords(q.said, failure)}
}

// errUnknownMaster: SENTINEL GET-MASTER-ADDR-BY-NAME answers null.
var errUnknownMaster = redisclient.InWords("no master is known by this name",
	&redisclient.Error{Op: "sentinel", Reason: redisclient.ReasonSentinel, Err: errors.New("null")})

// askOne asks one sentinel, which may take its share of the time that is left.
// Source: https://redis.io/docs/latest/develop/reference/sentinel-clients/
func (f *follower) askOne(ctx context.Context, s *target, left int) (string, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		share := max(time.Until(deadline)/time.Duration(left), sentinelShare)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, share)
		defer cancel()
	}
	values, err := s.batch.DoAll(ctx, redisclient.Command{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", f.name})
	if err != nil {
		return "", err
	}
	parts, err := values[0].Strings()
	switch {
	case errors.Is(err, resp.ErrNull):
		return "", errUnknownMaster
	case err != nil:
		return "", redisclient.NotSentinel(err)
	case len(parts) != 2:
		return "", fmt.Errorf("expected host and port, got %d members", len(parts))
	}
	return net.JoinHostPort(strings.Trim(parts[0], "[]"), parts[1]), nil
}
