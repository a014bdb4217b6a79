package passes

import (
	"cmp"
	"maps"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

const (
	// maxKeyGroups and maxKeyTypes bound the groups and types of keys that are
	// told apart; the next ones are (other), which no name of a key's prefix is likely to be.
	maxKeyGroups = 100
	maxKeyTypes  = 32
	otherKeys    = "(other)"
)

// ttlBounds are where the rows of the histogram begin, in milliseconds.
var ttlBounds = [...]int64{0, 60e3, 3600e3, 86400e3, 7 * 86400e3, 30 * 86400e3}

// keyCount is how many keys there are of one kind, and what they take.
type keyCount struct{ count, memory int64 }

// keyFigures are what was found out of one key. What the server refuses for all
// keys is left out of the document, so that it does not matter here.
type keyFigures struct {
	key    string
	typ    string
	ttl    int64 // milliseconds; -1: it does not expire
	memory int64
	// frequency is how often it is used, as an LFU policy counts it; 0 when not asked.
	frequency int64
}

// sum is the keys of a pass in figures. Its size does not depend on how
// many there are.
type sum struct {
	options    item.KeyspaceOptions
	keys, gone int64
	dbsize     int64
	memory     int64
	types      map[string]keyCount
	groups     map[string]keyCount
	overflow   int64 // keys of groups that came too late to have a row
	withoutTTL int64
	ttl        [len(ttlBounds)]int64
	biggest    topKeys
	longest    topKeys
	hottest    topKeys
	// frequencies: the server has an LFU policy, and is asked how often keys are
	// used; notFrequencies says why one with such a policy is not.
	frequencies    bool
	notFrequencies string
}

func newSum(o item.KeyspaceOptions) sum {
	return sum{
		options: o,
		types:   make(map[string]keyCount), groups: make(map[string]keyCount),
		biggest: topKeys{most: o.Top}, longest: topKeys{most: o.Top}, hottest: topKeys{most: o.Top},
	}
}

// add counts a key.
func (s *sum) add(k keyFigures) {
	s.keys++
	s.memory += k.memory
	addTo(s.types, k.typ, maxKeyTypes, keyCount{1, k.memory})
	group, matched := s.group(k.key)
	if matched && !addTo(s.groups, group, maxKeyGroups, keyCount{1, k.memory}) {
		s.overflow++
	}
	if !matched {
		addTo(s.groups, otherKeys, maxKeyGroups, keyCount{1, k.memory})
	}
	if k.ttl < 0 {
		s.withoutTTL++
	} else {
		row := len(ttlBounds) - 1
		for k.ttl < ttlBounds[row] {
			row--
		}
		s.ttl[row]++
	}
	s.biggest.add(bigKey{k.key, k.typ, k.memory})
	s.hottest.add(bigKey{k.key, k.typ, k.frequency})
}

// addTo counts what has a row or gets one; what would be one too many is other,
// and the result false.
func addTo(rows map[string]keyCount, name string, most int, n keyCount) bool {
	row, known := rows[name]
	fits := known || name == otherKeys || len(rows) < most
	if !fits {
		name = otherKeys
		row = rows[name]
	}
	row.count += n.count
	row.memory += n.memory
	rows[name] = row
	return fits
}

// group is the name of a key's group; false when no pattern matches.
func (s *sum) group(key string) (string, bool) {
	for _, pattern := range s.options.Groups {
		m := pattern.FindStringSubmatchIndex(key)
		switch {
		case m == nil:
		case len(m) > 3 && m[2] >= 0:
			return ask.Clip(key[m[2]:m[3]], ask.MaxName), true
		default:
			return pattern.String(), true
		}
	}
	return "", false
}

// merge adds another server's keys.
func (s *sum) merge(other content, _ int) {
	o := other.(*sum)
	s.keys += o.keys
	s.gone += o.gone
	s.dbsize += o.dbsize
	s.memory += o.memory
	for name, n := range o.types {
		addTo(s.types, name, maxKeyTypes, n)
	}
	for _, name := range byCount(o.groups) {
		if !addTo(s.groups, name, maxKeyGroups, o.groups[name]) {
			s.overflow += o.groups[name].count
		}
	}
	s.overflow += o.overflow
	s.withoutTTL += o.withoutTTL
	for i, n := range o.ttl {
		s.ttl[i] += n
	}
	for _, k := range o.biggest.keys {
		s.biggest.add(k)
	}
	for _, k := range o.longest.keys {
		s.longest.add(k)
	}
	for _, k := range o.hottest.keys {
		s.hottest.add(k)
	}
	s.frequencies = s.frequencies || o.frequencies
	s.notFrequencies = cmp.Or(s.notFrequencies, o.notFrequencies)
}

// bigKey is a row of a list of big keys; n is bytes or elements.
type bigKey struct {
	key, typ string
	n        int64
}

// topKeys are the keys with the greatest n, the greatest first; each stands
// there once, with what was found last.
type topKeys struct {
	most int
	keys []bigKey
}

// floor is what a key must exceed to get in.
func (t *topKeys) floor() int64 {
	if len(t.keys) < t.most || t.most == 0 {
		return 0
	}
	return t.keys[len(t.keys)-1].n
}

func (t *topKeys) add(k bigKey) {
	if t.most == 0 || k.n <= t.floor() {
		return
	}
	t.keys = slices.DeleteFunc(t.keys, func(o bigKey) bool { return o.key == k.key })
	at, _ := slices.BinarySearchFunc(t.keys, k, func(a, b bigKey) int { return cmp.Compare(b.n, a.n) })
	t.keys = slices.Insert(t.keys, at, k)
	t.keys = t.keys[:min(len(t.keys), t.most)]
}

// write leaves out what depends on something that was refused.
func (s *sum) write(w *jsondoc.Writer, refused refusals, cut *ask.Truncations, missing *unavailable) {
	has := func(d detail, names ...string) bool {
		if refused[d] == nil {
			return true
		}
		for _, name := range names {
			missing.add(name, refused[d].Error())
		}
		return false
	}
	w.Key("keys").Int(s.keys)
	w.Key("gone").Int(s.gone)
	if has(detailSize, "dbsize") {
		w.Key("dbsize").Int(s.dbsize)
	}
	sizes := has(detailMemory, "memory", "biggest")
	if sizes {
		w.Key("memory").Int(s.memory)
	}
	if has(detailType, "types") {
		s.writeCounts(w, "types", "type", s.types, sizes)
	}
	if has(detailTTL, "without_ttl", "ttl") {
		w.Key("without_ttl").Int(s.withoutTTL)
		w.Key("without_ttl_share").Float(s.share(s.withoutTTL))
		s.writeTTL(w)
	}
	if sizes {
		s.biggest.write(w, "biggest", "memory")
	}
	if refused[detailType] != nil {
		missing.add("longest", refused[detailType].Error())
	} else if has(detailLength, "longest") {
		s.longest.write(w, "longest", "elements")
	}
	switch {
	case s.notFrequencies != "":
		missing.add("hottest", s.notFrequencies)
	case s.frequencies && has(detailFrequency, "hottest"):
		s.hottest.write(w, "hottest", "frequency")
	}
	s.writeCounts(w, "groups", "group", s.groups, sizes)
	if s.overflow > 0 {
		cut.Add("group_keys", int(s.overflow))
	}
}

// share is of all keys; NaN, which is left out, when there are none.
func (s *sum) share(n int64) float64 { return float64(n) / float64(s.keys) }

// byCount orders rows by their counts, other last.
func byCount(rows map[string]keyCount) []string {
	return slices.SortedFunc(maps.Keys(rows), func(a, b string) int {
		return cmp.Or(
			cmp.Compare(ask.Number(a == otherKeys), ask.Number(b == otherKeys)),
			cmp.Compare(rows[b].count, rows[a].count),
			cmp.Compare(a, b))
	})
}

func (s *sum) writeCounts(w *jsondoc.Writer, list, member string, rows map[string]keyCount, sizes bool) {
	w.Key(list).BeginArray()
	for _, name := range byCount(rows) {
		w.BeginObject()
		w.Key(member).String(name)
		w.Key("count").Int(rows[name].count)
		w.Key("share").Float(s.share(rows[name].count))
		if sizes {
			w.Key("memory").Int(rows[name].memory)
		}
		w.EndObject()
	}
	w.EndArray()
}

func (s *sum) writeTTL(w *jsondoc.Writer) {
	w.Key("ttl").BeginArray()
	for i, n := range s.ttl {
		w.BeginObject()
		w.Key("from").Int(ttlBounds[i] / 1e3)
		if i+1 < len(ttlBounds) {
			w.Key("below").Int(ttlBounds[i+1] / 1e3)
		}
		w.Key("count").Int(n)
		w.EndObject()
	}
	w.EndArray()
}

func (t *topKeys) write(w *jsondoc.Writer, list, member string) {
	w.Key(list).BeginArray()
	for _, k := range t.keys {
		w.BeginObject()
		w.Key("key").String(ask.Clip(k.key, ask.MaxErrorLine))
		ask.WriteText(w, "type", k.typ)
		w.Key(member).Int(k.n)
		w.EndObject()
	}
	w.EndArray()
}
