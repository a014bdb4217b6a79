package pool_test

import (
	"reflect"
	"strings"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/pool"
)

// tally is what the world itself has seen of one target, or of all.
type tally struct {
	pool.Gauges
	dials, dialErrors, made, closed int
	provenInUse                     int
	waiting                         []*call // who has waited longest is first
}

func (w *world) talliesLocked() (all tally, by map[string]*tally) {
	by = map[string]*tally{}
	of := func(key string) *tally {
		if by[key] == nil {
			by[key] = &tally{}
		}
		return by[key]
	}
	for _, d := range w.dials {
		for _, n := range []*tally{&all, of(d.key)} {
			n.dials++
			switch {
			case !d.ended:
				n.Dialing++
			case d.sock == nil:
				n.dialErrors++
			}
		}
	}
	for _, s := range w.socks {
		for _, n := range []*tally{&all, of(s.key)} {
			n.made++
			switch {
			case s.closed:
				n.closed++
			case s.holder != nil:
				n.InUse++
				if s.proven {
					n.provenInUse++
				}
			default:
				n.Idle++
			}
		}
	}
	for _, c := range w.calls {
		if c.returned > 0 || c.sock != nil {
			continue
		}
		for _, n := range []*tally{&all, of(c.key)} {
			n.Waiting++
			n.waiting = append(n.waiting, c) // calls are in the order of their arrival
		}
	}
	return all, by
}

// placeLocked counts a place, a socket or a dial, as the outside sees it, and
// checks the limits. They are checked when it happens and not only at rest.
func (w *world) placeLocked(key string, n int) {
	w.places += n
	w.placesOf[key] += n
	if w.cfg.MaxTotal > 0 && w.places > w.cfg.MaxTotal {
		w.notef("%d connections in all, limit %d", w.places, w.cfg.MaxTotal)
	}
	if w.placesOf[key] > w.cfg.MaxPerTarget {
		w.notef("%d connections to %s, limit %d", w.placesOf[key], key, w.cfg.MaxPerTarget)
	}
}

// check lets everything come to rest and compares the pool's figures with the
// world. It is part of every other word.
func (w *world) check() {
	w.t.Helper()
	w.looked()
	synctest.Wait()
	st := w.pool.Stats()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checkFiguresLocked(st)
	w.checkWaitersLocked(st)
	w.checkTimesLocked(st)
	w.step++
	w.last = st
	require.Empty(w.t, strings.Join(w.wrong, "\n"))
}

func (w *world) checkFiguresLocked(st pool.Stats) {
	all, by := w.talliesLocked()
	if st.Gauges != all.Gauges {
		w.notef("the pool says %+v, the world %+v", st.Gauges, all.Gauges)
	}
	if int(st.Dials) != all.dials || int(st.DialErrors) != all.dialErrors || int(st.ClosedTotal()) != all.closed {
		w.notef("the pool says %d dials, %d failed, %d closed, the world %d, %d, %d",
			st.Dials, st.DialErrors, st.ClosedTotal(), all.dials, all.dialErrors, all.closed)
	}
	if w.places != all.Open() {
		w.notef("%d places counted, %d found", w.places, all.Open())
	}
	if all.made != all.closed+all.Idle+all.InUse {
		w.notef("%d connections made, %d closed, %d idle, %d in use", all.made, all.closed, all.Idle, all.InUse)
	}
	for _, ts := range st.Targets {
		n := by[ts.Name]
		if n == nil {
			n = &tally{}
		}
		if ts.Gauges != n.Gauges {
			w.notef("of %s the pool says %+v, the world %+v", ts.Name, ts.Gauges, n.Gauges)
		}
		delete(by, ts.Name)
	}
	for key, n := range by {
		if n.Gauges != (pool.Gauges{}) {
			w.notef("the pool has forgotten %s: %+v", key, n.Gauges)
		}
	}
	before, now := reflect.ValueOf(w.last.Counters), reflect.ValueOf(st.Counters)
	for i := range now.NumField() {
		if smaller(now.Field(i), before.Field(i)) {
			w.notef("%s fell from %v to %v", now.Type().Field(i).Name, before.Field(i), now.Field(i))
		}
	}
}

