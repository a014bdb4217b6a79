package jobs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"redisjobs/redisclient/resp"
)

// Some systems have queues of any name, which are known by what a job looks like. A job
// that is too large even for that proves nothing, neither way: such a key is named.

const (
	// maxShape is the longest job, in bytes, of which it is seen whether it has the shape of
	// a system's jobs. It has arrived by then, and is read once, without keeping anything.
	maxShape = 16 << 20
	// maxUnseen bounds the keys that are remembered for that, and shownUnseen those that
	// are named.
	maxUnseen   = 100
	shownUnseen = 5
)

// unseenKey is one that may belong to an instance.
type unseenKey struct {
	instance
	// name is what the key would add to Reading.Found.
	name, key string
}

// tooLargeToSee reports whether a reply, or a part of it, was too large to be looked at.
func tooLargeToSee(v resp.Value) bool {
	return v.Kind == resp.TooLarge || len(v.Str) > maxShape || slices.ContainsFunc(v.Elems, tooLargeToSee)
}

// leavesOpen reports whether replies that prove nothing might have, but for their size.
func (c *clue) leavesOpen(replies []resp.Value) bool {
	return c.Open != nil && c.Open(replies) && slices.ContainsFunc(replies, tooLargeToSee)
}

// leave notes that it is not known whether a key belongs to an instance.
func (s *search) leave(i instance, c *clue) {
	key := unseenKey{i, c.Name, c.Proof[len(c.Proof)-1][1]}
	if len(s.unseen) < maxUnseen && !slices.Contains(s.unseen, key) {
		s.unseen = append(slices.Clone(s.unseen), key) // readers have the old one
	}
}

// stillUnseen are those that no system that was read has.
func stillUnseen(keys []unseenKey, found []*reading) []unseenKey {
	return slices.DeleteFunc(slices.Clone(keys), func(u unseenKey) bool {
		return slices.ContainsFunc(found, func(r *reading) bool {
			isIt := func(q *queue) bool { return q.Name == u.name }
			return r.instance == u.instance && (u.name == "" || slices.Contains(r.Found, u.name) ||
				slices.ContainsFunc(r.Queues, isIt) || slices.ContainsFunc(r.Rest, isIt))
		})
	})
}

// unseenText says which keys may be queues, "" for none.
func unseenText(keys []unseenKey) string {
	var names []string
	for _, u := range keys[:min(len(keys), shownUnseen)] {
		names = append(names, fmt.Sprintf("%.255q (%s)", u.key, u.System))
	}
	if len(names) == 0 {
		return ""
	}
	text := strings.Join(names, ", ")
	if more := len(keys) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d others", more)
	}
	return fmt.Sprintf("a job in %s is too large to be looked at (more than %d MiB), so that it is not known whether it is of that system: "+
		"if it is, name the queue in Jobs.Queues=<system>:<queue>, or under another prefix read it by job.queue.get", text, maxShape>>20)
}

// hasShape reports whether a text that is too long to be parsed is a JSON object, of at
// most maxShape bytes, with members whose values begin as wanted: `"` for a text, "" for
// any value.
func hasShape(text []byte, wanted map[string]string) bool {
	found := make(map[string]bool, len(wanted))
	return len(text) <= maxShape && membersOf(text, func(name, value []byte) {
		if begin, ok := wanted[string(name)]; ok && bytes.HasPrefix(value, []byte(begin)) && string(value) != "null" {
			found[string(name)] = true
		}
	}) && len(found) == len(wanted)
}
