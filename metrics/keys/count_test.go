package keys

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

func TestKeysCountOfARealServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Args: []string{"--enable-debug-command", "yes"}})
	s.Do(t, "DEBUG", "POPULATE", "20000", "session", "8")
	s.Do(t, "DEBUG", "POPULATE", "5000", "other", "8")
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	count := func(pattern, budget string) map[string]any {
		t.Helper()
		text, err := metrictest.CollectFrom(t, Count, target, "", "", "", pattern, budget)
		require.NoError(t, err)
		doc := metrictest.Decode(t, text)
		require.Empty(t, doc["unavailable"])
		require.Equal(t, pattern, doc["pattern"])
		require.Equal(t, 25000.0, doc["dbsize"])
		return doc
	}
	doc := count("session:*", "")
	require.Equal(t, 20000.0, doc["count"])
	require.Equal(t, true, doc["complete"])
	require.Equal(t, 25000.0, doc["scanned"])
	require.NotContains(t, doc, "estimate")
	require.Equal(t, 0.0, count("nothing:*", "")["count"])
	require.Equal(t, 25000.0, count("*", "1000000")["count"])

	doc = count("session:*", "5000")
	require.Equal(t, false, doc["complete"])
	require.Equal(t, 5000.0, doc["scanned"])
	require.InDelta(t, 4000, doc["count"], 300)
	require.InDelta(t, 20000, doc["estimate"], 1500)
	require.NotContains(t, s.Do(t, "INFO", "commandstats"), "cmdstat_keys")
}

// scanDoer is a server whose SCAN takes its time and repeats itself.
type scanDoer struct {
	step   time.Duration
	steps  int
	end    int // the step that completes the pass; 0 for none
	dbsize string
}

func (d *scanDoer) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(d.step):
	}
	d.steps++
	cursor := "7"
	if d.steps == d.end {
		cursor = "0"
	}
	wire := fmt.Sprintf("*2\r\n%s%s", metrictest.Bulk(cursor), metrictest.WireArray("a", "b", fmt.Sprint("c", d.steps)))
	for _, cmd := range cmds[1:] {
		if cmd[0] == "INFO" {
			wire += metrictest.Bulk("# Cluster\r\ncluster_enabled:0\r\n")
		} else {
			wire += d.dbsize
		}
	}
	reader := resp.NewReader(strings.NewReader(wire), resp.Limits{})
	values := make([]resp.Value, len(cmds))
	for i := range values {
		var err error
		if values[i], err = reader.ReadReply(); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func TestKeysCountEndsWithTheBudgetOrWellBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		doer     scanDoer
		steps    int
		count    float64
		complete bool
		scanned  float64
		estimate any
	}{
		{"complete: repeated keys count once", scanDoer{end: 3, dbsize: ":2500\r\n"}, 3, 5, true, 2500, nil},
		{"the budget ends a SCAN that never does", scanDoer{dbsize: ":1000000\r\n"}, 5, 7, false, 5000, 1400.0},
		{"time ends it", scanDoer{step: 700 * time.Millisecond, dbsize: ":1000000\r\n"}, 3, 5, false, 3000, 1666.0},
		{"a first step is always made", scanDoer{step: 2900 * time.Millisecond, dbsize: ":1000000\r\n"}, 1, 3, false, 1000, 3000.0},
		{"no estimate without a size", scanDoer{dbsize: "-NOPERM no\r\n"}, 5, 7, false, 5000, nil},
		{"a database that is smaller than the steps", scanDoer{dbsize: ":900\r\n"}, 5, 7, false, 900, 7.0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
				defer cancel()
				args, err := Count.ParseArgs([]string{"", "", "", "*", "5000"})
				require.NoError(t, err)
				text, err := Count.Answer(ctx, &item.Request{Target: metrictest.NewTarget(&tt.doer), Args: args, Env: &item.Env{}})
				require.NoError(t, err)
				doc := metrictest.Decode(t, text)
				require.Equal(t, tt.steps, tt.doer.steps)
				require.Equal(t, tt.count, doc["count"])
				require.Equal(t, tt.complete, doc["complete"])
				require.Equal(t, tt.scanned, doc["scanned"])
				require.Equal(t, tt.estimate, doc["estimate"])
				require.NoError(t, ctx.Err())
			})
		})
	}
}

func TestKeysCountWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	metrictest.RequireDown(t, Count, "", "", "", "*")
	const scan = "SCAN 0 MATCH * COUNT 1000"
	for _, tt := range []struct{ name, reply, reason, text string }{
		{"loading", "-LOADING wait\r\n", "loading", "LOADING wait"},
		{"no cursor", "*0\r\n", "protocol", "SCAN: expected a cursor and keys, got 0 members"},
		{"no keys", "*2\r\n$1\r\n0\r\n:1\r\n", "protocol", "SCAN: expected an array, got a reply of kind integer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text, err := metrictest.Collect(t, Count, &metrictest.ScriptDoer{Replies: map[string]string{scan: tt.reply, "DBSIZE": ":1\r\n"}}, "", "", "", "*")
			require.NoError(t, err)
			doc := metrictest.Decode(t, text)
			require.Equal(t, tt.reason, doc["reason"])
			require.Contains(t, doc["error"], tt.text)
		})
	}
	d := &metrictest.ScriptDoer{Replies: map[string]string{
		scan: "-NOPERM no\r\n", "DBSIZE": ":1\r\n", "INFO cluster": metrictest.Bulk("# Cluster\r\ncluster_enabled:0\r\n"),
	}}
	text, err := metrictest.Collect(t, Count, d, "", "", "", "*")
	require.NoError(t, err)
	doc := metrictest.Decode(t, text)
	require.Equal(t, 1.0, doc["up"], "the server is there")
	require.Equal(t, map[string]any{"scan": "NOPERM no"}, doc["unavailable"])
	require.Equal(t, 1.0, doc["dbsize"])
	require.NotContains(t, doc, "count")
	require.NotContains(t, doc, "complete")
	for _, budget := range []string{"999", "1000001", "many", "-1"} {
		_, err := Count.ParseArgs([]string{"", "", "", "*", budget})
		require.EqualError(t, err, "parameter 5 (Budget): expected a number of keys, 1000-1000000")
	}
}

// TestAPatternThatBlocksAServerIsRefused asks every server: one that tries each star at each place of a key gets no
// SCAN, the others look.
func TestAPatternThatBlocksAServerIsRefused(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--slowlog-log-slower-than", "10000"}})
			s.Do(t, "SET", strings.Repeat("a", 60), "x")
			s.Do(t, "SET", "xaxbx", "x")
			target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			text, err := metrictest.OfKey(t, Count, target, "*a*a*a*a*a*a*a*b")
			if f.Is("redis", 7, 0) || f.Is("valkey", 7, 0) || f.Name == "redis-6.2" {
				require.NoError(t, err)
				require.Equal(t, true, metrictest.Decode(t, text)["complete"])
			} else {
				require.ErrorContains(t, err, `the pattern "*a*a*a*a*a*a*a*b" has 8 stars, which may block this server for seconds: it is redis `+map[bool]string{true: "5.", false: "6.2.5."}[f.Name == "redis-5.0"])
				require.NotContains(t, s.Do(t, "INFO", "commandstats"), "scan", "it is not sent")
			}
			doc := metrictest.Decode(t, metrictest.Must(metrictest.OfKey(t, Count, target, "*a*b*")))
			require.Equal(t, []any{1.0, true}, []any{doc["count"], doc["complete"]}, "two stars are for every server")
			require.Empty(t, strings.TrimSpace(s.Do(t, "SLOWLOG", "GET", "10")))
		})
	}
}
