package streams

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// polling is a target whose streams are polled; passes wait for work.
type polling struct {
	t      testing.TB
	target *item.Target
	works  []func(ctx context.Context)
}

func (p *polling) ask(raw ...string) map[string]any {
	p.t.Helper()
	args, err := GetMany.ParseArgs(append([]string{"", "", ""}, raw...))
	require.NoError(p.t, err)
	text, err := GetMany.Answer(context.Background(), &item.Request{Target: p.target, Args: args, Env: &item.Env{
		Keyspace:   item.KeyspaceOptions{KeysPerSecond: 1_000_000},
		Background: func(work func(ctx context.Context), _ func(err error)) { p.works = append(p.works, work) },
	}})
	require.NoError(p.t, err)
	return metrictest.Decode(p.t, text)
}

func (p *polling) pass(raw ...string) map[string]any {
	p.t.Helper()
	p.ask(raw...)
	require.Len(p.t, p.works, 1)
	for len(p.works) > 0 {
		work := p.works[0]
		p.works = p.works[1:]
		work(context.Background())
	}
	return p.ask(raw...)
}

// TestAllStreamsOfEveryServer has groups that are behind, that nobody reads, and whose consumer has died.
func TestAllStreamsOfEveryServer(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin})
			s.Do(t, "EVAL", "for i=1,2000 do redis.call('SET','k:'..i,'x') end", "0")
			began, ids := time.Now().UnixMilli()-20_000, make([]string, 10)
			for i := range ids {
				ids[i] = fmt.Sprintf("%d-%d", began, i)
				s.Do(t, "XADD", "orders", ids[i], "f", "v")
			}
			s.Do(t, "XADD", "alone", "*", "f", "v")
			s.Do(t, "XGROUP", "CREATE", "orders", "billing", "0")
			s.Do(t, "XGROUP", "CREATE", "orders", "nobody", "0")
			s.Do(t, "XREADGROUP", "GROUP", "billing", "dead", "COUNT", "4", "STREAMS", "orders", ">")
			s.Do(t, "XREADGROUP", "GROUP", "billing", "resting", "COUNT", "1", "STREAMS", "orders", ">")
			s.Do(t, "XACK", "orders", "billing", ids[4]) // idle is not dead
			time.Sleep(4100 * time.Millisecond)          // a consumer's idle time is the server's clock
			s.Do(t, "XREADGROUP", "GROUP", "billing", "alive", "COUNT", "1", "STREAMS", "orders", ">")
			target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			p := &polling{t: t, target: target}
			p.pass("*", "", "1h")
			s.Do(t, "XREADGROUP", "GROUP", "billing", "alive", "COUNT", "1", "STREAMS", "orders", "0")
			before := wire.Calls
			doc := p.ask("*", "", "4s")
			require.Equal(t, 2, wire.Calls-before)
			require.Empty(t, doc["unavailable"])
			require.Empty(t, doc["truncated"])
			require.Equal(t, []any{true, 2.0, 1.0, 1.0}, []any{doc["complete"], doc["count"], doc["groups_without_consumer"], doc["dead_consumers"]})
			orders := metrictest.Row(t, doc["streams"], "{#STREAM}", "orders")
			require.Equal(t, []any{true, 10.0, 2.0, 3.0, 1.0, 10.0, 5.0, 2.0, 1.0}, []any{orders["exists"], orders["length"], orders["groups"], orders["consumers"],
				orders["groups_without_consumer"], orders["lag"], orders["pending"], orders["idle_consumers"], orders["dead_consumers"]})
			require.Greater(t, orders["oldest_pending_age"], 1.0)
			require.Greater(t, orders["oldest_pending_idle"], 1.0)
			require.Greater(t, orders["oldest_undelivered_age"], 1.0)
			alone := metrictest.Row(t, doc["streams"], "key", "alone")
			require.Equal(t, []any{1.0, 0.0, 0.0, 0.0}, []any{alone["length"], alone["groups"], alone["pending"], alone["groups_without_consumer"]})
			require.NotContains(t, alone, "lag", "nobody is behind")
			require.NotContains(t, alone, "oldest_pending_age")
			groups := metrictest.Rows(t, doc["groups"])
			require.Len(t, groups, 2)
			billing := groups[0]
			require.Equal(t, []any{"orders", "billing", "orders", "billing", 3.0, 2.0, 1.0, 5.0, 4.0, 9.0},
				[]any{billing["{#STREAM}"], billing["{#GROUP}"], billing["stream"], billing["group"], billing["consumers"], billing["idle_consumers"],
					billing["dead_consumers"], billing["pending"], billing["lag"], billing["backlog"]})
			require.Equal(t, []any{"nobody", 0.0, 0.0, 0.0, 10.0}, []any{groups[1]["group"], groups[1]["consumers"], groups[1]["dead_consumers"], groups[1]["pending"], groups[1]["lag"]})
			dead := metrictest.Rows(t, doc["dead"])
			require.Len(t, dead, 1)
			require.Equal(t, []any{"orders", "billing", "dead", 4.0}, []any{dead[0]["stream"], dead[0]["group"], dead[0]["consumer"], dead[0]["pending"]})
			require.Greater(t, dead[0]["idle"], 1.0)

			// The same as of each stream alone.
			single := metrictest.Decode(t, metrictest.Must(metrictest.OfKey(t, Get, target, "orders")))
			for _, g := range metrictest.Rows(t, single["groups"]) {
				of := metrictest.Row(t, doc["groups"], "group", g["name"].(string))
				for _, member := range []string{"consumers", "pending", "lag", "lag_counted", "backlog"} {
					require.Equal(t, g[member], of[member], member)
				}
			}

			// One is deleted: it has no figures and causes one refusal, not one at each poll.
			s.Do(t, "DEL", "alone")
			refused := ""
			for poll := range 3 {
				doc = p.ask("*", "", "4s")
				if f.Is("redis", 7, 0) && poll > 0 {
					require.Equal(t, refused, s.InfoField(t, "stats", "total_error_replies"))
				} else if f.Is("redis", 7, 0) {
					refused = s.InfoField(t, "stats", "total_error_replies")
				}
				require.Equal(t, map[string]any{"{#STREAM}": "alone", "key": "alone", "exists": false, "length": 0.0},
					metrictest.Row(t, doc["streams"], "key", "alone"))
				require.Empty(t, doc["unavailable"])
			}
			s.Do(t, "XADD", "alone", "*", "f", "v")
			doc = p.ask("*")
			require.NotContains(t, doc, "dead_consumers", "it is not known of one")
			require.Contains(t, metrictest.Section(t, doc, "unavailable")["groups"], "the next poll")
			doc = p.ask("*")
			require.Equal(t, 1.0, metrictest.Row(t, doc["streams"], "key", "alone")["length"])
			require.Contains(t, metrictest.Section(t, doc, "unavailable")["groups"], "the next poll")
			require.Empty(t, p.ask("*")["unavailable"])
		})
	}
}

func TestStreamsOfARealCluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.NewCluster(t, redistest.Flavour{Name: redistest.Machine}, redistest.Config{})
	for i := range 12 {
		key := fmt.Sprintf("s:%02d", i)
		for _, n := range nodes[:3] { // one of them has the slot
			if _, err := n.TryDo("XADD", key, "*", "f", "v"); err == nil {
				n.Do(t, "XGROUP", "CREATE", key, "g", "0")
				break
			}
		}
	}
	entry, wire := metrictest.DialTarget(t, redisclient.Config{Address: nodes[0].Addr})
	peers := map[string]*item.Target{}
	entry.Peer = func(addr string) (*item.Target, error) {
		if peers[addr] == nil {
			peer, _ := metrictest.DialTarget(t, redisclient.Config{Address: addr})
			peers[addr] = peer
		}
		return peers[addr], nil
	}
	p := &polling{t: t, target: entry}
	p.pass("s:*")
	before := wire.Calls
	doc := p.ask("s:*")
	require.LessOrEqual(t, wire.Calls-before, 2)
	require.Equal(t, []any{true, 12.0, 12.0}, []any{doc["complete"], doc["count"], doc["groups_without_consumer"]})
	require.Empty(t, doc["unavailable"])
	for i, row := range metrictest.Rows(t, doc["streams"]) {
		require.Equal(t, []any{fmt.Sprintf("s:%02d", i), 1.0, 1.0}, []any{row["key"], row["lag"], row["length"]})
	}
	require.Len(t, doc["groups"], 12)
	nodes[2].Kill(t)
	doc = p.ask("s:*")
	require.Equal(t, 1.0, doc["up"])
	require.Contains(t, metrictest.Section(t, doc, "unavailable")["masters"], nodes[2].Addr)
	require.NotContains(t, doc, "groups_without_consumer", "unknown is not zero")
	require.Len(t, doc["streams"], 12)
	require.Less(t, len(doc["groups"].([]any)), 12)
}

