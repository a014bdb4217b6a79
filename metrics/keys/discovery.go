package keys

import (
	"context"
	"fmt"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/metrics/passes"
	"redisjobs/redisclient"
)

// Discovery lists the keys that match a pattern, for low-level discovery, with
// what is known of each. A pass in the background looks for them by SCAN at most
// every ten minutes, or every Keyspace.Interval if that is less, as
// redis.keyspace.sample does and within the same limits: of a replica if there is
// one, of all masters of a cluster. All polls take the names from the last finished
// pass, and ask the server itself for the figures of these keys alone, in one round
// trip, and in two when the type of a key is not known yet or has changed.
//
// A small database is searched by the first poll; of a large one the first answers
// have no keys, and say so under unavailable.
//
// The members beside the head:
//
//	pattern      the patterns; a key counts that matches one of them
//	pass, restarts, restarted_because
//	             the pass under way, as in redis.keyspace.sample
//	began, finished, age, duration, servers
//	             of the last finished pass, as there; keys of a server is how many
//	             match. partial is true when a master of a cluster is missing
//	complete     whether the pass looked at all keys; false when the budget ended
//	             it, or a master is missing: then there may be more
//	scanned      about how many keys were looked at
//	dbsize       the keys of the database, in all masters; left out when one does not
//	             tell it
//	count        keys that match. SCAN may give a key twice: of more than are listed,
//	             it is counted twice
//	keys         at most 1000, by name: [{"{#KEY}":"queue:1","{#TYPE}":"list",
//	             "key":"queue:1","exists":true,"type":"list","length":3,
//	             "expires":false,"memory":120}]; as in redis.key.get, with ttl in
//	             seconds of a key that expires. A key that goes away, as an empty
//	             list does, is listed until the second pass after it: exists is
//	             false, and length 0
//	gone         listed keys that do not exist
//	without_ttl, memory
//	             of the listed keys: how many never expire, and bytes. Left out when
//	             that of one of them is not known
//	truncated    {"keys":5,"names":1}: keys that match and are not listed, those with
//	             the last names first; and those whose names are longer than 200
//	             bytes, or no printable text, so that no item can be called so
//	unavailable  what the server refused; keys, as long as there is no finished pass;
//	             pass, why the last one could not go on; masters, of which the
//	             figures of keys are missing
//
// A pattern that is not safe for the server is an error, as in redis.keys.count.
// One pattern is compared by the server. For several all names are read and
// compared by the plugin, so that they cost the server no more than one.
//
// Sources: https://redis.io/docs/latest/commands/scan/ (guarantees), and of
// redis.key.get
var Discovery = &item.Metric{
	Key:         "redis.keys.discovery",
	Description: "Returns the keys that match a pattern, with type, length, time to live and memory, as JSON for low-level discovery.",
	Params:      item.ConnParams(passes.ParamPattern, passes.ParamBudget),
	Commands: []string{
		"info", "cluster|nodes", "scan", "dbsize", "time", "type", "pttl", "memory|usage",
		"strlen", "llen", "scard", "zcard", "hlen", "xlen", "vcard", "arcount",
	},
	Collect: collectDiscovery,
}

// typesMemory is where a target's Memory has the types of the keys that were listed
// last, by search.
const typesMemory = "redis.keys.discovery types "

func collectDiscovery(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	pattern := r.Arg("Pattern")
	budget, err := passes.ParseBudget(r.Arg("Budget"))
	if err != nil {
		return err
	}
	found, problem, err := passes.Find(ctx, r, passes.Want{Pattern: pattern, Budget: budget})
	switch {
	case problem != nil:
		return problem
	case err != nil:
		return ask.Down(w, r.Target.Name, err)
	}
	memory := typesMemory + fmt.Sprint(budget, " ") + pattern
	v, _ := r.Target.Memory.Load(memory)
	types, _ := v.(map[string]string)
	ctx, cancel := ask.BeforeDeadline(ctx)
	defer cancel()
	if len(found.Keys) == 0 && found.Known() { // nothing else asks whether the server is there
		if err := ask.Do(ctx, r.Target); err != nil {
			return ask.Down(w, r.Target.Name, err)
		}
	}
	groups := readGroups(ctx, r.Target, found, types)
	if err := allFailed(groups); err != nil {
		return ask.Down(w, r.Target.Name, err)
	}
	r.Target.Memory.Store(memory, typesOf(groups))
	writeDiscovery(w, r.Target.Name, pattern, found, groups)
	return nil
}

