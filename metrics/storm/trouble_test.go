package storm

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

func errorStat(t *testing.T, srv *redistest.Server) string {
	t.Helper()
	for line := range strings.Lines(srv.Do(t, "INFO", "errorstats")) {
		if strings.HasPrefix(line, "errorstat_") {
			return line
		}
	}
	return ""
}

func TestATypeThatChangesWhileItIsReadEnds(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	rec := dial(t, srv)
	srv.Do(t, "SET", "storm:job:a", "ACTIVE")
	rec.before = func(trip int) {
		srv.Do(t, "DEL", "storm:job:a")
		if trip%2 == 0 {
			srv.Do(t, "SET", "storm:job:a", "ACTIVE")
		} else {
			srv.Do(t, "HSET", "storm:job:a", "status", "ACTIVE")
		}
	}
	j := read(t, open(t, rec, item.StormOptions{}), "a")
	require.ErrorContains(t, j.Err, "WRONGTYPE")
	require.LessOrEqual(t, len(rec.trips), 3)
}

func TestAMalformedRecordHarmsNoOther(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	big := strings.Repeat("x", 3<<20)
	srv.Do(t, "HSET", "storm:job:good", "status", "ACTIVE")
	srv.Do(t, "SET", "storm:job:big", big)
	srv.Do(t, "HSET", "storm:job:bighash", "status", "ACTIVE", "blob", big)
	srv.Do(t, "HSET", "storm:jobs:state", "bigfield", `{"status":"`+big+`"}`, "fine", "PAUSED")
	srv.Do(t, "SET", "storm:job:binary", "\x80\x04\x95\x00")
	srv.Do(t, "SET", "storm:job:empty", "")
	srv.Do(t, "SET", "storm:job:json", `{"status":`)
	srv.Do(t, "RPUSH", "storm:job:list", "ACTIVE")
	srv.Do(t, "HSET", "storm:job:mute", "colour", "blue")
	reasons := map[string]string{
		"good":     "",
		"fine":     "",
		"big":      "the record is larger than 64 KiB",
		"bighash":  "the record is larger than 64 KiB",
		"bigfield": "the record is larger than 64 KiB",
		"binary":   "the record is neither a JSON object nor a status",
		"empty":    "the record is neither a JSON object nor a status",
		"json":     "the record is no JSON: unexpected end of JSON input",
		"list":     `the key "storm:job:list" is of type list, want a hash or a string`,
		"mute":     "the record has no status",
	}
	for name := range reasons {
		srv.Do(t, "SADD", "storm:jobs", name)
	}
	rec := dial(t, srv)
	store := open(t, rec, defaults)
	for range 2 {
		jobs := readAll(t, store)
		require.Len(t, jobs.Jobs, len(reasons))
		for _, j := range append(jobs.Jobs, read(t, store, "list"), read(t, store, "bigfield"), read(t, store, "empty")) {
			if want := reasons[j.Name]; want != "" {
				require.EqualError(t, j.Err, want, j.Name)
				require.Len(t, j.Unavailable, 1)
			} else {
				require.NoError(t, j.Err, j.Name)
			}
		}
	}
	require.Empty(t, errorStat(t, srv))
}

func TestAWrongHeartbeatKeyIsSaidAndOnlyWhereItMatters(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	srv.Do(t, "SET", "storm:jobs:heartbeat", "x")
	srv.Do(t, "HSET", "storm:job:a", "status", "ACTIVE", "ts", ago(t, srv, 10))
	srv.Do(t, "SET", "storm:job:b", "ACTIVE")
	srv.Do(t, "SADD", "storm:jobs", "a", "b")
	store := open(t, dial(t, srv), defaults)
	want := []unreadable{{"heartbeat", `the key "storm:jobs:heartbeat" is of type string, want a sorted set`}}
	jobs := readAll(t, store).Jobs
	require.Empty(t, jobs[0].Unavailable)
	require.Equal(t, want, jobs[1].Unavailable)
	require.Equal(t, statusActive, jobs[1].Status)
	require.Equal(t, want, read(t, store, "b").Unavailable)

	srv.Do(t, "DEL", "storm:jobs:heartbeat")
	srv.Do(t, "ZADD", "storm:jobs:heartbeat", "inf", "b")
	want = []unreadable{{"heartbeat", `"inf" is no time`}}
	require.Equal(t, want, readAll(t, store).Jobs[1].Unavailable)
	require.Equal(t, want, read(t, store, "b").Unavailable)
}

func TestAJobIsNotMissingWhileItsPlaceCannotBeRead(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	srv.Do(t, "SET", "storm:jobs:state", "x")
	srv.Do(t, "SADD", "storm:jobs", "a")
	store := open(t, dial(t, srv), defaults)
	const want = `the key "storm:jobs:state" is of type string, want a hash`
	require.EqualError(t, read(t, store, "a").Err, want)
	require.EqualError(t, readAll(t, store).Jobs[0].Err, want)
}