// TestManyStreamsAreBounded: of too many streams, groups, consumers and long entries the rest is counted.
func TestManyStreamsAreBounded(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Args: []string{"--slowlog-log-slower-than", "10000"}})
	s.Do(t, "EVAL", `for i=1,205 do local k = string.format('s:%03d', i); redis.call('XADD', k, '*', 'f', 'v')
		for g=1,10 do redis.call('XGROUP','CREATE',k,'g'..g,'0') end end
		redis.call('XADD','long',     '*', 'f', string.rep('x', 6*1024*1024))
		redis.call('XADD','crowd', '*', 'f', 'v')
		for i=1,30 do redis.call('XGROUP','CREATE','crowd','g'..i,'0')
			for c=1,1500 do redis.call('XGROUP','CREATECONSUMER','crowd','g'..i,'c'..c) end end
		redis.call('XADD','many', '*', 'f', 'v')
		for i=1,3000 do redis.call('XGROUP','CREATE','many','g'..i,'0') end`, "0")
	target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	p := &polling{t: t, target: target}
	doc := p.pass("s:*")
	require.Len(t, doc["streams"], maxStreams)
	require.Len(t, doc["groups"], maxManyGroups)
	cut := metrictest.Section(t, doc, "truncated")
	require.Equal(t, []any{5.0, 1000.0}, []any{cut["streams"], cut["groups"]})
	before := wire.Calls
	p.ask("s:*")
	require.LessOrEqual(t, wire.Calls-before, 2)

	doc = p.pass("long")
	require.Equal(t, 1.0, doc["count"])
	require.Empty(t, doc["streams"], "its first and last entry are 12 MiB")
	require.Equal(t, 1.0, metrictest.Section(t, doc, "truncated")["streams"])

	doc = p.pass("crowd many")
	require.Len(t, doc["streams"], 2)
	unavailable := metrictest.Section(t, doc, "unavailable")
	require.Equal(t, "there are 3000 groups, and at most 2000 can be asked for", unavailable["groups"])
	require.Contains(t, unavailable["consumers"], "has 1500 consumers, and at most 500 can be asked for")
	require.NotContains(t, doc, "dead_consumers")
	require.NotContains(t, metrictest.Row(t, doc["streams"], "key", "crowd"), "dead_consumers")
	require.Equal(t, 45_000.0, metrictest.Row(t, doc["streams"], "key", "crowd")["consumers"])
}

func TestStreamsWithoutAPartOrAServer(t *testing.T) {
	t.Parallel()
	metrictest.RequireDown(t, GetMany, "", "", "", "*")
	s := redistest.Start(t, redistest.Config{Users: []string{
		"reader on >secret ~* -@all +ping +info +scan +time +type +dbsize +xinfo|stream +xinfo|groups +client|setname",
	}})
	s.Do(t, "XADD", "a", "*", "f", "v")
	s.Do(t, "XGROUP", "CREATE", "a", "g", "0")
	s.Do(t, "XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", ">")
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "reader", Password: "secret"})
	p := &polling{t: t, target: target}
	doc := p.pass("*")
	unavailable := metrictest.Section(t, doc, "unavailable")
	require.Len(t, unavailable, 2, "%v", unavailable)
	require.Contains(t, unavailable["consumers"], "NOPERM")
	require.Contains(t, unavailable["pending"], "NOPERM")
	row := metrictest.Rows(t, doc["streams"])[0]
	require.Equal(t, []any{1.0, 1.0, 1.0, 1.0}, []any{row["length"], row["groups"], row["consumers"], row["pending"]})
	require.NotContains(t, row, "dead_consumers")
	require.NotContains(t, doc, "dead_consumers")
	refused := strings.Count(s.Do(t, "ACL", "LOG"), "reason")
	p.ask("*")
	require.Equal(t, refused, strings.Count(s.Do(t, "ACL", "LOG"), "reason"), "not asked again at each poll")
	for _, raw := range [][2]string{{"x", "parameter 6 (Idle): expected a positive number of seconds"}, {"0", "parameter 6 (Idle): expected a positive"}} {
		_, err := GetMany.ParseArgs([]string{"", "", "", "*", "", raw[0]})
		require.ErrorContains(t, err, raw[1])
	}
}
