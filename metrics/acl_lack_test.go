package metrics

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/ask"
	"redisjobs/metrics/hot"
	"redisjobs/metrics/item"
	"redisjobs/metrics/keys"
	"redisjobs/metrics/search"
	"redisjobs/metrics/sentinel"
	"redisjobs/redisclient"
)

// loss is what an item cannot have of a user who lacks a permission. The rest of
// it stands.
type loss struct {
	// part is the name under unavailable; "error" for an item error, "down" for a
	// document of a server that does not serve us, "0" for the value of ping.
	part string
	// members of the document that are missing.
	members string
	// each says that the command is asked at every poll, because the item is
	// nothing without it.
	each bool
}

// lossesOf are by permission and key; for items of a key by its type as well. What
// stands nowhere here loses nothing. storm.*, job.*, redis.keyspace.sample, which
// asks in the background, and redis.search.get, which this server has nothing for, as for redis.hot.get,
// have tests of their own.
var lossesOf = map[string]map[string]loss{
	"+acl|log": {"redis.acl.log.get": {part: "log", members: "by_user entries first restarted"}},
	"+client|list": {"redis.clients.get": {part: "clients", members: "blocked by_address by_db by_name by_user idle " +
		"largest longest_idle memory monitors others output_buffer pubsub replicas total"}},
	"+config|get": {
		"redis.server.config": {part: "error", each: true},
		"redis.get":           {part: "config"}, // INFO knows some of it
		"redis.advice.get":    {part: "config"}, // rules are not judged
		"redis.config.get": {part: "config", members: "changed changes compared compared_with drift drifts fingerprint first " +
			"parameters partial restarted"},
	},
	"+dbsize": {
		"redis.keys.count":     {part: "dbsize", members: "dbsize"},
		"redis.keys.discovery": {part: "dbsize", members: "dbsize"},
		"redis.streams.get":    {part: "dbsize", members: "dbsize"},
	},
	"+getrange": {"redis.key.value string": {part: "error"}},
	"+hget":     {"redis.key.value hash": {part: "error"}},
	"+hlen": {
		"redis.key.get hash":    {part: "length", members: "length"},
		"redis.key.length hash": {part: "error"},
		"redis.keys.discovery":  {part: "length"}, // inside of keys
	},
	"+info": {
		"redis.server.info":          {part: "error", each: true},
		"redis.server.slowlog.count": {},                                                               // INFO only shows restarts
		"redis.clients.get":          {part: "info", members: "blocked idle monitors pubsub replicas"}, // what flags mean
		"redis.slowlog.get":          {part: "server"},
		"redis.latency.get":          {part: "server"},
		"redis.get": {part: "info", members: "clients cluster commandstats cpu errorstats flavour keyspace latencystats loading memory mode " +
			"modules persistence replication role server stats version"},
		"redis.advice.get":  {part: "info", members: "count findings high info judged silenced unjudged warning"},
		"redis.acl.log.get": {part: "info", members: "counters"},
		"redis.config.get":  {part: "info", members: "compared compared_with drift drifts partial role"},
		"redis.pubsub.get":  {part: "info", members: "channels names patterns shard_channels"},
		"redis.status":      {part: "info", members: "flavour loading mode role version"},
		"redis.cluster.get": {part: "info"},
		"redis.keys.count":  {part: "view", members: "view"},
	},
	"+latency|histogram": {"redis.latency.get": {part: "commands", members: "commands"}},
	"+latency|history":   {"redis.latency.get": {part: "history"}},
	"+latency|latest": {
		"redis.latency.get": {part: "events", members: "events"},
		"redis.get":         {part: "latency_events", members: "latency_events"},
	},
	"+lindex": {"redis.key.value list": {part: "error"}},
	"+llen": {
		"redis.key.get list":    {part: "length", members: "length"},
		"redis.key.length list": {part: "error"},
		"redis.keys.discovery":  {part: "length"},
	},
	"+memory|usage": {
		"redis.key.get":        {part: "memory", members: "memory"},
		"redis.keys.discovery": {part: "memory", members: "memory"},
	},
	"+object|encoding": {"redis.key.get": {part: "encoding", members: "encoding"}},
	"+ping": {
		"redis.server.ping": {part: "0", each: true},
		"redis.get":         {part: "ping"},
		"redis.status":      {part: "ping"},
	},
	"+pttl": {
		"redis.key.get":        {part: "ttl", members: "expires"},
		"redis.key.ttl":        {part: "error"},
		"redis.keys.discovery": {part: "ttl", members: "without_ttl"},
	},
	"+pubsub|channels":    {"redis.pubsub.get": {part: "names", members: "names"}},
	"+pubsub|numsub":      {"redis.pubsub.get": {part: "named", members: "named unheard"}},
	"+pubsub|shardnumsub": {"redis.pubsub.get": {part: "shard_named"}}, // inside of named
	"+scan": {
		"redis.keys.count":     {part: "scan", members: "complete count scanned"},
		"redis.keys.discovery": {part: "down"},
		"redis.streams.get":    {part: "down"},
	},
	"+scard": {
		"redis.key.get set":    {part: "length", members: "length"},
		"redis.key.length set": {part: "error"},
		"redis.keys.discovery": {part: "length"},
	},
	"+sismember": {"redis.key.value set": {part: "error"}},
	"+slowlog|get": {
		"redis.server.slowlog.count": {part: "error", each: true},
		"redis.get":                  {part: "slowlog"}, // its length stands
		"redis.slowlog.get":          {part: "entries", members: "commands count entries first restarted slowest"},
	},
	"+slowlog|len": {
		"redis.get":         {part: "slowlog"}, // the newest id stands
		"redis.slowlog.get": {part: "length", members: "length"},
	},
	"+strlen": {
		"redis.key.get string":    {part: "length", members: "length"},
		"redis.key.length string": {part: "error"},
		"redis.keys.discovery":    {part: "length"},
	},
	"+time": { // ages inside of them
		"redis.stream.get stream": {part: "time"},
		"redis.streams.get":       {part: "time"},
	},
	"+type": {
		"redis.key.get":    {part: "type", members: "exists length type"},
		"redis.key.length": {part: "error"},
		"redis.key.value":  {part: "error"},
		"redis.stream.get": {part: "type", members: "entries_added exists groups last_generated_id length"},

		"redis.keys.discovery": {part: "type"}, // lengths too
		"redis.streams.get":    {part: "type", members: "dead_consumers groups_without_consumer"},
	},
	"+xinfo|consumers": {
		"redis.stream.get stream": {part: "consumers"},
		"redis.streams.get":       {part: "consumers", members: "dead_consumers"},
	},
	"+xinfo|groups": {
		"redis.stream.get stream": {part: "groups", members: "groups"},
		"redis.streams.get":       {part: "groups", members: "dead_consumers groups_without_consumer"},
	},
	"+xinfo|stream": {
		"redis.stream.get stream": {part: "stream", members: "entries_added last_generated_id length"},
		"redis.streams.get":       {part: "stream"}, // inside of streams
	},
	"+xlen": {
		"redis.key.get stream":    {part: "length", members: "length"},
		"redis.key.length stream": {part: "error"},
		"redis.keys.discovery":    {part: "length"},
	},
	"+xpending": {"redis.stream.get stream": {part: "pending"}, "redis.streams.get": {part: "pending"}},
	"+xrange":   {"redis.stream.get stream": {part: "undelivered"}, "redis.streams.get": {part: "undelivered"}},
	"+zcard": {
		"redis.key.get zset":    {part: "length", members: "length"},
		"redis.key.length zset": {part: "error"},
		"redis.keys.discovery":  {part: "length"},
	},
	"+zscore": {"redis.key.value zset": {part: "error"}},
}

