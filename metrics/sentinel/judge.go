package sentinel

import (
	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/settings"
)

// consensus is what the sentinels together can do about a master.
type consensus struct {
	usable, known          int
	hasQuorum, hasMajority bool
	quorum                 info.Reading
}

// listed reports whether the voice named all the other sentinels of a master, so that
// they have been asked.
func (s *sentinels) listed(name string) bool {
	p := s.peers[name]
	return p != nil && p.Err == nil && s.unreadPeers[name] == 0
}

// unasked reports whether a master may have sentinels that were not asked: the voice did
// not name them, and counts more than those of the target that know the master.
func (s *sentinels) unasked(name string) bool {
	if s.listed(name) {
		return false
	}
	asked := int64(0)
	for _, v := range s.views {
		asked += int64(ask.Number(v != s.voice && v.err == nil && v.masters[name] != nil))
	}
	others := s.voice.masters[name].reading("num-other-sentinels")
	return !others.Known || asked < others.Value
}

// agreement is what is known of whether the sentinels agree about a master: 0 as soon as
// two do not, 1 when all that could be asked do, and unknown while there are others.
func (s *sentinels) agreement(name string, disagree bool) info.Reading {
	switch {
	case disagree:
		return info.Known(0)
	case s.unasked(name):
		return info.Reading{}
	}
	return info.Known(1)
}

// atLeast is a sum of faults of which not all may be known: a sum of none is unknown then.
func atLeast(sum int64, all bool) info.Reading {
	return info.Reading{Value: sum, Known: all || sum > 0}
}

// judge counts as Sentinel does: itself, and the others that it does not see
// down. ok is false when not all the others are known.
func (s *sentinels) judge(name string) (c consensus, ok bool) {
	if !s.listed(name) {
		return c, false
	}
	p := s.peers[name]
	c.usable, c.known = 1, 1
	for _, f := range s.members[p] {
		c.known++
		c.usable += 1 - ask.Number(f.down())
	}
	c.quorum = s.voice.masters[name].reading("quorum")
	c.hasQuorum = c.quorum.Known && int64(c.usable) >= c.quorum.Value
	c.hasMajority = c.usable >= c.known/2+1
	return c, true
}

// drift is where the sentinels that know a master have settings of their own about
// it, compared with the one that tells; nil when there is none to compare it with.
func (s *sentinels) drift(name string) *settings.Drift {
	mine := settings.OfMaster(s.voice.masters[name], "")
	var d *settings.Drift
	for _, v := range s.views {
		if f, ok := v.masters[name]; ok && v.err == nil && v != s.voice {
			if d == nil {
				d = settings.NewDrift(mine)
			}
			differences, _ := mine.Differences(settings.OfMaster(f, ""))
			d.Add(v.addr, differences)
		}
	}
	return d
}

// opinions are the addresses that the sentinels give for a master, when they
// are not of one mind; of one that does not know the name "". A sentinel that
// did not answer has no opinion.
func (s *sentinels) opinions(name string) (views []*view, addrs []string) {
	same := true
	var first fields
	for _, v := range s.views {
		if v.err != nil || v.unread > 0 && v.masters[name] == nil {
			continue
		}
		addr := ""
		f, ok := v.masters[name]
		if ok {
			addr = f.addr()
		}
		views, addrs = append(views, v), append(addrs, addr)
		if len(views) == 1 {
			first = f
		}
		same = same && s.sameServer(first, f)
	}
	if same {
		return nil, nil
	}
	return views, addrs
}

// sameServer reports whether two sentinels mean one server by a master of one
// name: by the id of its process, which both have from the server, else by its
// address. A nil is a sentinel that does not know the name.
func (s *sentinels) sameServer(a, b fields) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if id := a["runid"]; id != "" && id == b["runid"] {
		return true
	}
	return s.hosts.same(a.addr(), b.addr())
}
