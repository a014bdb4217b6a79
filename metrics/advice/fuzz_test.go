package advice

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/ask"
	"redisjobs/redisclient/resp"
)

// FuzzRules judges servers that say anything: no rule may fail, or say more than a
// line.
func FuzzRules(f *testing.F) {
	healthyReplies := script(with(healthy, users))
	text := func(wire string) string {
		v, err := resp.NewReader(strings.NewReader(wire), resp.Limits{}).ReadReply()
		require.NoError(f, err)
		return string(v.Str)
	}
	f.Add(text(healthyReplies["INFO"]), text(healthyReplies["INFO commandstats"]), "bind", "* -::*", "user a on nopass ~* +@all (~x -@all)")
	f.Add(text(script(with(healthy, append(member, master...)...))["INFO"]), "# Commandstats\r\ncmdstat_keys:calls=9,usec=99999999\r\n", "client-output-buffer-limit", "slave 0 0 0 x", "user")
	f.Add("# Server\r\nredis_version:9223372036854775807.9\r\n# Memory\r\nused_memory:9223372036854775807\r\nused_memory_rss:9223372036854775807\r\n", "x", "save", "", "")
	f.Fuzz(func(t *testing.T, server, commands, name, value, user string) {
		d := &metrictest.ScriptDoer{Replies: map[string]string{
			"INFO": metrictest.Bulk(server), "INFO commandstats": metrictest.Bulk(commands), "CONFIG GET *": metrictest.WireArray(name, value),
			"ACL LIST": metrictest.WireArray(user), "SENTINEL MASTERS": "*1\r\n" + metrictest.WireArray("name", value, "quorum", name),
			"CLUSTER NODES": metrictest.Bulk(user), "CLUSTER SLOT-STATS ORDERBY key-count LIMIT 1": commands,
		}}
		if _, err := resp.NewReader(strings.NewReader(commands), resp.Limits{MaxElements: 1000}).ReadReply(); err != nil {
			delete(d.Replies, "CLUSTER SLOT-STATS ORDERBY key-count LIMIT 1")
		}
		target := metrictest.NewTarget(d)
		for range 2 {
			text, err := metrictest.CollectFrom(t, Get, target, "", "", "", "", "yes")
			require.NoError(t, err)
			metrictest.RequireUniqueJSON(t, text)
			doc := metrictest.Decode(t, text)
			if doc["findings"] == nil {
				continue
			}
			for _, row := range metrictest.Rows(t, doc["findings"]) {
				evidence := row["evidence"].(string)
				require.NotEmpty(t, evidence)
				require.LessOrEqual(t, utf8.RuneCountInString(evidence), ask.MaxErrorLine)
				require.NotContains(t, evidence, "\n")
			}
		}
	})
}
