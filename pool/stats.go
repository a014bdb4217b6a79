package pool

import (
	"slices"
	"strings"
	"time"
)

// CloseReason says why the pool closed a connection.
type CloseReason int

// The reasons; every closed connection is counted under exactly one.
const (
	ClosedIdle     CloseReason = iota // unused for Config.IdleTimeout
	ClosedLifetime                    // older than Config.MaxLifetime
	ClosedBroken                      // failed, timed out or was cancelled in use
	ClosedStale                       // found dead before or at its reuse
	ClosedEvicted                     // idle, gave its place to another target
	ClosedShutdown                    // the pool was closed
	numCloseReasons
)

// CloseReasons lists all reasons, for those who print figures.
func CloseReasons() []CloseReason {
	out := make([]CloseReason, numCloseReasons)
	for i := range out {
		out[i] = CloseReason(i)
	}
	return out
}

// String is the reason's name in figures: idle, lifetime, broken, stale,
// evicted or shutdown.
func (r CloseReason) String() string {
	return [numCloseReasons]string{"idle", "lifetime", "broken", "stale", "evicted", "shutdown"}[r]
}

// Counters only grow. They are what happened since the pool was made.
type Counters struct {
	Dials        uint64 // dials begun
	DialErrors   uint64 // dials that failed
	Refusals     uint64 // fresh connections that the server refused in their first use
	Reuses       uint64 // checkouts served by an idle connection
	Waits        uint64 // checkouts that had to queue, also for a dial
	WaitTime     time.Duration
	WaitTimeouts uint64 // checkouts that ended in the queue
	FastFails    uint64 // checkouts answered from a failure known already
	Retries      uint64 // second tries after a stale or a refused connection
	Closed       [numCloseReasons]uint64
}

func (c *Counters) add(o *Counters) {
	c.Dials += o.Dials
	c.DialErrors += o.DialErrors
	c.Refusals += o.Refusals
	c.Reuses += o.Reuses
	c.Waits += o.Waits
	c.WaitTime += o.WaitTime
	c.WaitTimeouts += o.WaitTimeouts
	c.FastFails += o.FastFails
	c.Retries += o.Retries
	for i := range c.Closed {
		c.Closed[i] += o.Closed[i]
	}
}

// ClosedTotal is the number of connections closed for any reason.
func (c *Counters) ClosedTotal() uint64 {
	var n uint64
	for _, v := range c.Closed {
		n += v
	}
	return n
}

// Gauges are a moment's state. Idle + InUse + Dialing never exceeds a limit.
type Gauges struct {
	Idle    int
	InUse   int
	Dialing int
	Waiting int
}

// Open counts the connections there are, those being dialed included.
func (g Gauges) Open() int { return g.Idle + g.InUse + g.Dialing }

// TargetStats are one target's figures.
type TargetStats struct {
	Name string // Config.Name of the key
	Gauges
	Counters
	// LastDial is how long the newest successful dial took; 0 before it.
	LastDial time.Duration
	// LastUsed is when the target was last asked for.
	LastUsed time.Time
	// Failing is set while the target's last dial failed: what happened, when,
	// how often in a row, and when it will be tried again.
	Failing *Failure
}

// Failure is what the pool knows of a target that cannot be reached.
type Failure struct {
	Err     error
	At      time.Time
	InARow  int
	RetryAt time.Time
}

// Stats are the whole pool's figures.
type Stats struct {
	MaxPerTarget int
	MaxTotal     int
	Gauges
	// Counters include targets that were forgotten since.
	Counters
	// Targets are sorted by name. One that nobody has asked for in an hour, and
	// that holds nothing, is left out: whether it still fails nobody knows.
	Targets []TargetStats
}

// showFor is how long a target is in the figures that nobody asks for any more.
const showFor = time.Hour

func (t *target[K, C]) gauges() Gauges {
	return Gauges{Idle: len(t.idle), InUse: t.inUse, Dialing: t.dialing, Waiting: t.waiters.len}
}

// Stats returns the figures of this moment.
func (p *Pool[K, C]) Stats() Stats {
	p.mu.Lock()
	known := len(p.targets)
	p.mu.Unlock()
	// With thousands of targets, making room for them and naming them would hold
	// up every checkout for milliseconds.
	s := Stats{
		MaxPerTarget: p.cfg.MaxPerTarget,
		MaxTotal:     p.cfg.MaxTotal,
		Targets:      make([]TargetStats, 0, known),
	}
	keys := make([]K, 0, known)

	p.mu.Lock()
	s.Counters = p.retired
	now, wall := p.now(), time.Now()
	for _, t := range p.targets {
		s.add(&t.Counters)
		if t.open() == 0 && t.waiters.len == 0 && now.sub(t.lastUsed) >= showFor {
			continue
		}
		ts := TargetStats{
			Gauges:   t.gauges(),
			Counters: t.Counters,
			LastDial: t.lastDial,
			LastUsed: t.lastUsed.onClock(now, wall),
		}
		if f := t.failure; f != nil {
			ts.Failing = &Failure{Err: f.err, At: f.at.onClock(now, wall), InARow: f.inARow, RetryAt: f.retryAt.onClock(now, wall)}
		}
		s.Idle += ts.Idle
		s.InUse += ts.InUse
		s.Dialing += ts.Dialing
		s.Waiting += ts.Waiting
		s.Targets, keys = append(s.Targets, ts), append(keys, t.key)
	}
	p.mu.Unlock()
	for i, key := range keys {
		s.Targets[i].Name = p.cfg.Name(key)
	}
	slices.SortFunc(s.Targets, func(a, b TargetStats) int { return strings.Compare(a.Name, b.Name) })
	return s
}
