package slow

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/ask"
	"redisjobs/redisclient"
)

func TestTheFirstKeyOfACommand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		argv string
		want string // "" for none
	}{
		{"GET a", "a"}, {"get a", "a"}, {"MGET a b", "a"}, {"HSET a f v", "a"}, {"DEL a b c", "a"}, {"PING", ""}, {"GET", ""},
		{"EVAL script 2 a b x", "a"}, {"EVAL script 0 secret", ""}, {"EVAL script x secret", ""}, {"FCALL f -1 secret", ""}, {"EVAL script 2", ""},
		{"ZUNION 2 a b", "a"}, {"BLMPOP 0 2 a b LEFT", "a"}, {"ZINTERCARD 0", ""},
		{"XREAD COUNT 2 STREAMS a b 0 0", "a"}, {"XREADGROUP GROUP g c STREAMS a >", "a"}, {"XREAD COUNT 2", ""},
		{"BITOP AND to from", "to"}, {"OBJECT ENCODING a", "a"}, {"MEMORY USAGE a", "a"}, {"MEMORY DOCTOR", ""}, {"XINFO STREAM a", "a"},
		{"AUTH user secret", ""}, {"HELLO 3 AUTH user secret", ""}, {"MIGRATE h 1 key 0 9 AUTH secret", ""}, {"CONFIG SET requirepass secret", ""},
		{"ACL SETUSER u >secret", ""}, {"C0NF secret", ""}, {"JSON.GET secret", ""}, {"SCAN 0", ""}, {"KEYS secret*", ""}, {"ECHO secret", ""},
		{"SET " + strings.Repeat("k", 70), strings.Repeat("k", 63) + "…"},
	} {
		var e slowEntry
		e.takeCommand(strings.Fields(tt.argv))
		key, ok := e.key()
		require.Equal(t, tt.want, key, tt.argv)
		require.Equal(t, tt.want != "", ok, tt.argv)
	}
}

// TestFirstKeysAreThoseOfRealServers compares the lists with what each server says
// of all its commands.
func TestFirstKeysAreThoseOfRealServers(t *testing.T) {
	t.Parallel()
	// With a password, of channels or a cursor, or of the server itself.
	others := []string{"migrate", "clusterscan", "spublish", "ssubscribe", "sunsubscribe", "pfdebug", "restore-asking"}
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin})
			d := metrictest.DialWire(t, s.Addr)
			values, err := d.DoAll(t.Context(), redisclient.Command{"COMMAND"})
			require.NoError(t, err)
			rows, err := values[0].Array()
			require.NoError(t, err)
			require.Greater(t, len(rows), 150)
			var wrong []string
			for _, row := range rows {
				fields, err := row.Array()
				require.NoError(t, err)
				name, err := fields[0].Text()
				require.NoError(t, err)
				name = strings.ToLower(name)
				first, err := fields[3].Int64()
				require.NoError(t, err)
				_, counted := countedKeyCommands[name]
				switch {
				case ask.HasSubcommands(name), slices.Contains(others, name):
				case counted, name == "bitop", strings.HasPrefix(name, "xread"):
					require.NotContains(t, firstKeyCommands, name)
				case first == 0 && strings.HasSuffix(name, "store"): // Redis 5 does not tell it of zunionstore
				case first > 1 || (first == 1) != firstKeyCommands[name]:
					wrong = append(wrong, fmt.Sprint(name, " ", first))
				}
			}
			require.Empty(t, wrong, "the first key stands elsewhere")
		})
	}
}

func TestTheSlowestAndItsPercentiles(t *testing.T) {
	t.Parallel()
	var entries []slowEntry
	for i := range 20 {
		entries = append(entries, slowEntry{id: int64(i), micros: int64((i*7)%20+1) * 1000, command: "get"})
	}
	entries = append(entries, slowEntry{id: 20, micros: 20000, command: "hgetall"})
	require.EqualValues(t, 20, slowest(entries).id, "the newest of two")
	require.Nil(t, slowest(nil))
	sums := sumByCommand(entries)
	require.Equal(t, []string{"get", "hgetall"}, []string{sums[0].command, sums[1].command})
	for percent, want := range map[int]int64{50: 10000, 95: 19000, 100: 20000, 1: 1000} {
		require.Equal(t, want, sums[0].percentile(percent), strconv.Itoa(percent))
		require.EqualValues(t, 20000, sums[1].percentile(percent))
	}
}

// TestTheSlowestOfRealServers makes a command slow, by a client with a name.
func TestTheSlowestOfRealServers(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--slowlog-log-slower-than", "0"}})
			target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			metrictest.Must(metrictest.CollectFrom(t, Log, target))
			s.Do(t, "CLIENT", "SETNAME", "worker")
			for range 3 {
				s.Do(t, "EVAL", "for i = 1, 1000000 do end; return 1", "1", "cart:7", "secret")
			}
			s.Do(t, "SET", "other", "secret")
			wire.Calls = 0
			text, err := metrictest.CollectFrom(t, Log, target)
			require.NoError(t, err)
			require.Equal(t, 1, wire.Calls)
			require.NotContains(t, text, "secret")
			doc := metrictest.Decode(t, text)
			got := metrictest.Section(t, doc, "slowest")
			require.Equal(t, []any{"eval", "cart:7", "worker"}, []any{got["command"], got["key"], got["client_name"]})
			require.Contains(t, got["client"], "127.0.0.1:")
			sum := metrictest.Row(t, doc["commands"], "command", "eval")
			require.Equal(t, 3.0, sum["count"])
			require.Equal(t, got["duration"], sum["max"])
			require.Equal(t, sum["p95"], sum["max"])
			require.Less(t, sum["median"].(float64)*2, sum["total"])
		})
	}
}