func TestARefusedKeyIsItsJobsTroubleAlone(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{Users: []string{
		"zbx on >pw ~storm:jobs* ~storm:job:a +time +type +smembers +sscan +zrange +zscore +hget +hgetall +getrange",
	}})
	srv.Do(t, "SADD", "storm:jobs", "a", "b")
	srv.Do(t, "SET", "storm:job:a", "ACTIVE")
	srv.Do(t, "SET", "storm:job:b", "ACTIVE")
	store := open(t, dial(t, srv, "AUTH", "zbx", "pw"), defaults)
	jobs := readAll(t, store).Jobs
	require.NoError(t, jobs[0].Err)
	require.Equal(t, redisclient.ReasonACL, redisclient.ReasonOf(jobs[1].Err))
	require.Equal(t, redisclient.ReasonACL, redisclient.ReasonOf(read(t, store, "b").Err))
}

// TestARefusedCommonKeyIsAskedOnce: what a user may not do to the keys of all
// jobs raises the server's error figures once and not at every poll.
func TestARefusedCommonKeyIsAskedOnce(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]string{
		"no such keys":  "~storm:job:* ~storm:jobs +@all",
		"no such reads": "~* +@all -zscore -zrange -hget -hgetall",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := redistest.Start(t, redistest.Config{Users: []string{"zbx on >pw " + rule}})
			srv.Do(t, "SADD", "storm:jobs", "a")
			srv.Do(t, "SET", "storm:job:a", "ACTIVE")
			srv.Do(t, "ZADD", "storm:jobs:heartbeat", "1", "a")
			srv.Do(t, "HSET", "storm:jobs:state", "b", "ACTIVE")
			store := open(t, dial(t, srv, "AUTH", "zbx", "pw"), defaults)
			refusals := func() string {
				_, rest, _ := strings.Cut(srv.Do(t, "INFO", "errorstats"), "errorstat_NOPERM:count=")
				count, _, _ := strings.Cut(rest, "\r")
				return count
			}
			poll := func() (job, jobs) { return read(t, store, "a"), readAll(t, store) }
			one, all := poll()
			before := refusals()
			require.NotEmpty(t, before)
			for range 3 {
				againOne, againAll := poll()
				require.Equal(t, one.Status, againOne.Status)
				require.Equal(t, statuses(all), statuses(againAll))
			}
			require.Equal(t, before, refusals())
			require.Equal(t, statusActive, one.Status)
		})
	}
}

func TestAServerThatRefusesEverythingIsAnError(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.Config{Password: "secret"})
	store := open(t, dial(t, srv), defaults)
	_, err := store.Job(t.Context(), query{Name: "a"})
	require.Equal(t, redisclient.ReasonAuth, redisclient.ReasonOf(err))
	_, err = store.Jobs(t.Context())
	require.Equal(t, redisclient.ReasonAuth, redisclient.ReasonOf(err))
}

// loading answers TIME, as a server does that reads its data set, and refuses
// the rest.
type loading struct{}

func (loading) DoAll(_ context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	out := make([]resp.Value, len(cmds))
	for i, cmd := range cmds {
		out[i] = resp.Value{Kind: resp.Error, Str: []byte("LOADING Redis is loading the dataset in memory")}
		if cmd[0] == "TIME" {
			out[i] = resp.Value{Kind: resp.Array, Elems: pairs("1795000000", "0")}
		}
	}
	return out, nil
}

func TestAServerThatIsLoadingHasNoMissingJobs(t *testing.T) {
	t.Parallel()
	store := open(t, loading{}, item.StormOptions{Jobs: []string{"a"}})
	_, err := store.Job(t.Context(), query{Name: "a"})
	require.Equal(t, redisclient.ReasonLoading, redisclient.ReasonOf(err))
	_, err = store.Jobs(t.Context())
	require.Equal(t, redisclient.ReasonLoading, redisclient.ReasonOf(err))
}

func TestATimeThatIsNoneIsAProtocolError(t *testing.T) {
	t.Parallel()
	for _, v := range []resp.Value{
		{Kind: resp.Null},
		{Kind: resp.Array, Elems: pairs("1795000000")},
		{Kind: resp.Array, Elems: pairs("now", "0")},
		{Kind: resp.Array, Elems: pairs("1795000000", "")},
	} {
		_, err := open(t, always{v}, item.StormOptions{}).Job(t.Context(), query{Name: "a"})
		require.Equal(t, redisclient.ReasonProtocol, redisclient.ReasonOf(err))
	}
}

// always answers everything with one value.
type always struct{ v resp.Value }

func (a always) DoAll(_ context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	return slices.Repeat([]resp.Value{a.v}, len(cmds)), nil
}

func TestAnEndedConversationIsAnError(t *testing.T) {
	t.Parallel()
	srv := redistest.Borrow(t)
	rec := dial(t, srv)
	require.NoError(t, rec.Close())
	store := open(t, rec, defaults)
	_, err := store.Job(t.Context(), query{Name: "a"})
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = open(t, dial(t, srv), defaults).Jobs(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
