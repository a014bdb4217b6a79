package jobs

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

var get, queueGet = Metrics[0], Metrics[1]

// askJobs asks with the shipped options.
func askJobs(t testing.TB, m *item.Metric, target *item.Target, raw ...string) map[string]any {
	t.Helper()
	args, err := m.ParseArgs(raw)
	require.NoError(t, err)
	text, err := m.Answer(context.Background(), &item.Request{Target: target, Args: args, Env: &item.Env{Jobs: metrictest.DefaultJobs()}})
	require.NoError(t, err)
	return metrictest.Decode(t, text)
}

func rowsByID(doc map[string]any, list string) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, r := range doc[list].([]any) {
		r := r.(map[string]any)
		out[r["id"].(string)] = r
	}
	return out
}

func TestJobGet(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "queues", "default", `it's "a" queue`)
	s.Do(t, "LPUSH", "queue:default", `{"jid":"1","enqueued_at":1795227509.7}`)
	s.Do(t, "LPUSH", `queue:it's "a" queue`, "no JSON")
	s.Do(t, "SADD", "a/b:queues", "default")
	s.Do(t, "SADD", "a/b:processes", "vm:1:a")
	s.Do(t, "SADD", "a:queues", "b/default")
	s.Do(t, "SADD", "a:processes", "vm:1:a")
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	doc := askJobs(t, get, target)
	require.EqualValues(t, 1, doc["up"])
	require.EqualValues(t, 3, doc["count"])
	found := doc["discovery"].(map[string]any)
	require.InDelta(t, float64(time.Now().Unix()), found["as_of"], 60)
	delete(found, "as_of")
	require.Equal(t, map[string]any{"complete": 1.0, "scanned": 7.0}, found)
	require.Equal(t, map[string]any{}, doc["truncated"])
	require.Equal(t, map[string]any{}, doc["unavailable"])

	systems, queues := rowsByID(doc, "systems"), rowsByID(doc, "queues")
	require.Len(t, systems, 3, "each has an id of its own")
	require.Len(t, queues, 4)
	require.Contains(t, queues, "sidekiq/a%2Fb/default")
	require.Contains(t, queues, "sidekiq/a/b/default")
	sidekiq := systems["sidekiq/"]
	require.Equal(t, 2.0, sidekiq["waiting"])
	require.Equal(t, 1.0, sidekiq["exists"])
	require.NotContains(t, sidekiq, "completed")
	why := sidekiq["unavailable"].(map[string]any)
	require.Equal(t, "a job is deleted when it is done", why["completed"])
	require.Equal(t, "the counters are for all queues together", why["queue.processed_total"])
	require.NotContains(t, why, "latency")
	require.InDelta(t, queues["sidekiq//default"]["latency"], sidekiq["latency"], 1, "one that is unknown does not hide the others")
	require.Equal(t, 1.0, sidekiq["latency_unknown"])
	require.Equal(t, "it is not known of 1 queues", why["queues_stuck"])

	q := queues["sidekiq//default"]
	for name, want := range map[string]any{
		"system_id": "sidekiq/", "system": "sidekiq", "prefix": "", "queue": "default", "listed": 1.0, "waiting": 1.0, "paused": 0.0,
	} {
		require.Equal(t, want, q[name], name)
	}
	require.Equal(t, map[string]any{}, q["unavailable"], "what the system does not keep stands there once")
	q = queues[`sidekiq//it's "a" queue`]
	require.NotContains(t, q, "latency")
	require.Contains(t, q["unavailable"], "latency")

	one := askJobs(t, get, target, "", "", "", "sidekiq", "a")
	require.Equal(t, []any{"sidekiq/a"}, []any{one["systems"].([]any)[0].(map[string]any)["id"]})
	require.EqualValues(t, 1, one["count"])
}

func TestJobQueueGet(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SADD", "app:queues", "default")
	s.Do(t, "LPUSH", "app:queue:default", `{"jid":"1","enqueued_at":1795227509.7}`)
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	doc := askJobs(t, queueGet, target, "", "", "", "sidekiq", "default", "app")
	require.EqualValues(t, 1, doc["up"])
	require.Equal(t, "sidekiq/app/default", doc["id"])
	require.Equal(t, 1.0, doc["waiting"])
	require.Equal(t, 0.0, doc["workers_alive"])
	doc = askJobs(t, queueGet, target, "", "", "", "sidekiq", "default")
	require.Equal(t, 0.0, doc["listed"])
	require.NotContains(t, doc, "waiting", "there is no such queue, and no such system")
	require.Equal(t, map[string]any{
		"queue":         "there is no such queue in the list of queues",
		"workers_alive": `there is no key of sidekiq under the prefix ""`, "abandoned": "it follows from waiting and workers_alive, and one of them is not known",
	}, doc["unavailable"], "the reason is there once")
	require.NotContains(t, doc, "workers_alive")
	doc = askJobs(t, queueGet, target, "", "", "", "sidekiq", "defualt", "app")
	require.Equal(t, map[string]any{
		"queue": "there is no such queue in the list of queues; did you mean default?", "abandoned": "it follows from waiting and workers_alive, and one of them is not known",
	}, doc["unavailable"])

	for _, raw := range [][]string{
		{"", "", "", "cron", "default"}, {"", "", "", "sidekiq", "a\x00b"}, {"", "", "", "sidekiq"}, {"", "", "", "", "a"},
	} {
		_, err := queueGet.ParseArgs(raw)
		require.Error(t, err)
	}
	_, err := get.ParseArgs([]string{"", "", "", "cron"})
	require.ErrorContains(t, err, `parameter 4 (System): no job system is called "cron"; there are: sidekiq`)
}

