package jobs

import (
	"slices"
	"strings"
	"time"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// A client of Asynq puts the name of a queue into the list of queues when it adds its
// first task, and never again. When the list has lost it, because the database was
// emptied or the queue was deleted, tasks of clients that live are added to a queue that
// is not listed, and workers take them from it. So those count as well of which there are
// keys, as far as their names are known: a search has found them, the list had them
// before, a server serves them, or a scheduler adds to them.
// Source: internal/rdb/rdb.go of v0.26.0, queuesPublished

// asynqKeys are those of a queue that are deleted with it, or hold tasks. What else it has
// may outlive it.
// Source: internal/rdb/inspect.go of v0.26.0, RemoveQueue
var asynqKeys = []marker{
	{Key: "pending", Type: "list"}, {Key: "active", Type: "list"}, {Key: "scheduled", Type: "zset"}, {Key: "retry", Type: "zset"},
	{Key: "archived", Type: "zset"}, {Key: "groups", Type: "set"},
}

// asynqClue recognizes the keys of a queue.
func asynqClue(key string) (clue, bool) {
	rest, ok := strings.CutPrefix(key, "asynq:{")
	if !ok {
		return clue{}, false
	}
	for _, k := range asynqKeys {
		if queue, ok := strings.CutSuffix(rest, "}:"+k.Key); ok && queue != "" {
			return clue{Name: queue, Proof: []redisclient.Command{{"TYPE", key}}, Proves: areTypes(k.Type)}, true
		}
	}
	return clue{}, false
}

// asynqQueues gives then the list of queues, and puts those of which there are keys, and
// that are not in it, beside the configured ones.
func asynqQueues(p *poll, r *reading, then func(names []string, size int, err error)) {
	var there []string
	for _, name := range p.state.unlisted(r.instance, r.Found) {
		if r.only != "" || checkQueue(name) != nil || !p.FollowUps(1) {
			continue
		}
		cmd := redisclient.Command{"EXISTS"}
		for _, k := range asynqKeys {
			cmd = append(cmd, "asynq:{"+name+"}:"+k.Key)
		}
		p.Ask(func(v resp.Value, err error) {
			if n, err := number(v, err); err == nil && n > 0 {
				there = append(there, name)
			}
		}, cmd...)
	}
	p.Members(maxListed, func(names []string, size int, err error) {
		switch {
		case err != nil:
		case size > len(names): // those may be among the others
			there = nil
		default:
			p.state.listed(r.instance, names)
		}
		for _, name := range there {
			p.state.found(r.instance, name)
			if !has(names, name) && !slices.Contains(r.extra, name) {
				r.extra = append(slices.Clip(r.extra), name)
			}
		}
		then(names, size, err)
	}, "asynq:queues")
}

// listed notes the names that a list of queues has now, sorted. Those that it had before may have
// keys yet.
func (s *state) listed(i instance, names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := slices.DeleteFunc(slices.Clone(s.lists[i]), func(name string) bool { return has(names, name) })
	if len(gone) > 0 {
		s.see(i, gone, time.Now())
	}
	if s.lists == nil {
		s.lists = make(map[instance][]string)
	}
	s.lists[i] = names
}

// unlisted are those of names that the list of queues had not when it was read last.
func (s *state) unlisted(i instance, names []string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return has(s.lists[i], name) })
}

func has(sorted []string, name string) bool {
	_, found := slices.BinarySearch(sorted, name)
	return found
}

// heard notes the names of queues that something else names, beside their list.
func (s *state) heard(i instance, names ...string) {
	for _, name := range s.unlisted(i, names) {
		s.found(i, name)
	}
}
