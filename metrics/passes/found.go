package passes

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"redisjobs/metrics/ask"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

const (
	// maxFound and maxFoundBytes bound the keys that are listed of those that match,
	// by their names; maxFoundName is the longest name, in bytes, that can be: Zabbix
	// has no more than 255 characters for the name of an item.
	maxFound      = ask.MaxRows
	maxFoundBytes = 128 << 10
	maxFoundName  = 200
	// maxListed is how many keys a slice passes over when only their names are
	// compared, and maxLearned how many of them it asks more about.
	maxListed  = ask.ScanCount
	maxLearned = 8
)

// FoundKey is a key that matches.
type FoundKey struct {
	Name string
	// Learned is what Want.Read said of it, -1 when it is not known; Bytes is what
	// that reply takes.
	Learned int64
	Bytes   int
	source  int  // of the pass
	missed  bool // the last pass did not find it, and the one before it did
}

// found is the keys that match, as far as they were listed. Of too many it has
// those with the first names, so that it is the same ones each time.
type found struct {
	want     *Want
	patterns []string
	// byType: SCAN itself lists only keys of the type; else each is asked for it.
	byType    bool
	budget    int64
	over      int64 // keys that SCAN has passed over, about
	matched   int64 // of those that are not listed SCAN may give one twice
	unlisted  int64 // with names that are too long or no text
	keys      []FoundKey
	missed    int // of keys
	bytes     int // of their names
	dbsize    int64
	dbUnknown bool
}

func newFound(want *Want, budget int, byType bool) *found {
	return &found{want: want, patterns: strings.Fields(want.Pattern), byType: byType || want.Type == "", budget: int64(budget)}
}

func (f *found) wants(d detail) bool {
	switch d {
	case detailType:
		return !f.byType
	case detailTTL, detailMemory, detailFrequency:
		return false
	}
	return true
}

// matches compares what the server has not compared: it takes one pattern alone.
func (f *found) matches(key string) bool {
	return len(f.patterns) == 1 || slices.ContainsFunc(f.patterns, func(p string) bool { return ask.GlobMatch(p, key) })
}

func (f *found) scan(cursor string, count int) redisclient.Command {
	cmd := redisclient.Command{"SCAN", cursor}
	if len(f.patterns) == 1 {
		cmd = append(cmd, "MATCH", f.patterns[0])
	}
	cmd = append(cmd, "COUNT", strconv.Itoa(count))
	if f.byType && f.want.Type != "" {
		cmd = append(cmd, "TYPE", f.want.Type)
	}
	return cmd
}

func (f *found) most() (keys, lengths int) {
	if f.byType {
		return maxListed, maxLearned
	}
	return maxSlice, maxLearned
}

// take takes a key that matches, if it is of the type, and asks more about one
// that is listed.
func (f *found) take(k keyFigures, refused *refusals) bool {
	if !f.byType && k.typ != f.want.Type {
		return false
	}
	f.matched++
	if !Listable(k.key) {
		f.unlisted++
		return false
	}
	return f.list(FoundKey{Name: k.key, Learned: -1}) && f.want.Learn != nil && refused[detailLength] == nil
}

// list puts a key where its name belongs, and reports whether it stands there now
// and did not before: a key that stands there already is not counted again.
func (f *found) list(k FoundKey) bool {
	at, there := f.at(k.Name)
	if there {
		f.matched--
	}
	if there || at >= maxFound {
		return false
	}
	f.keys = slices.Insert(f.keys, at, k)
	f.bytes += len(k.Name)
	for len(f.keys) > maxFound || f.bytes > maxFoundBytes {
		f.bytes -= len(f.keys[len(f.keys)-1].Name)
		f.keys = f.keys[:len(f.keys)-1]
	}
	return at < len(f.keys)
}

func (f *found) at(name string) (at int, there bool) {
	return slices.BinarySearchFunc(f.keys, name, func(k FoundKey, name string) int { return strings.Compare(k.Name, name) })
}

// Listable reports whether a name can be that of an item: printable text that is not
// too long.
func Listable(name string) bool {
	return name != "" && len(name) <= maxFoundName && utf8.ValidString(name) &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

func (f *found) lose() {}

func (f *found) length(k longKey) redisclient.Command { return f.want.Learn(k.key) }

func (f *found) readLength(v resp.Value) (int64, error) { return f.want.Read(v) }

func (f *found) measure(k longKey, n int64, bytes int) {
	if at, there := f.at(k.key); there {
		f.keys[at].Learned, f.keys[at].Bytes = n, bytes
	}
}

func (f *found) passed(count int) { f.over += int64(count) }

func (f *found) seen() int64 { return f.over }

func (f *found) full() bool { return f.over >= f.budget }

func (f *found) counted() int64 { return f.matched }

func (f *found) end(dbsize int64, listed bool) {
	f.dbsize, f.dbUnknown = max(0, dbsize), dbsize < 0
	if !f.dbUnknown && (listed || f.over > dbsize) {
		f.over = max(f.dbsize, f.matched)
	}
}

func (f *found) merge(other content, source int) {
	o := other.(*found)
	f.over += o.over
	f.matched += o.matched
	f.unlisted += o.unlisted
	f.dbsize += o.dbsize
	f.dbUnknown = f.dbUnknown || o.dbUnknown
	for _, k := range o.keys {
		k.source = source
		f.list(k)
	}
}

// keep lists the keys too that the pass before has found and this one has not, as
// far as there is room: the queue that is a list has no key while it is empty, and
// that is to be seen before it is left out.
func (f *found) keep(before *found, sourceOf func(source int) (int, bool)) {
	for _, k := range before.keys {
		source, known := sourceOf(k.source)
		if _, there := f.at(k.Name); there || k.missed || !known || len(f.keys) >= maxFound || f.bytes+len(k.Name) > maxFoundBytes {
			continue
		}
		k.source, k.missed = source, true
		f.list(k)
		f.missed++
	}
}

// refusal is apart for each search: what one pattern matches the user may read,
// and what another does not.
func (f *found) refusal(cmd redisclient.Command) string { return f.want.memory() + " " + cmd[0] }
