// Package stall knows when the machine stood still. One that is shared does so now and then, for more than a second at
// times; what a test bounds from above is the time in between.
package stall

import (
	"sync"
	"time"
)

const (
	tick  = 5 * time.Millisecond
	delay = 15 * time.Millisecond // so much any timer may be
)

type span struct{ from, to time.Time }

var seen struct {
	once sync.Once
	mu   sync.Mutex
	last time.Time // the watch's last look
	all  []span    // in their order
}

// Watch notes from now on when nothing ran.
func Watch() {
	seen.once.Do(func() {
		seen.last = time.Now()
		go func() {
			for {
				time.Sleep(tick)
				seen.mu.Lock()
				now := time.Now()
				if now.Sub(seen.last) > tick+delay {
					seen.all = append(seen.all, span{seen.last, now})
				}
				seen.last = now
				seen.mu.Unlock()
			}
		}()
	})
}

// Awake is the time between two moments without that in which the machine stood still.
func Awake(from, to time.Time) time.Duration {
	Watch()
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for seen.last.Before(to) { // after a stall the watch may be the last to wake up
		seen.mu.Unlock()
		time.Sleep(tick)
		seen.mu.Lock()
	}
	awake := to.Sub(from)
	for _, s := range seen.all {
		begin, end := s.from, s.to
		if begin.Before(from) {
			begin = from
		}
		if end.After(to) {
			end = to
		}
		awake -= max(end.Sub(begin), 0)
	}
	return awake
}
