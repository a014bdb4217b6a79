package pool

import "time"

// instant is a moment on the pool's own clock: how long after it was made, by
// the monotonic clock. Every checkout reads it once on its way back, which is a
// good part of what the pool costs, and time.Now, which asks for the wall clock
// too, takes twice as long.
type instant time.Duration

// never is no moment: what has it for a limit has none.
const never instant = 0

// now is later than never.
func (p *Pool[K, C]) now() instant { return instant(time.Since(p.made)) + 1 }

// onClock is that moment as a clock shows it that says wall in the moment now.
// It is asked when the moment is told, and not when the pool is made: since
// then the clock may have been set, or the machine have slept.
func (i instant) onClock(now instant, wall time.Time) time.Time { return wall.Add(i.sub(now)) }

func (i instant) add(d time.Duration) instant { return i + instant(d) }
func (i instant) sub(o instant) time.Duration { return time.Duration(i - o) }
