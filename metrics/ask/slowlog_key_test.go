package ask

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
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
		var e SlowEntry
		e.TakeCommand(strings.Fields(tt.argv))
		key, ok := e.FirstKey()
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
				case HasSubcommands(name), slices.Contains(others, name):
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
