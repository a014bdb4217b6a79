// Package keyspace has redis.keyspace.sample: what the keys of a server are, from
// passes over all of them (package passes).
package keyspace

import (
	"context"

	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/metrics/passes"
)

// Sample reports what the keys of a database are. Reading all of them takes minutes,
// so a pass over them runs in the background, a slice of keys at a time. A request is
// answered at once, from memory, with what the last finished pass has found. Only
// before the first pass the server is asked, in one round trip, whether it can be
// read.
//
// A pass reads a replica if the server has one that is online, in sync and reachable,
// otherwise the server itself. In a cluster it reads one master after the other. It
// reads at most Keyspace.KeysPerSecond keys a second, takes no more than about
// Keyspace.SliceTime of the server at once, and pauses if the server becomes slow.
// Between slices it holds no connection. Few passes run at once
// (Keyspace.MaxPasses): after some minutes a pass waits behind the others. A pass
// begins at a request if the last one began Keyspace.Interval ago. It stops an hour
// after the last request, and continues there with the next one. It begins again if
// the server has become another one (a restart, a failover), or if the database
// shrinks to less than half between two slices (FLUSHALL).
//
// The members in addition to the head, where up is 0 if the server could not be reached the
// last time that a pass tried (redis.status has the state of now):
//
//	pass         the pass under way: state (running, paused, waiting for its turn,
//	             resting until somebody asks), began, seen (keys so far), dbsize,
//	             progress (share of it), server, slow (how often it paused), why
//	             (text, when it is not running). Left out when there is none
//	restarts     how often a pass had to begin anew, and restarted_because
//	began, finished, age, duration
//	             of the last finished pass: unix times and seconds
//	servers      those it has read: [{"server":"10.0.0.2:6379","role":"replica",
//	             "keys":1200}]; with why_not_replica when a master has replicas
//	             and none could be read, or error when a master of a cluster is
//	             missing, which makes partial true
//	keys         looked at. SCAN may give a key twice while the server changes the
//	             size of its table: such a key is counted twice, but for the lists
//	             of big keys, where each stands once. Keys that came or went during
//	             the pass may be counted or not. Shares are hardly touched by either
//	dbsize       exact, at the end of the pass
//	gone         keys that had gone between being listed and being looked at
//	memory       bytes, the sum of MEMORY USAGE, which estimates a key from
//	             Keyspace.Samples of its members
//	types        [{"type":"hash","count":3,"share":0.3,"memory":512}]
//	without_ttl  keys that never expire, and without_ttl_share of all
//	ttl          of those that do: [{"from":0,"below":60,"count":7}], seconds; the
//	             last row has no below
//	biggest      [{"key":"cart:7","type":"hash","memory":91234}], Keyspace.Top of them
//	longest      [{"key":"queue","type":"list","elements":10000}], not of strings
//	hottest      [{"key":"cart:7","type":"hash","frequency":87}], Keyspace.Top of them,
//	             of masters with an LFU maxmemory-policy, which alone count how often a
//	             key is used: from 1 to 255, where each step is worth many times the
//	             one before, and falling while the key is not used
//	groups       [{"group":"session","count":3,"share":0.3,"memory":512}]: keys by
//	             the first of Keyspace.Groups that matches, called after what its
//	             group in brackets matched, else after the pattern itself. The
//	             most frequent of the first maxKeyGroups that were met; keys of
//	             others, or that no pattern matches, are in the last row, (other)
//	unavailable  what the server refused; every figure as long as there is no
//	             finished pass; pass, when it ended because SCAN gave a cursor
//	             twice: the next one begins Keyspace.Interval later
//	truncated    {"types":2}
//
// Sources: https://redis.io/docs/latest/commands/scan/ (guarantees),
// https://redis.io/docs/latest/commands/memory-usage/
var Sample = &item.Metric{
	Key:         "redis.keyspace.sample",
	Description: "Returns what the last finished background pass over all keys has found, as JSON.",
	Params:      item.ConnParams(),
	Commands: []string{
		"info", "cluster|nodes", "scan", "dbsize", "time", "type", "pttl", "memory|usage",
		"llen", "scard", "zcard", "hlen", "xlen", "object|freq",
	},
	Collect: collect,
}

func collect(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	return passes.Figures(ctx, r, w)
}
