package passwords

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"redisjobs/conf"
)

const (
	// firstPause is how long a command is not run again after it failed, or after
	// the server has refused two passwords of it in a row. The pause doubles each
	// time up to longestPause.
	firstPause   = 10 * time.Second
	longestPause = 5 * time.Minute
)

var errPending = errors.New("the command has not ended yet: a check waits for it no longer than its own time, and it may take 30 seconds")

// Keeper keeps the newest password of each command. It may be used by many
// goroutines at once.
type Keeper struct {
	run  func(ctx context.Context, args []string) (conf.Secret, error)
	ctx  context.Context
	stop context.CancelFunc

	mu   sync.Mutex
	kept map[conf.Secret]*kept // by conf.Command.Key: only the configuration has commands
}

// kept is what is known of one command; Keeper.mu guards it.
type kept struct {
	password conf.Secret
	at       time.Time // of the end of the run that printed it; zero: none
	err      error     // of the newest run; nil when it printed a password
	running  chan struct{}

	refused  bool // by a server: the password is replaced when another run may begin
	refusals int  // in a row, each of them of a password that was young
	failures int  // runs in a row
	again    time.Time
}

// New makes a Keeper that runs programs.
func New() *Keeper {
	return newKeeper(func(ctx context.Context, args []string) (conf.Secret, error) { return run(ctx, runLimit, args) })
}

func newKeeper(run func(ctx context.Context, args []string) (conf.Secret, error)) *Keeper {
	k := &Keeper{run: run, kept: make(map[conf.Secret]*kept)}
	k.ctx, k.stop = context.WithCancel(context.Background())
	return k
}

// Close ends the programs that run.
func (k *Keeper) Close() { k.stop() }

// Get returns the password of a command: the kept one, or that of a run which this
// or another caller began. A run goes on when ctx ends, for the next caller.
// Errors hold nothing that the program printed.
func (k *Keeper) Get(ctx context.Context, c conf.Command) (conf.Secret, error) {
	k.mu.Lock()
	e := k.entryLocked(c)
	now := time.Now()
	age := now.Sub(e.at)
	usable := !e.at.IsZero() && age < c.Lifetime()
	// The next password is fetched while the old one is still good.
	due := !usable || e.refused || age >= c.Lifetime()*3/4
	if due && e.running == nil && !now.Before(e.again) {
		k.startLocked(e, c)
	}
	running := e.running
	switch {
	case usable && (!e.refused || running == nil):
		defer k.mu.Unlock()
		return e.password, nil
	case running == nil:
		defer k.mu.Unlock()
		if e.err == nil {
			return conf.Secret{}, errors.New("the server has refused the last password, and the command is run again after a pause of at most 5 minutes")
		}
		return conf.Secret{}, e.err
	}
	k.mu.Unlock()
	select {
	case <-running:
	case <-ctx.Done():
		return conf.Secret{}, errPending
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return e.password, e.err
}

// Refused notes that a server refused the password of a connection which was
// dialed then, and reports whether Get has, or may get, a newer one, so that it is
// worth while to try once more.
func (k *Keeper) Refused(c conf.Command, dialed time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.entryLocked(c)
	now := time.Now()
	switch {
	case e.at.After(dialed):
		return true
	case e.refused:
	default:
		if now.Sub(e.at) > longestPause {
			e.refusals = 0
		}
		e.refused = true
		e.again = later(e.again, e.at.Add(pause(e.refusals)))
		e.refusals++
	}
	return e.running != nil || !now.Before(e.again)
}

func (k *Keeper) entryLocked(c conf.Command) *kept {
	e := k.kept[c.Key()]
	if e == nil {
		e = &kept{}
		k.kept[c.Key()] = e
	}
	return e
}

func (k *Keeper) startLocked(e *kept, c conf.Command) {
	e.running = make(chan struct{})
	go func() {
		password, err := k.runSafely(c.Args())
		k.mu.Lock()
		defer k.mu.Unlock()
		if e.err = err; err == nil {
			e.password, e.at, e.refused, e.failures = password, time.Now(), false, 0
		} else {
			e.failures++
			e.again = later(e.again, time.Now().Add(pause(e.failures)))
		}
		close(e.running)
		e.running = nil
	}()
}

// runSafely makes an error of a panic, which would end the process and the agent.
func (k *Keeper) runSafely(args []string) (password conf.Secret, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error while the command ran: %v", r)
		}
	}()
	return k.run(k.ctx, args)
}

// pause is how long to wait after so many misfortunes in a row; none after none.
func pause(n int) time.Duration {
	if n == 0 {
		return 0
	}
	const most = 8 // doublings, far beyond the longest pause
	return min(firstPause<<min(n-1, most), longestPause)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