func smaller(a, b reflect.Value) bool {
	switch {
	case a.Kind() == reflect.Array:
		for i := range a.Len() {
			if smaller(a.Index(i), b.Index(i)) {
				return true
			}
		}
		return false
	case a.CanUint():
		return a.Uint() < b.Uint()
	}
	return a.Int() < b.Int()
}

// checkWaitersLocked checks that nobody waits who need not, and that nobody
// was overtaken.
func (w *world) checkWaitersLocked(st pool.Stats) {
	now := time.Now()
	all, by := w.talliesLocked()
	failing := map[string]*pool.Failure{}
	for _, ts := range st.Targets {
		failing[ts.Name] = ts.Failing
	}
	full := w.cfg.MaxTotal > 0 && all.Open() >= w.cfg.MaxTotal && all.Idle == 0
	for key, n := range by {
		if n.Waiting == 0 {
			continue
		}
		f := failing[key]
		switch {
		case n.Idle > 0:
			w.notef("somebody waits for %s, which has an idle connection", key)
		case n.InUse+n.Dialing == 0 && !full:
			w.notef("a waiter for %s is lost", key)
		case f == nil && n.Waiting > n.Dialing && n.Open() < w.cfg.MaxPerTarget && !full:
			w.notef("%d wait for %s, %d dials are under way and there is room", n.Waiting, key, n.Dialing)
		case f != nil && n.InUse+n.Dialing == 0 && now.Before(f.RetryAt):
			w.notef("somebody waits for %s, which will not be tried", key)
		}
		// Who waits for a place, and neither for its target nor for a dial that
		// is under way.
		var claim *call
		if f == nil && n.Waiting > n.Dialing && n.Open() < w.cfg.MaxPerTarget {
			claim = n.waiting[n.Dialing]
		}
		for _, c := range w.calls {
			switch {
			case c.sock == nil || c.lentStep != w.step:
			case c.key == key && c.arrival > n.waiting[0].arrival:
				w.notef("a caller of %s came later and was served first", key)
			case c.waited && claim != nil && c.arrival > claim.arrival:
				w.notef("a caller of %s waits for a place, one of %s came later and was served", key, c.key)
			}
		}
	}
	for _, c := range w.calls {
		if c.returned > 0 {
			continue
		}
		c.waited = c.sock == nil
		if until, ok := c.ctx.Deadline(); ok && c.sock == nil && !now.Before(until) {
			w.notef("a caller of %s still waits at its deadline", c.key)
		}
	}
	for key, f := range failing {
		if f == nil {
			continue
		}
		probes := 0
		for _, d := range w.dials {
			if d.key == key && d.began.After(f.At) && d.began.Before(f.RetryAt) {
				w.notef("%s was dialed before its backoff was over", key)
			}
			if d.key == key && d.began.After(f.At) && (!d.ended || d.sock != nil && d.sock.holder != nil && !d.sock.proven) {
				probes++
			}
		}
		if probes > 1 {
			w.notef("%d probes of %s at a time", probes, key)
		}
	}
}

// checkTimesLocked checks that nothing idles for too long, and that nothing is
// evicted but for a dial.
func (w *world) checkTimesLocked(st pool.Stats) {
	for _, s := range w.socks {
		s.idle = !s.closed && s.holder == nil
		if s.idle && w.cfg.IdleTimeout > 0 && time.Since(s.since) > w.cfg.IdleTimeout+time.Second {
			w.notef("%s has been idle for %s", s, time.Since(s.since))
		}
	}
	evicted := st.Closed[pool.ClosedEvicted] - w.last.Closed[pool.ClosedEvicted]
	if dials := st.Dials - w.last.Dials; evicted > dials {
		w.notef("%d connections were evicted for %d dials", evicted, dials)
	}
}
