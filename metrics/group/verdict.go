package group

import (
	"fmt"
	"slices"
	"strings"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/settings"
)

// problem is what is wrong with a group.
type problem struct {
	id      string
	members []*member
	text    string
}

// verdict is what several members are together.
type verdict struct {
	members, primaries, active, replicas  []*member // active: KeyDB's replicas that take writes
	strangers, looped                     []*member
	chained, broken, twins, wrong, silent []*member
	versions                              []string
	base                                  *member // that settings are compared with; nil for none
	drift                                 *settings.Drift
	drifted                               []*member
	lag                                   info.Reading // the greatest
	problems                              []problem
}

func judge(members []*member) *verdict {
	v := &verdict{members: members}
	v.sort()
	v.pair()
	v.compare()
	v.name()
	return v
}

// partial: the role of some is not known.
func (v *verdict) partial() bool { return len(v.silent) > 0 }

// sort tells primaries, replicas and what has no place in a group apart.
func (v *verdict) sort() {
	servers := map[string]*member{}
	for _, m := range v.members {
		switch {
		case !m.answered():
			v.silent = append(v.silent, m)
			continue
		case !m.fits():
			v.wrong = append(v.wrong, m)
			continue
		}
		if first := servers[m.runID]; first != nil && m.runID != "" {
			first.addrs = append(first.addrs, m.addrs...)
			v.twins = append(v.twins, m)
			continue // the same server is not counted twice
		}
		servers[m.runID] = m
		if version := m.version(); version != "" && !slices.Contains(v.versions, version) {
			v.versions = append(v.versions, version)
		}
		switch {
		case m.isPrimary():
			v.primaries = append(v.primaries, m)
		case m.isReplica():
			v.replicas = append(v.replicas, m)
		default:
			v.active = append(v.active, m)
		}
	}
	slices.Sort(v.versions)
}

// pair finds the primary of each replica.
func (v *verdict) pair() {
	for _, m := range v.replicas {
		m.follows = v.followedBy(m)
	}
	for _, m := range v.replicas {
		var loops bool
		if m.primary, loops = v.primaryOf(m); m.primary != nil {
			m.lag = m.primary.id.Lag(m.primary.history, m.history)
		} else if loops {
			v.looped = append(v.looped, m)
		} else if !v.partial() { // else it may be of one that did not answer
			v.strangers = append(v.strangers, m)
		}
		if len(m.replicas) > 0 {
			v.chained = append(v.chained, m)
		}
		if m.links.Up.Known && m.links.Up.Value == 0 {
			v.broken = append(v.broken, m)
		}
	}
	v.lag = farthest(v.replicas)
}

// farthest is the greatest lag; unknown while that of any replica of the group is, which
// may be the one that is the farthest behind.
func farthest(replicas []*member) (most info.Reading) {
	for _, m := range replicas {
		if m.primary == nil {
			continue
		}
		if !m.lag.Known {
			return info.Reading{}
		}
		most = most.Max(m.lag)
	}
	return most
}

// followedBy is the member that a replica was told to follow; nil for one outside.
func (v *verdict) followedBy(m *member) *member {
	for _, is := range []func(*member) bool{m.isReplicaOf, m.isListedBy} {
		for _, list := range [][]*member{v.primaries, v.active, v.replicas} {
			if at := slices.IndexFunc(list, is); at >= 0 {
				return list[at]
			}
		}
	}
	return nil
}

// primaryOf is the member that takes the writes for a replica: the end of the chain of
// those that are followed, or the primary whose history the last of them has, which
// follows it by an address that is not known here or through a server outside. nil for
// none; loops reports that the chain leads back into itself.
func (v *verdict) primaryOf(m *member) (primary *member, loops bool) {
	for range len(v.replicas) + 1 {
		switch {
		case m.takesWrites():
			return m, false
		case m.follows == nil:
			if at := slices.IndexFunc(v.primaries, m.hasHistoryOf); at >= 0 {
				return v.primaries[at], false
			}
			return nil, false
		}
		m = m.follows
	}
	return nil, true
}

