package jobs

import (
	"fmt"
	"slices"
)

// Some systems keep of a job that was taken just when that was, and no sign of life of
// the worker that has it. When the time is over that the system gives to it, another
// worker may take it; but the first one may live, and run it still. So such jobs are
// orphaned when no client is connected that may be their worker, and when one is, that is
// not known.

// holder is what tells the clients apart that may have taken a job long ago.
type holder struct {
	// since is how long ago such a job was taken at least, in seconds.
	since int
	// takes are what only workers send, and asks those of them that ask for more jobs: a
	// client that has done so since has no job that was taken before.
	takes, asks []string
	// works are what others send as well, and a worker may send of a job over the same
	// connection: one that was there when the job was taken may be a worker's.
	works []string
	// brief: others send what is in takes as well, over connections that end soon.
	brief bool
}

// holders counts the clients that may have jobs whose time is over.
func (p *poll) holders(r *reading, h holder) {
	p.clients(func(nodes [][]client, err error) {
		out := p.lookout(r.instance)
		r.holders, r.holdersErr = 0, err
		for _, c := range slices.Concat(nodes...) {
			if c.silent {
				r.holdersErr = errSilentClients
			} else if h.may(out, c) {
				r.holders++
			}
		}
		if err == nil {
			out.keep()
		}
	})
}

// may reports whether a client may have such a job.
func (h *holder) may(out *lookout, c client) bool {
	takes := out.sees(c, h.takes)
	there := c.age < 0 || c.age >= h.since
	asks := slices.Contains(h.asks, c.cmd) && c.idle >= 0 && c.idle < h.since
	return takes && !asks && (there || !h.brief) || there && slices.Contains(h.works, c.cmd)
}

// nobodyHolds reports whether no client is connected that may have a job whose time is
// over; why says what is known instead.
func (r *reading) nobodyHolds() (nobody bool, why string) {
	switch {
	case r.holdersErr != nil:
		return false, "it is not known whether their workers live: " + r.holdersErr.Error()
	case r.holders > 0:
		return false, fmt.Sprintf("%d clients are connected that may be their workers", r.holders)
	}
	return true, ""
}

// lapsed counts n more jobs of a queue whose time is over.
func (r *reading) lapsed(q *queue, n float64) {
	if nobody, why := r.nobodyHolds(); !nobody && n > 0 {
		q.Miss(figOrphaned, fmt.Sprintf("the time of %.0f jobs is over, and %s", n, why))
		return
	}
	q.Add(figOrphaned, n)
}
