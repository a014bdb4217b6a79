package jobs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// celeryUnackedMark begins the name of a pair of keys for unacknowledged messages
// among those that SCAN found; no exchange has it.
const celeryUnackedMark = "\x00unacked "

// isReply: callers of workers' remote control bind their queues to it.
func isReply(exchange string) bool {
	return strings.HasPrefix(exchange, "reply.") && strings.HasSuffix(exchange, ".pidbox")
}

// celeryUnackedClue recognizes unacked_key and unacked_index_key of an application
// that has renamed both, if one is the other with _index: a hash of messages and a
// sorted set, beside bindings under the same prefix.
func celeryUnackedClue(key string) (clue, bool) {
	base, ok := strings.CutSuffix(key, "_index")
	if !ok {
		return clue{}, false
	}
	i := strings.LastIndexByte(base, ':') + 1
	prefix, name := base[:i], base[i:]
	if name == "" || name == celeryUnacked {
		return clue{}, false
	}
	return clue{
		Prefix: prefix, Name: celeryUnackedMark + name, Rare: true,
		Proof: []redisclient.Command{
			{"TYPE", key}, {"TYPE", prefix + celeryBinding + "celery"}, {"TYPE", prefix + celeryBinding + celeryPidbox},
			{"HSCAN", base, "0", "COUNT", "1"},
		},
		Open: isCelerysPair,
		Proves: func(replies []resp.Value) bool {
			if !isCelerysPair(replies) {
				return false
			}
			parts, err := replies[3].Array()
			if err != nil || len(parts) != 2 {
				return false
			}
			pairs, err := parts[1].Pairs()
			return err == nil && len(pairs) >= 2 && isCeleryMessage(pairs[1].Str)
		},
	}, true
}

// isCelerysPair: beside bindings, a key is a sorted set.
func isCelerysPair(replies []resp.Value) bool {
	return areTypes("zset")(replies[:1]) && (areTypes("set")(replies[1:2]) || areTypes("set")(replies[2:3]))
}

// isCeleryMessage recognizes what kombu keeps of a message that was handed out:
// the message, its exchange, and the routing key.
func isCeleryMessage(text []byte) bool {
	if len(text) > maxPayload {
		return len(text) <= maxShape && isShallowMessage(text)
	}
	var parts []json.RawMessage
	if parseJSON(text, &parts) != nil || len(parts) != 3 {
		return false
	}
	var message map[string]json.RawMessage
	var exchange, key string
	return json.Unmarshal(parts[0], &message) == nil && json.Unmarshal(parts[1], &exchange) == nil &&
		json.Unmarshal(parts[2], &key) == nil
}

var uuids = regexp.MustCompile("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")

// celeryFold is the name of a queue with a star for each UUID in it.
func celeryFold(name string) string { return uuids.ReplaceAllLiteralString(name, "*") }

// celeryFolded adds up queues that are one but for the UUIDs in their names.
func celeryFolded(p *poll, prefix string, q *queue, names []string) {
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > maxFollowed || !p.FollowUps(len(names)) {
		q.Miss(figWaiting, fmt.Sprintf("there are %d queues of such names, more than are read", len(names)))
		return
	}
	for _, name := range names {
		p.Count(&q.figures, figWaiting, "LLEN", prefix+name)
	}
}

// celeryReadUnacked reads a pair of keys for unacknowledged messages.
func celeryReadUnacked(p *poll, r *reading, key string) {
	p.Count(&r.figures, figUnacked, "HLEN", key)
	p.Ask(func(v resp.Value, err error) {
		celeryOldest(p, r, v, err)
		p.Count(&r.figures, figUnackedExpired, "ZCOUNT", key+"_index",
			"-inf", strconv.FormatFloat(p.Now()-cmp.Or(p.options.CeleryVisibility, celeryVisibility).Seconds(), 'f', -1, 64))
	}, "ZRANGE", key+"_index", "0", "0", "WITHSCORES")
}

// celeryOldest reads the message that was handed out first.
func celeryOldest(p *poll, r *reading, v resp.Value, err error) {
	var elems []resp.Value
	if err == nil {
		elems, err = v.Array()
	}
	if err == nil && len(elems) == 1 { // RESP3 has a pair
		elems, err = elems[0].Array()
	}
	var at float64
	switch {
	case err == nil && len(elems) == 0:
		r.Add(figOldestUnacked, 0)
		return
	case err == nil && len(elems) == 2:
		if at, err = elems[1].Float64(); err == nil && (at < moment2000 || at > moment2200) {
			err = errMoment
		}
	case err == nil:
		err = errMoment
	}
	if err != nil {
		r.Miss(figOldestUnacked, "unacked_index: "+err.Error())
		return
	}
	oldest, _ := r.Get(figOldestUnacked)
	r.Set(figOldestUnacked, max(oldest, p.Age(at)))
}