// compare compares the settings.
func (v *verdict) compare() {
	has := func(m *member) bool { return m.settings != nil && !slices.Contains(v.twins, m) && m.fits() }
	for _, m := range append(slices.Clone(v.primaries), v.members...) {
		if has(m) && (v.base == nil) {
			v.base = m
		}
	}
	if v.base == nil {
		return
	}
	v.drift = settings.NewDrift(v.base.settings)
	for _, m := range v.members {
		if m == v.base || !has(m) {
			continue
		}
		differences, _ := v.base.settings.Differences(m.settings)
		if v.drift.Add(m.session, differences); len(differences) > 0 {
			v.drifted = append(v.drifted, m)
		}
	}
}

// name makes problems of what was found, the worst first.
func (v *verdict) name() {
	add := func(id string, of []*member, format string, args ...any) {
		if len(of) > 0 {
			v.problems = append(v.problems, problem{id, of, fmt.Sprintf(format, args...)})
		}
	}
	answer := len(v.members) - len(v.silent)
	if len(v.primaries) == 0 && len(v.active) == 0 && answer > 0 {
		add("no_primary", v.members, "none of the %d sessions that answer is a primary, of %d in all", answer, len(v.members))
	}
	if len(v.primaries) > 1 {
		how := "they have no history of writes in common"
		if v.split() {
			how = "they have a part of their history in common: one was promoted while the other went on (split brain)"
		}
		add("two_primaries", v.primaries, "%d primaries (%s): %s", len(v.primaries), sessions(v.primaries), how)
	}
	add("unreachable", v.silent, "no answer from %s", sessions(v.silent))
	add("loop", v.looped, "%s: their chain of primaries is a loop%s, so that nobody takes writes for them", sessions(v.looped), followed(v.looped))
	add("links_down", v.broken, "%s: no link to the primary", sessions(v.broken))
	outside := followed(slices.DeleteFunc(slices.Clone(v.strangers), func(m *member) bool { return m.follows != nil }))
	add("strangers", v.strangers, "%s: replica of a primary that is not in this group%s", sessions(v.strangers), outside)
	add("wrong_kind", v.wrong, "%s: a sentinel or a node of a cluster, which cannot be in a group", sessions(v.wrong))
	add("same_server", v.twins, "%s: leads to the same server as another session of this group", sessions(v.twins))
	add("chained", v.chained, "%s: a replica that has replicas of its own", sessions(v.chained))
	if len(v.versions) > 1 {
		add("versions", v.members, "different versions: %s", clipped(v.versions))
	}
	if len(v.drifted) > 0 {
		add("settings", v.drifted, "settings differ between %s and %s: %s", v.base.session, sessions(v.drifted), clipped(v.drift.Names()))
	}
}

// split reports whether any two primaries have a history in common.
func (v *verdict) split() bool {
	for i, m := range v.primaries {
		if slices.ContainsFunc(v.primaries[i+1:], func(o *member) bool { return m.history.Kin(o.history) }) {
			return true
		}
	}
	return false
}

// clipped is a list as a part of a sentence.
func clipped(list []string) string {
	const most = 5
	if len(list) > most {
		return ask.Clip(strings.Join(list[:most], ", "), ask.MaxErrorLine) + fmt.Sprintf(" and %d more", len(list)-most)
	}
	return ask.Clip(strings.Join(list, ", "), ask.MaxErrorLine)
}

func sessions(of []*member) string {
	var out []string
	for _, m := range of {
		out = append(out, m.session)
	}
	return clipped(out)
}

// followed are the addresses that replicas follow, in brackets; "" where none is told.
func followed(of []*member) string {
	var out []string
	for _, m := range of {
		for _, addr := range m.masters {
			if !slices.Contains(out, addr) {
				out = append(out, addr)
			}
		}
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + clipped(out) + ")"
}
