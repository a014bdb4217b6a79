package jobs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// startEmpty starts a server without keys.
func startEmpty(t testing.TB) *redistest.Server { return redistest.Borrow(t) }

func plainCases() []conformance {
	var thousand []string
	for i := range maxQueues + 5 {
		thousand = append(thousand, fmt.Sprintf("q%04d", i))
	}
	return []conformance{
		{
			name: "of each kind", system: "plain", db: 20, at: 1795230100, shapeless: true,
			options: &item.JobsOptions{Queues: map[string][]string{"plain": {"mails", "later", "laterms", "ranks", "tags", "gone"}}},
			seed: [][]string{
				{"RPUSH", "mails", "a", "b", "c"},
				{"ZADD", "later", "1795230000", "a", "1795230090.5", "b", "1795230200", "c"},
				{"ZADD", "laterms", "1795230090000", "a", "1795230200000", "b"},
				{"ZADD", "ranks", "5", "a", "7", "b"},
				{"SADD", "tags", "x", "y"},
			},
			figures: map[string]float64{"waiting": 10, "latency": 100, "queue_count": 6},
			queues: map[string]map[string]float64{
				"mails":   {"waiting": 3},
				"later":   {"waiting": 2, "scheduled": 1, "latency": 100},
				"laterms": {"waiting": 1, "scheduled": 1, "latency": 10},
				"ranks":   {"waiting": 2},
				"tags":    {"waiting": 2},
				"gone":    {"waiting": 0, "latency": 0},
			},
			unknown: map[string][]figure{
				"":      {figActive, figScheduled},
				"mails": {figActive, figScheduled, figLatency, figArrival, figDrain}, "later": {figActive, figArrival, figDrain},
				"laterms": {figActive, figArrival, figDrain}, "ranks": {figActive, figScheduled, figLatency, figArrival, figDrain},
				"tags": {figActive, figScheduled, figLatency, figArrival, figDrain, figStalled, figStuck}, "gone": {figActive, figScheduled, figArrival, figDrain},
			},
		},
		{
			// The streams of the run. Of orders 3 entries are left and none of them was
			// delivered, though the server tells a lag of 9.
			name: "streams", system: "plain", db: 9, at: 1795230620, shapeless: true,
			options: &item.JobsOptions{Queues: map[string][]string{"plain": {"orders", "s2"}}},
			figures: map[string]float64{
				"waiting": 13, "active": 15, "added_total": 30, "latency": 1795230620 - 1795229805.987, "queue_count": 2,
			},
			queues: map[string]map[string]float64{
				"orders": {"waiting": 3, "active": 10, "added_total": 20, "latency": 1795230620 - 1795229805.987},
				"s2":     {"waiting": 10, "active": 5, "added_total": 10, "latency": 1795230620 - 1795230612.388},
			},
			unknown: map[string][]figure{"": {figScheduled}, "orders": {figScheduled}, "s2": {figScheduled}},
		},
		{
			name: "a stream without groups, one that was read, and one with a hole", system: "plain", db: 21, at: 1795230100,
			shapeless: true,
			options:   &item.JobsOptions{Queues: map[string][]string{"plain": {"bare", "read", "hole", "trimmed"}}},
			seed: [][]string{
				// Before Redis 8 the server takes the trimmed ones for not delivered.
				{"XADD", "trimmed", "1-0", "a", "1"}, {"XADD", "trimmed", "2-0", "a", "1"}, {"XADD", "trimmed", "3-0", "a", "1"},
				{"XADD", "trimmed", "4-0", "a", "1"}, {"XADD", "trimmed", "5-0", "a", "1"}, {"XGROUP", "CREATE", "trimmed", "g", "0"},
				{"XREADGROUP", "GROUP", "g", "me", "COUNT", "1", "STREAMS", "trimmed", ">"}, {"XTRIM", "trimmed", "MAXLEN", "1"},
				{"XREADGROUP", "GROUP", "g", "me", "COUNT", "1", "STREAMS", "trimmed", ">"}, {"XACK", "trimmed", "g", "1-0", "5-0"},
				{"XADD", "bare", "1795230000000-0", "a", "1"}, {"XADD", "bare", "1795230001000-0", "a", "1"},
				{"XADD", "read", "1795230000000-0", "a", "1"}, {"XGROUP", "CREATE", "read", "g", "0"},
				{"XREADGROUP", "GROUP", "g", "me", "STREAMS", "read", ">"},
				{"XADD", "hole", "1795230000000-0", "a", "1"}, {"XADD", "hole", "1795230001000-0", "a", "1"},
				{"XADD", "hole", "1795230002000-0", "a", "1"}, {"XGROUP", "CREATE", "hole", "g", "0"},
				{"XREADGROUP", "GROUP", "g", "me", "COUNT", "1", "STREAMS", "hole", ">"}, {"XDEL", "hole", "1795230001000-0"},
			},
			figures: map[string]float64{"active": 2, "added_total": 11, "latency": 100, "queue_count": 4},
			queues: map[string]map[string]float64{
				"trimmed": {"waiting": 0, "active": 0, "added_total": 5, "latency": 0},
				"bare":    {"waiting": 2, "active": 0, "added_total": 2, "latency": 100},
				"read":    {"waiting": 0, "active": 1, "added_total": 1, "latency": 0},
				"hole":    {"active": 1, "added_total": 3, "latency": 98},
			},
			unknown: map[string][]figure{
				"": {figWaiting, figScheduled}, "bare": {figScheduled}, "read": {figScheduled}, "trimmed": {figScheduled}, "hole": {figWaiting, figScheduled, figArrival, figDrain, figStalled, figStuck},
			},
		},
		{
			name: "many", system: "plain", db: 22, at: 1795230100, shapeless: true,
			options: &item.JobsOptions{Queues: map[string][]string{"plain": thousand}},
			many: func(n int) (out [][]string) {
				for _, key := range thousand[:n] {
					out = append(out, []string{"RPUSH", key, "1"})
				}
				return out
			},
		},
	}
}

func FuzzStreamGroups(f *testing.F) {
	row := func(fields string) string { return "*1\r\n" + fields }
	f.Add(row("*10\r\n$4\r\nname\r\n$1\r\ng\r\n$7\r\npending\r\n:10\r\n$17\r\nlast-delivered-id\r\n$15\r\n1795229805963-0\r\n$3\r\nlag\r\n:9\r\n$12\r\nentries-read\r\n$-1\r\n"))
	f.Add(row("*2\r\n$4\r\nname\r\n*0\r\n"))
	f.Add("*-1\r\n")
	f.Fuzz(func(t *testing.T, reply string) {
		v, err := resp.NewReader(strings.NewReader(reply), resp.Limits{}).ReadReply()
		if err != nil {
			return
		}
		groups, err := parseStreamGroups(v)
		if err != nil {
			return
		}
		for _, g := range groups {
			require.GreaterOrEqual(t, g.pending, 0.0)
			require.GreaterOrEqual(t, g.lag, 0.0)
			_, ok := redisclient.ParseStreamID(g.delivered.Next().String())
			require.True(t, ok)
		}
		_, _ = streamTime(v, nil)
	})
}
