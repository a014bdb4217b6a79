package jobs

import (
	"slices"
	"time"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// Systems whose keys have fixed names are seen by the second poll, because each
// poll asks for their markers. The others are found by SCAN, once in an interval.
// But where all keys fit into one step of it, that step travels with the first
// round trip of each poll, and proofs with the second: then they are seen as soon.

const (
	// maxProofs bounds the keys that are proven in one poll.
	maxProofs = 100
	// maxRejected bounds the keys that are remembered as nobody's.
	maxRejected = 1000
)

// lookAround looks for what the last search has not seen, in a small Redis.
func (p *poll) lookAround(o *item.JobsOptions) {
	s := p.state
	s.mu.Lock()
	small := scans(o) && s.search.err == nil && s.search.masters == 0 && !s.search.asOf.IsZero() &&
		s.search.cursors == nil && s.search.scanned <= scanCount/2
	s.mu.Unlock()
	if !small {
		return
	}
	look := newScanning(&search{}, o)
	step := scanStep("0", scanCount)
	p.Ask(func(v resp.Value, err error) {
		if err != nil {
			return // the next search will say so
		}
		if cursor, keys, err := redisclient.ParseScan(v); err == nil {
			p.keys, p.sawAll = keys, cursor == "0"
			look.judge(keys)
		}
	}, step[0]...)
	p.Ask(func(v resp.Value, _ error) {
		look.judgeStreams(v)
		p.prove(look.clues)
	}, step[1]...)
}

// prove asks for the proofs of clues to what is not known yet.
func (p *poll) prove(clues []clueOf) {
	left := maxProofs
	for _, c := range clues {
		i := instance{c.system, c.Prefix}
		if left == 0 || p.state.sawClue(i, c) {
			continue
		}
		left--
		replies := make([]resp.Value, len(c.Proof))
		for n, cmd := range c.Proof {
			p.AskPayload(func(v resp.Value, err error) {
				replies[n] = v
				if err != nil && v.Err() == nil { // it was not even sent
					replies[n] = resp.Value{Kind: resp.Error, Str: []byte("ERR " + err.Error())}
					if p.state.refusals.Of(cmd, "") == nil { // because of its size
						replies[n].Kind = resp.TooLarge
					}
				}
				if n == len(replies)-1 {
					p.state.judgeClue(i, c, replies)
				}
			}, cmd...)
		}
	}
}

// text is what no other clue has.
func (c *clueOf) text() string { return c.system + "\x00" + c.Prefix + "\x00" + c.Name }

// sawClue reports whether what a clue points to is known, or known to be nothing.
func (s *state) sawClue(i instance, c clueOf) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.rejected, c.text()) {
		return true
	}
	k := s.instances[i]
	if k == nil {
		return false
	}
	_, has := k.names[c.Name]
	return c.Name == "" || has
}

// judgeClue notes what the answers say.
func (s *state) judgeClue(i instance, c clueOf, replies []resp.Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.Proves(replies):
		var names []string
		if c.Name != "" {
			names = []string{c.Name}
		}
		s.see(i, names, time.Now())
	default:
		switch {
		case isDenied(replies):
			s.search.deny(i)
		case c.leavesOpen(replies):
			s.search.leave(i, &c.clue)
		}
		if len(s.rejected) < maxRejected {
			s.rejected = append(s.rejected, c.text())
		}
	}
}
