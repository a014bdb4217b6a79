package keys

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

func TestKeyValueOfARealServer(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	seedKeys(t, s)
	s.Do(t, "SET", "long", strings.Repeat("x", maxKeyValue))
	s.Do(t, "SET", "longer", strings.Repeat("x", maxKeyValue+1))
	s.Do(t, "HSET", "hash", "longer", strings.Repeat("x", maxKeyValue+1))
	target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	for _, tt := range []struct{ name, key, member, want, wantErr string }{
		{"a string", "string", "", "hello", ""},
		{"an empty string", "empty", "", "", ""},
		{"a long string", "long", "", strings.Repeat("x", maxKeyValue), ""},
		{"a string that is too long", "longer", "", "", "the value is longer than 65536 bytes"},
		{"a string's member", "string", "x", "", `the key "string" is a string and has no member "x"`},
		{"a hash field", "hash", "f", "v", ""},
		{"an empty hash field", "hash", "g", "", ""},
		{"a hash field that is too long", "hash", "longer", "", "the value is longer than 65536 bytes"},
		{"no hash field", "hash", "x", "", `the key "hash", a hash, has no member "x"`},
		{"a hash as a whole", "hash", "", "", `the key "hash" is of type hash: parameter Member is required`},
		{"a score", "zset", "a", "1.5", ""},
		{"no score", "zset", "b", "", `the key "zset", a zset, has no member "b"`},
		{"an element", "list", "0", "a", ""},
		{"the last element", "list", "-1", "c", ""},
		{"no element", "list", "3", "", `the key "list", a list, has no member "3"`},
		{"an element without an index", "list", "a", "", `the key "list" is a list: parameter Member must be an index, as 0 or -1`},
		{"a list as a whole", "list", "", "", `the key "list" is a list: parameter Member must be an index, as 0 or -1`},
		{"in a set", "set", "a", "1", ""},
		{"not in a set", "set", "x", "0", ""},
		{"a stream", "stream", "x", "", `the key "stream" is of type stream, which has no single value`},
		{"no key", "nothing", "", "", `there is no key "nothing"`},
		{"no key of a set", "nothing", "a", "", `there is no key "nothing"`},
	} {
		for poll := range 2 {
			before := wire.Calls
			got, err := metrictest.OfKey(t, Value, target, tt.key, tt.member)
			if tt.wantErr != "" {
				require.EqualError(t, err, tt.wantErr, tt.name)
			} else {
				require.NoError(t, err, tt.name)
			}
			require.Equal(t, tt.want, got, tt.name)
			if poll > 0 {
				require.Equal(t, 1, wire.Calls-before, tt.name)
			}
		}
	}
	require.Equal(t, "0", s.InfoField(t, "stats", "total_error_replies"))
	s.Do(t, "DEL", "set")
	_, err := metrictest.OfKey(t, Value, target, "set", "a")
	require.EqualError(t, err, `there is no key "set"`, "its type is remembered, and it is gone")
	s.Do(t, "HSET", "set", "a", "b")
	got, err := metrictest.OfKey(t, Value, target, "set", "a")
	require.NoError(t, err)
	require.Equal(t, "b", got)
}

func TestKeyValueRefused(t *testing.T) {
	t.Parallel()
	d := &metrictest.ScriptDoer{Replies: map[string]string{"TYPE h": "+hash\r\n", "HGET h f": "-NOPERM no\r\n"}}
	_, err := metrictest.OfKey(t, Value, metrictest.NewTarget(d), "h", "f")
	require.EqualError(t, err, "NOPERM no")
	d.Replies["HGET h f"] = "*0\r\n"
	_, err = metrictest.OfKey(t, Value, metrictest.NewTarget(d), "h", "f")
	require.EqualError(t, err, "expected a string, got a reply of kind array")
}