// lossOf is what the table says of an item; typ is "" for one that is not of a
// key. A metric that sends this command alone is an error without it.
func lossOf(permission, key, typ string) (loss, bool) {
	table := lossesOf[permission]
	l, ok := table[key]
	if of, known := table[strings.TrimSpace(key+" "+typ)]; known {
		return of, true
	}
	if m, _ := Lookup(key); !ok && slices.Equal(m.Commands, []string{permission[1:]}) {
		return loss{part: "error", each: true}, true
	}
	return l, ok
}

// TestALackingPermissionCostsWhatItIsForAndNothingElse takes each command of the
// rule away in turn and asks for every item three times: it loses what the table
// says, names it, keeps the rest, and is not refused again at each poll.
func TestALackingPermissionCostsWhatItIsForAndNothingElse(t *testing.T) {
	t.Parallel()
	s := serverForACL(t)
	rule := strings.Fields(strings.Replace(testACL().Rule(), ">PASSWORD", "nopass", 1))[2:]
	s.Do(t, slices.Concat([]string{"ACL", "SETUSER"}, rule)...)
	whole := map[string]map[string]bool{}
	eachItem(t, s, func(key, typ string, ask func() (string, error)) {
		value, err := ask()
		require.NoError(t, err, "%s %s", key, typ)
		whole[key+typ] = members(value)
	})
	for i, permission := range rule {
		if permission[0] != '+' {
			continue
		}
		s.Do(t, "ACL", "DELUSER", "zabbix")
		s.Do(t, slices.Concat([]string{"ACL", "SETUSER"}, rule[:i], rule[i+1:])...)
		told := 0
		eachItem(t, s, func(key, typ string, ask func() (string, error)) {
			what := fmt.Sprintf("%s %s without %s", key, typ, permission)
			l, listed := lossOf(permission, key, typ)
			if listed {
				told++
			}
			var value string
			var err error
			var refused [3]int
			for n := range refused {
				before := refusals(t, s)
				value, err = ask()
				refused[n] = refusals(t, s) - before
			}
			require.Equal(t, l.each, refused[2] > 0, "%s: refused %v times; lossesOf (metrics/acl_lack_test.go), at %q, needs a row for %q with each: %v",
				what, refused, permission, strings.TrimSpace(key+" "+typ), refused[2] > 0)
			l.check(t, what, value, err, permission, whole[key+typ])
		})
		if _, known := lossesOf[permission]; known {
			require.Positive(t, told, "nothing is asked with %s", permission)
		}
	}
}

