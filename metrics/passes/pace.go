package passes

import (
	"redisjobs/metrics/item"
	"time"
)

const (
	// firstSlice and maxSlice are how many keys a slice looks at whose details are asked.
	firstSlice = 16
	maxSlice   = 64
	// slicesPerSecond at least: a small budget is not spent in bursts.
	slicesPerSecond = 10
	// paceLearns is how many slices teach what is normal before one is judged.
	paceLearns = 8
	// slowMargin is what a slice may take more than twice the normal.
	slowMargin = time.Millisecond
	// firstPause doubles with each slow slice in a row, up to maxPause.
	firstPause = 100 * time.Millisecond
	maxPause   = 10 * time.Second
)

// pace decides how many keys the next slice looks at, and when.
//
// The rule for pauses: normal is what a slice's round trip takes in the long
// run. The first paceLearns slices teach it (the shortest counts); afterwards it
// follows each round trip by an eighth of the difference downwards and by a
// thirty-second upwards, where what took more than twice the normal counts as
// just that: a server that is slower for good becomes the new normal within
// minutes, a peak does not. A slice that takes more than twice the normal and
// slowMargin is slow, and is followed by a pause: firstPause, doubled with every
// further slow one, up to maxPause.
//
// The rule for sizes: a slice that took more than the allowed time of the server
// is followed by one of half the keys, one that took less than a quarter by one
// of twice as many. The server itself tells how long it took, by TIME at both
// ends; where it does not, the round trip counts.
type pace struct {
	keysPerSecond int
	sliceTime     time.Duration

	size    int
	most    int // for size
	normal  time.Duration
	learned int
	inARow  int
	slow    int // slices, ever
}

func newPace(o item.KeyspaceOptions, most int) pace {
	if o.KeysPerSecond > 0 {
		most = min(most, max(1, o.KeysPerSecond/slicesPerSecond))
	}
	return pace{keysPerSecond: o.KeysPerSecond, sliceTime: o.SliceTime, size: min(firstSlice, most), most: most}
}

// next learns from a slice and returns how long to wait for the next one, and
// whether that is a pause because the server is slow. keys are those that the
// slice looked at or passed over, served is the time of the server; 0 when it is
// not known.
func (p *pace) next(keys int, roundTrip, served time.Duration) (wait time.Duration, paused bool) {
	if served <= 0 {
		served = roundTrip
	}
	if p.keysPerSecond > 0 {
		wait = max(0, time.Duration(keys)*time.Second/time.Duration(p.keysPerSecond)-roundTrip)
	}
	slow := p.learned >= paceLearns && roundTrip > 2*p.normal+slowMargin
	p.learn(roundTrip)
	switch {
	case p.sliceTime > 0 && served > p.sliceTime:
		p.size = max(1, p.size/2)
	case slow || p.size >= p.most:
	case p.sliceTime == 0 || served < p.sliceTime/4:
		p.size = min(2*p.size, p.most)
		p.normal *= 2 // at most, and it is soon corrected
	}
	if !slow {
		p.inARow = 0
		return wait, false
	}
	p.slow++
	pause := min(maxPause, firstPause<<min(p.inARow, 10))
	p.inARow++
	return max(wait, pause), true
}

func (p *pace) learn(roundTrip time.Duration) {
	p.learned++
	switch {
	case p.learned == 1 || p.learned <= paceLearns && roundTrip < p.normal:
		p.normal = roundTrip
	case p.learned <= paceLearns:
	case roundTrip < p.normal:
		p.normal -= (p.normal - roundTrip) / 8
	default:
		p.normal += (min(roundTrip, 2*p.normal) - p.normal) / 32
	}
}
