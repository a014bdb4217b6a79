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

// time is that moment as the world outside knows it.
func (p *Pool[K, C]) time(i instant) time.Time { return p.made.Add(time.Duration(i - 1)) }

func (i instant) add(d time.Duration) instant { return i + instant(d) }
func (i instant) sub(o instant) time.Duration { return time.Duration(i - o) }
