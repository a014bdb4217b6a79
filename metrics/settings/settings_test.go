package settings

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/ask"
	"redisjobs/redisclient/resp"
)

func read(t *testing.T, params ...string) Settings {
	t.Helper()
	part := &ask.Part{Value: resp.Value{Kind: resp.Array}}
	for _, text := range params {
		part.Value.Elems = append(part.Value.Elems, resp.Value{Kind: resp.BulkString, Str: []byte(text)})
	}
	s, err := Read(part)
	require.NoError(t, err)
	return s
}

// TestAParameterOfTwoNamesIsOne: CONFIG GET * of Redis 8.6 and Valkey 9.1 lists both.
// The pairs are those of which CONFIG SET of one changes two, on both servers.
func TestAParameterOfTwoNamesIsOne(t *testing.T) {
	t.Parallel()
	for kept, alias := range map[string]string{
		"hash-max-listpack-entries": "hash-max-ziplist-entries", "hash-max-listpack-value": "hash-max-ziplist-value",
		"zset-max-listpack-entries": "zset-max-ziplist-entries", "zset-max-listpack-value": "zset-max-ziplist-value",
		"list-max-listpack-size": "list-max-ziplist-size", "busy-reply-threshold": "lua-time-limit",
		"slowlog-log-slower-than": "commandlog-execution-slower-than", "slowlog-max-len": "commandlog-slow-execution-max-len",
		"masterauth": "primaryauth", "masteruser": "primaryuser",
		"cluster-replica-no-failover": "cluster-slave-no-failover", "cluster-replica-validity-factor": "cluster-slave-validity-factor",
		"min-replicas-max-lag": "min-slaves-max-lag", "min-replicas-to-write": "min-slaves-to-write",
		"repl-ping-replica-period": "repl-ping-slave-period", "replica-announce-ip": "slave-announce-ip", "replica-announce-port": "slave-announce-port",
		"replica-ignore-maxmemory": "slave-ignore-maxmemory", "replica-lazy-flush": "slave-lazy-flush", "replica-priority": "slave-priority",
		"replica-read-only": "slave-read-only", "replica-serve-stale-data": "slave-serve-stale-data",
	} {
		require.Equal(t, Settings{kept: "7"}, read(t, alias, "7", kept, "7"), "%s", alias)
		require.Equal(t, Settings{alias: "7"}, read(t, alias, "7"), "the name that an older server has alone")
		out, onlyOne := read(t, kept, "7", alias, "7").Differences(read(t, kept, "8", alias, "8"))
		if !isOwn(kept) {
			require.Equal(t, []Difference{{kept, "8"}}, out)
		}
		require.Zero(t, onlyOne)
	}
}