func (l loss) check(t *testing.T, what, value string, err error, permission string, whole map[string]bool) {
	t.Helper()
	command := "'" + permission[1:] + "'"
	switch l.part {
	case "error":
		require.ErrorContains(t, err, "NOPERM", what)
		require.ErrorContains(t, err, command, what)
		return
	case "0":
		require.Equal(t, "0", value, what)
		return
	case "down":
		doc := metrictest.Decode(t, value)
		require.Equal(t, 0.0, doc["up"], what)
		require.Equal(t, "acl", doc["reason"], what)
		require.Contains(t, doc["error"], command, what)
		return
	}
	require.NoError(t, err, what)
	got := members(value)
	var lost []string
	for name := range whole {
		if !got[name] {
			lost = append(lost, name)
		}
	}
	slices.Sort(lost)
	require.Equal(t, l.members, strings.Join(lost, " "), what)
	if !got["up"] {
		return // a single value, or a document as of the built-in plugin
	}
	doc := metrictest.Decode(t, value)
	require.Equal(t, 1.0, doc["up"], what)
	unavailable := doc["unavailable"].(map[string]any)
	if l.part == "" {
		require.Empty(t, unavailable, what)
		return
	}
	require.Len(t, unavailable, 1, what)
	require.Contains(t, unavailable[l.part], command, what)
}

// members are the names in a document, nil of what is no object.
func members(value string) map[string]bool {
	if !strings.HasPrefix(value, "{") {
		return nil
	}
	var document map[string]json.RawMessage
	if json.Unmarshal([]byte(value), &document) != nil {
		return nil
	}
	out := map[string]bool{}
	for name := range document {
		out[name] = true
	}
	return out
}

// refusals counts what the server has refused for a permission.
func refusals(t *testing.T, s *redistest.Server) int {
	t.Helper()
	for line := range strings.Lines(s.Do(t, "INFO", "errorstats")) {
		var n int
		if _, err := fmt.Sscanf(line, "errorstat_NOPERM:count=%d", &n); err == nil {
			return n
		}
	}
	return 0
}

// eachItem gives every item about the server to a function, as the zabbix user
// of a new connection.
func eachItem(t *testing.T, s *redistest.Server, visit func(key, typ string, ask func() (string, error))) {
	t.Helper()
	for _, m := range All() {
		if !m.TakesConn() || m == keys.Command || m == sentinel.Get || m == search.Get || m == hot.Get || m.Key == "redis.keyspace.sample" ||
			!strings.HasPrefix(m.Key, "redis.") {
			continue
		}
		for _, raw := range requests(m, 0) {
			target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "zabbix", Password: "any", ClientName: "test"})
			args, err := m.ParseArgs(raw)
			require.NoError(t, err)
			typ := ""
			if i := slices.IndexFunc(m.Params, func(p item.Param) bool { return p.Name == ask.ParamKey.Name }); i >= 0 {
				typ = strings.TrimPrefix(raw[i], "storm:job:key:")
			}
			visit(m.Key, typ, func() (string, error) {
				return m.Answer(t.Context(), &item.Request{Target: target, Args: args, Env: &item.Env{Storm: metrictest.DefaultStorm(), Jobs: metrictest.DefaultJobs()}})
			})
		}
	}
}
