package pool

import (
	"slices"
	"time"
)

// target is everything the pool knows of one key.
type target[K comparable, C Conn] struct {
	key        K
	all        []*entry[K, C] // that are not closed
	idle       []*entry[K, C] // of all, newest last
	inUse      int            // of all, used by somebody or being closed
	proven     int            // of inUse, those that had served before
	dialing    int
	dials      []*progress // of those, the oldest first
	evicting   int         // evicted ones that are not closed yet; their place in all is another's
	waiters    list[waiter[K, C]]
	claim      uint64 // arrival number of who waits for a place; 0: t is not in Pool.claims
	claimAt    int    // where in Pool.claims
	failure    *failure
	generation uint64
	lastDial   time.Duration
	lastUsed   instant
	Counters
}

// forget takes a connection that is closed, or about to be, off the list.
func (t *target[K, C]) forget(e *entry[K, C]) {
	i := slices.Index(t.all, e)
	t.all = slices.Delete(t.all, i, i+1)
}

func (t *target[K, C]) open() int { return len(t.idle) + t.inUse + t.dialing + t.evicting }

// minSweep is the number of targets from which on forgotten ones are looked
// for when a new one comes.
const minSweep = 1024

// forgetAfter is how long a target without connections is remembered, and
// maxIdlers the number of targets from which on it is not: item keys that vary
// with each check would else fill the memory within those minutes.
const (
	forgetAfter = 10 * time.Minute
	maxIdlers   = 20_000
)

// targetLocked finds or makes the entry of a key. Item keys are free text, so
// entries that nobody has asked for lately are dropped as new ones come; the
// threshold doubles with what stays, which makes the cost per new one constant.
func (p *Pool[K, C]) targetLocked(key K) *target[K, C] {
	if t := p.targets[key]; t != nil {
		return t
	}
	now := p.now()
	if len(p.targets) >= p.sweepAt {
		p.forgetLocked(now, forgetAfter)
		if len(p.targets) >= maxIdlers {
			p.forgetLocked(now, 0)
		}
		p.sweepAt = max(minSweep, 2*len(p.targets))
	}
	t := &target[K, C]{key: key, lastUsed: now}
	p.targets[key] = t
	return t
}

// forgetLocked drops targets that hold nothing and were not used for some time,
// and keeps their figures in the sum.
func (p *Pool[K, C]) forgetLocked(now instant, unused time.Duration) {
	for k, t := range p.targets {
		if t.open() == 0 && t.waiters.len == 0 && now.sub(t.lastUsed) >= unused {
			p.retired.add(&t.Counters)
			delete(p.targets, k)
		}
	}
}
