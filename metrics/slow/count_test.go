package slow

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/ask"
	"redisjobs/redisclient"
)

func TestSlowlogCountSurvivesAResetAndKnowsARestart(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{}}
	target := metrictest.NewTarget(d)
	for _, step := range []struct{ name, entries, runID, want string }{
		{"a new server has none", "*0\r\n", "a", "0"},
		{"ids start at 0", metrictest.SlowlogEntry(":0"), "a", "1"},
		{"the newest id counts", metrictest.SlowlogEntry(":270"), "a", "271"},
		{"after a reset the count stays", "*0\r\n", "a", "271"},
		{"ids go on after a reset", metrictest.SlowlogEntry(":274"), "a", "275"},
		{"a restarted server has none", "*0\r\n", "b", "0"},
		{"and counts anew", metrictest.SlowlogEntry(":1"), "b", "2"},
	} {
		d.Replies["SLOWLOG GET 1"] = step.entries
		d.Replies["INFO server"] = metrictest.Bulk("# Server\r\nredis_mode:standalone\r\nrun_id:" + step.runID + "\r\n")
		got, err := metrictest.CollectFrom(t, Count, target)
		require.NoError(t, err, step.name)
		require.Equal(t, step.want, got, step.name)
	}
	require.Equal(t, 7, d.Calls, "one round trip each")
}

func TestSlowlogCountWithoutInfoIsThatOfTheBuiltInPlugin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &metrictest.ScriptDoer{Replies: map[string]string{
			"SLOWLOG GET 1": metrictest.SlowlogEntry(":7"), "INFO server": "-NOPERM no INFO\r\n",
		}}
		target := metrictest.NewTarget(d)
		got, err := metrictest.CollectFrom(t, Count, target)
		require.NoError(t, err)
		require.Equal(t, "8", got)
		d.Replies["SLOWLOG GET 1"] = "*0\r\n"
		got, err = metrictest.CollectFrom(t, Count, target)
		require.NoError(t, err)
		require.Equal(t, "0", got)
		require.Len(t, d.Sent, 3, "the refused INFO is not sent again")

		time.Sleep(ask.RefusalMemory)
		_, err = metrictest.CollectFrom(t, Count, target)
		require.NoError(t, err)
		require.Len(t, d.Sent, 5, "but for an hour later")
	})
}

func TestSlowlogCountErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, reply, wantErr string }{
		{"a refusal", "-NOPERM no\r\n", "SLOWLOG GET 1: NOPERM no"},
		{"no list", ":1\r\n", "SLOWLOG GET 1: expected an array, got a reply of kind integer"},
		{"a null", "*-1\r\n", "SLOWLOG GET 1: the reply is null"},
		{"an entry that is no list", "*1\r\n:1\r\n", "SLOWLOG GET 1: expected an array, got a reply of kind integer"},
		{"an entry with nothing in it", "*1\r\n*0\r\n", "SLOWLOG GET 1: the entry has no id"},
		{"an id that is no number", "*1\r\n*1\r\n$1\r\n1\r\n", "SLOWLOG GET 1: the entry has no id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := metrictest.Collect(t, Count, &metrictest.ScriptDoer{Replies: map[string]string{"SLOWLOG GET 1": tt.reply}})
			require.EqualError(t, err, tt.wantErr)
		})
	}
	_, err := metrictest.Collect(t, Count, &metrictest.ScriptDoer{Err: errors.New("gone")})
	require.EqualError(t, err, "gone")
}

func TestSlowlogCountOfARealServerSurvivesReset(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Args: []string{"--slowlog-log-slower-than", "0"}})
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	s.Do(t, "PING")
	before, err := metrictest.CollectFrom(t, Count, target)
	require.NoError(t, err)
	require.NotEqual(t, "0", before)
	s.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "-1")
	last, err := metrictest.CollectFrom(t, Count, target)
	require.NoError(t, err)
	s.Do(t, "SLOWLOG", "RESET")
	require.Equal(t, "0", s.Do(t, "SLOWLOG", "LEN"))
	after, err := metrictest.CollectFrom(t, Count, target)
	require.NoError(t, err)
	require.Equal(t, last, after)
}
