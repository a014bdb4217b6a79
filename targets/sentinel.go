package targets

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"redisjobs/conf"

	"redisjobs/metrics/item"
	"redisjobs/pool"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

const (
	// masterFresh is how long what the sentinels said is used without asking
	// them again.
	masterFresh = 3 * time.Second
	// askPause is how long an answer of the sentinels holds for those who doubt
	// it: a hundred checks that fail in one moment are one inquiry.
	askPause = 50 * time.Millisecond
	// sentinelShare is the least time that one sentinel has for its answer,
	// while others are left, and the most that a check with an answer of the
	// master waits for the sentinels.
	sentinelShare = 500 * time.Millisecond
	// roleMemory is how long a server that does not let us ask for its role is
	// believed to be what the sentinels say.
	roleMemory = time.Hour
)

// follower is a target that is whichever server the sentinels call the master
// of a name. ROLE stands before the commands of every conversation, in the same
// pipeline, so that a value never comes from a server that is no master any
// more, however old its connections are; the price is one short reply.
//
// The sentinels are asked at the first check, in the same moment as the master
// once their answer is older than masterFresh, and at once when a conversation
// fails or a server turns out to be no master. When there is a new master the
// check goes to it.
type follower struct {
	t    *target
	name string // the master's
	// sentinels are in the order of the address.
	sentinels []*conf.Target

	mu      sync.Mutex
	public  *item.Target // what checks get; its Memory is the current master's
	master  *target      // nil before the first answer
	asking  *inquiry     // under way
	last    *inquiry     // ended last
	first   int          // the sentinel that answered last time
	roleOff time.Time    // ROLE is not sent before it
}

// newFollower makes the follower of a target that is otherwise like public.
func newFollower(t *target, public item.Target) *follower {
	f := &follower{t: t, name: t.conf.Master(), sentinels: t.rt.options.Sentinels(t.conf), public: &public}
	public.Doer, public.ConnInfo, public.Sentinels = watched{f, &t.faults}, f.connInfo, f.sentinelTargets
	return f
}

// notMasterError says that the server that sentinels named is none.
type notMasterError struct {
	addr, role string
}

func (e *notMasterError) Error() string {
	return fmt.Sprintf("%s says that it is not a master but a %s", e.addr, e.role)
}

// DoAll implements redisclient.Doer.
func (f *follower) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	began := time.Now()
	master, renewal, err := f.current(ctx)
	if err != nil {
		return nil, err
	}
	values, err := f.converse(ctx, master, cmds)
	if err == nil {
		err = readOnly(values)
	}
	if err == nil {
		return f.confirmed(ctx, master, renewal, values, cmds)
	}
	if !f.doubtful(err) {
		return nil, f.explain(master, err, "")
	}
	q := f.inquire(began, master.conf.Address())
	for redisclient.HasTime(ctx) && (!q.wait(ctx) || q.unsuspecting(master)) {
		q = f.inquire(began, master.conf.Address())
	}
	if !redisclient.HasTime(ctx) { // the inquiry goes on, for the next check
		return nil, f.explain(master, err, "")
	}
	if q.err != nil || q.master.conf == master.conf {
		return nil, f.explain(master, err, q.said)
	}
	values, err = f.converse(ctx, q.master, cmds)
	if err == nil {
		err = readOnly(values)
	}
	if err != nil {
		return nil, f.explain(q.master, err, q.said)
	}
	return values, nil
}

// confirmed is the answer of a master that called itself one. A master that the
// sentinels have replaced does so until they have reached it, so when they were asked in
// the same moment (renewal) and name another one, that one is asked.
func (f *follower) confirmed(
	ctx context.Context, master *target, renewal *inquiry, values []resp.Value, cmds []redisclient.Command,
) ([]resp.Value, error) {
	if renewal == nil {
		return values, nil
	}
	waiting, cancel := context.WithTimeout(ctx, sentinelShare)
	defer cancel()
	if !renewal.wait(waiting) || renewal.err != nil || renewal.master.conf == master.conf || !redisclient.HasTime(ctx) {
		return values, nil
	}
	newer, err := f.converse(ctx, renewal.master, cmds)
	if err == nil {
		err = readOnly(newer)
	}
	if err != nil { // the sentinels' new master does not serve yet, and the old one does
		return values, nil
	}
	return newer, nil
}

// doubtful reports whether the error of a conversation says something about the
// server.
func (f *follower) doubtful(err error) bool {
	switch redisclient.ReasonOf(err) {
	case redisclient.ReasonPool, redisclient.ReasonClosed:
		return false
	}
	return true
}