func TestJobsOfATargetThatIsDown(t *testing.T) {
	t.Parallel()
	down := &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("connection refused")}
	for _, m := range Metrics {
		raw := []string{"", "", ""}
		if m == queueGet {
			raw = append(raw, "rq", "default")
		}
		doc := askJobs(t, m, metrictest.NewTarget(&metrictest.ScriptDoer{Err: down}), raw...)
		require.EqualValues(t, 0, doc["up"])
		require.Equal(t, "tcp", doc["reason"])
		require.NotContains(t, doc, "systems")
		require.NotContains(t, doc, "waiting")
	}
}

// FuzzJobDocument answers every question with the same value.
func FuzzJobDocument(f *testing.F) {
	f.Add([]byte("$4\r\n\"\xff\x00}\r\n"), true)
	f.Add([]byte("*2\r\n$1\r\n1\r\n*1\r\n$9\r\nrq:queues\x01\r\n"), false)
	f.Add([]byte(":9223372036854775807\r\n"), true)
	f.Add([]byte("+set\r\n"), false)
	f.Add([]byte("-WRONGTYPE no\r\n"), true)
	f.Fuzz(func(t *testing.T, wire []byte, all bool) {
		d := echo(wire)
		if _, err := d.value(); err != nil {
			return
		}
		target := metrictest.NewTarget(d)
		if all {
			metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, get, target)))
			return
		}
		for _, name := range []string{
			"sidekiq", "resque", "rq", "celery", "bullmq", "bull", "asynq", "laravel", "horizon", "symfony", "huey", "arq", "dramatiq",
			"taskiq", "beequeue", "saq", "djangoq",
		} {
			metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, get, target, "", "", "", name, "p")))
			metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, queueGet, target, "", "", "", name, "q")))
		}
	})
}

// echo answers every command but TIME with the same reply.
type echo []byte

func (d echo) value() (resp.Value, error) {
	return resp.NewReader(bytes.NewReader(d), resp.Limits{}).ReadReply()
}

func (d echo) DoAll(_ context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	out := make([]resp.Value, len(cmds))
	for i, cmd := range cmds {
		var err error
		if out[i], err = d.value(); err != nil {
			return nil, err
		}
		if cmd[0] == "TIME" {
			out[i] = resp.Value{Kind: resp.Array, Elems: []resp.Value{
				{Kind: resp.Integer, Int: time.Now().Unix()}, {Kind: resp.Integer},
			}}
		}
	}
	return out, nil
}

// TestAnEmptyDatabaseSaysSo, and where there are keys.
func TestAnEmptyDatabaseSaysSo(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, Database: 3})
	doc := askJobs(t, get, target)
	require.EqualValues(t, 1, doc["up"])
	require.EqualValues(t, 0, doc["count"])
	require.Equal(t, []any{}, doc["databases"])
	require.Equal(t, "no job system was found in this database; no database of this server has keys", doc["unavailable"].(map[string]any)["systems"])

	s.Do(t, "SADD", "queues", "a")
	s.Do(t, "SET", "stat:processed", "1")
	s.Do(t, "SELECT", "7")
	s.Do(t, "SET", "a", "b")
	doc = askJobs(t, get, target, "", "", "", "rq")
	require.Equal(t, []any{map[string]any{"db": 0.0, "keys": 2.0}, map[string]any{"db": 7.0, "keys": 1.0}}, doc["databases"])
	require.Equal(t, "no rq was found in this database; databases with keys: db0 (2), db7 (1)", doc["unavailable"].(map[string]any)["systems"])

	target, _ = metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	doc = askJobs(t, get, target)
	require.NotContains(t, doc, "databases")
	require.Equal(t, map[string]any{}, doc["unavailable"])
}

func FuzzKeyspace(f *testing.F) {
	f.Add([]byte("# Keyspace\r\ndb0:keys=12,expires=3,avg_ttl=0,subexpiry=0\r\ndb15:keys=1\r\n"))
	f.Add([]byte("db-1:keys=99999999999999999999\ndb:keys=\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all := parseKeyspace(text)
		require.LessOrEqual(t, len(all), maxDatabases)
		for _, d := range all {
			require.GreaterOrEqual(t, d.number, int64(0))
			require.GreaterOrEqual(t, d.keys, int64(0))
		}
	})
}

// FuzzBull reads what applications may write into a job's options, or call their
// clients.
func FuzzBull(f *testing.F) {
	f.Add([]byte(`{"delay":86400000}`), "bull:bWFpbA==:w:one:two")
	f.Add([]byte(`{"delay":"1e999"}`), "a:b:c21z")
	f.Add([]byte(`[`), ":")
	f.Fuzz(func(t *testing.T, opts []byte, client string) {
		delay, err := bullDelayOf(resp.Value{Kind: resp.BulkString, Str: opts})
		if err == nil {
			require.True(t, delay >= 0 && delay <= 1e12, "%v", delay)
		}
		if queue, _ := bullWorker("bull", client, nil); queue != "" {
			require.NoError(t, checkQueue(queue))
			require.Equal(t, "bull:", client[:5])
		}
		_ = isCeleryMessage(opts)
	})
}