// keyGroup is the listed keys of one server.
type keyGroup struct {
	owner *item.Target
	keys  []listedKey
	err   error // why it could not be asked
}

// listedKey is what was asked of one key. length is nil where no command tells it.
type listedKey struct {
	name             string
	typ, ttl, memory ask.Part
	length           *ask.Part
	word, before     string // the type now and at the last poll; "" when it is not known
}

// readGroups asks the servers side by side.
func readGroups(ctx context.Context, t *item.Target, found *passes.Finding, types map[string]string) []keyGroup {
	owners, keys := found.Owners(t, found.Keys)
	groups := make([]keyGroup, len(owners))
	for i, owner := range owners {
		groups[i].owner = owner
		groups[i].keys = make([]listedKey, len(keys[i]))
		for j, k := range keys[i] {
			groups[i].keys[j].name, groups[i].keys[j].before = k.Name, types[k.Name]
		}
	}
	ask.SideBySide(len(groups), func(i int) { groups[i].err = groups[i].read(ctx) },
		func(i int, err error) { groups[i].err = err })
	return groups
}

// listedAs is what a refusal of a command is remembered by that concerns a key.
func listedAs(command string) string { return "redis.keys.discovery " + command }

// read asks for all that is known of the keys in one round trip, but for the lengths
// of those whose type is new, which take another one.
func (g *keyGroup) read(ctx context.Context) error {
	if len(g.keys) == 0 {
		return nil
	}
	var parts []*ask.Part
	for i := range g.keys {
		k := &g.keys[i]
		k.typ = ask.Part{Name: "type", Cmd: redisclient.Command{"TYPE", k.name}, As: listedAs("TYPE")}
		k.ttl = ask.Part{Name: "ttl", Cmd: redisclient.Command{"PTTL", k.name}, As: listedAs("PTTL")}
		k.memory = ask.Part{Name: "memory", Cmd: redisclient.Command{"MEMORY", "USAGE", k.name}, As: listedAs("MEMORY USAGE")}
		parts = append(parts, &k.typ, &k.ttl, &k.memory)
		if k.askLength(k.before) {
			parts = append(parts, k.length)
		}
	}
	if err := g.send(ctx, parts); err != nil {
		return err
	}
	var later []*ask.Part
	for i := range g.keys {
		k := &g.keys[i]
		if k.typ.Err == nil {
			k.word, k.typ.Err = k.typ.Value.Text()
		}
		if k.word != k.before && k.askLength(k.word) {
			later = append(later, k.length)
		}
	}
	if len(later) == 0 {
		return nil
	}
	return g.send(ctx, later)
}

func (g *keyGroup) send(ctx context.Context, parts []*ask.Part) error {
	if err := ask.Do(ctx, g.owner, parts...); err != nil {
		return err
	}
	return ask.StateProblem(parts...)
}

// askLength plans to ask for the length of a key of a type, if a command tells it.
func (k *listedKey) askLength(typ string) bool {
	k.length = nil
	if cmd := lengthCommand(k.name)(typ); cmd != nil {
		k.length = &ask.Part{Name: "length", Cmd: cmd, As: listedAs(cmd[0])}
	}
	return k.length != nil
}

// allFailed is why no server could be asked, when that is so.
func allFailed(groups []keyGroup) (err error) {
	for _, g := range groups {
		if len(g.keys) == 0 {
			continue
		}
		if g.err == nil {
			return nil
		}
		err = g.err
	}
	return err
}

// typesOf are the types that the next poll can go by: of keys that were not read, as
// before.
func typesOf(groups []keyGroup) map[string]string {
	types := make(map[string]string)
	for _, g := range groups {
		for _, k := range g.keys {
			switch {
			case k.word != "" && k.word != ask.TypeNone:
				types[k.name] = k.word
			case k.before != "":
				types[k.name] = k.before
			}
		}
	}
	return types
}