// readOnlyError says that a server calls itself the master and refuses like a
// replica.
type readOnlyError struct{ refusal error }

func (e *readOnlyError) Error() string {
	return fmt.Sprintf("it calls itself the master, and refuses as a replica does: %v", e.refusal)
}

// readOnly is a *readOnlyError when one of the replies is READONLY.
func readOnly(values []resp.Value) error {
	for _, v := range values {
		if v.Kind == resp.Error && strings.HasPrefix(string(v.Str), "READONLY ") {
			return &redisclient.Error{Op: "read", Reason: redisclient.ReasonSentinel, Err: &readOnlyError{v.Err()}}
		}
	}
	return nil
}

// explain names the master in an error, and what the sentinels said of it.
func (f *follower) explain(master *target, err error, said string) error {
	if err == nil {
		return nil
	}
	if said != "" {
		said = " (" + said + ")"
	}
	var no *notMasterError
	if errors.As(err, &no) {
		return &redisclient.Error{
			Op: "master " + f.name, Reason: redisclient.ReasonSentinel, Err: fmt.Errorf("%w%s", err, said),
		}
	}
	wrap := func(err error) error {
		return fmt.Errorf("master %s at %s: %w%s", f.name, master.conf.Address(), err, said)
	}
	var failing *pool.FailingError
	if errors.As(err, &failing) { // documents show nothing but its cause
		named := *failing
		named.Err = wrap(failing.Err)
		return &named
	}
	return wrap(err)
}

// converse asks a supposed master, with its role before all else.
func (f *follower) converse(ctx context.Context, master *target, cmds []redisclient.Command) ([]resp.Value, error) {
	f.mu.Lock()
	unchecked := time.Now().Before(f.roleOff)
	f.mu.Unlock()
	if unchecked {
		return master.batch.DoAll(ctx, cmds...)
	}
	values, err := master.batch.DoAll(ctx, append([]redisclient.Command{{"ROLE"}}, cmds...)...)
	if err != nil {
		return nil, err
	}
	role, err := readRole(values[0])
	switch {
	case err != nil:
		// Not permitted or not known: the commands' own replies say what else is
		// wrong.
		if reason := redisclient.ReasonOf(err); reason == redisclient.ReasonACL || reason == redisclient.ReasonCommand {
			f.mu.Lock()
			f.roleOff = time.Now().Add(roleMemory)
			f.mu.Unlock()
		}
	case role != "master":
		f.t.rt.pool.Renew(master.conf)
		return nil, &notMasterError{master.conf.Address(), role}
	}
	return values[1:], nil
}

// readRole reads a reply to ROLE. Redis says slave for a replica.
func readRole(v resp.Value) (string, error) {
	elems, err := v.Array()
	if err != nil {
		return "", err
	}
	if len(elems) == 0 {
		return "", errors.New("the reply to ROLE is empty")
	}
	role, err := elems[0].Text()
	if role == "slave" {
		role = "replica"
	}
	return role, err
}

// current is the master as far as is known, and the inquiry that was started
// because the sentinels' last answer is old; nil when it is not. The first check
// waits for the sentinels.
func (f *follower) current(ctx context.Context) (master *target, renewal *inquiry, err error) {
	f.mu.Lock()
	master = f.master
	fresh := f.last != nil && time.Since(f.last.began) < masterFresh
	f.mu.Unlock()
	if master != nil {
		if !fresh {
			renewal = f.inquire(time.Now(), "")
		}
		return master, renewal, nil
	}
	q := f.inquire(time.Now(), "")
	if q.wait(ctx) {
		return q.master, nil, q.err
	}
	return nil, nil, &redisclient.Error{
		Op: "master " + f.name, Reason: redisclient.ReasonTimeout,
		Err: redisclient.InWords("the sentinels have not answered yet", ctx.Err()),
	}
}

// view is what checks get.
func (f *follower) view() *item.Target {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.public
}

var _ redisclient.Doer = (*follower)(nil)

// connInfo describes the newest connection to the master of now.
func (f *follower) connInfo() (redisclient.ConnInfo, bool) {
	f.mu.Lock()
	master := f.master
	f.mu.Unlock()
	if master == nil {
		return redisclient.ConnInfo{}, false
	}
	return master.connInfo()
}

// sentinelTargets are the sentinels for metrics.
func (f *follower) sentinelTargets() []*item.Target {
	out := make([]*item.Target, len(f.sentinels))
	for i, s := range f.sentinels {
		out[i] = &f.t.rt.target(s).public
	}
	return out
}
