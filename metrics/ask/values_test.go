package ask

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/redisclient/resp"
)

func TestMaxAge(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]time.Duration{
		"": 0, "30": 30 * time.Second, "30s": 30 * time.Second, "5m": 5 * time.Minute, "2h": 2 * time.Hour,
		"1d": 24 * time.Hour, "2w": 14 * 24 * time.Hour, "3650d": maxMaxAge,
	} {
		got, err := ParseAge(raw)
		require.NoError(t, err, raw)
		require.Equal(t, want, got, raw)
	}
	for _, raw := range []string{"0", "0m", "-5", "1.5", "m", "5M", "5 m", "3651d", "99999999999", "1h30m"} {
		_, err := ParseAge(raw)
		require.ErrorIs(t, err, errMaxAge, raw)
	}
}

// TestParametersOfAnyShape: one that is not text costs no other.
func TestParametersOfAnyShape(t *testing.T) {
	t.Parallel()
	text := func(s string) resp.Value { return resp.Value{Kind: resp.BulkString, Str: []byte(s)} }
	list := func(elems ...resp.Value) resp.Value { return resp.Value{Kind: resp.Array, Elems: elems} }
	params, err := ConfigParams(list(text("save"), text("60 1"), text("tls-allowlist"), list(text("a"), text("b")), text("none"), list(),
		text("odd"), list(list()), text("number"), resp.Value{Kind: resp.Null}, text("port"), text("6379")))
	require.NoError(t, err)
	require.Equal(t, []ConfigParam{{"save", "60 1"}, {"tls-allowlist", "a b"}, {"none", ""}, {"port", "6379"}}, params)
}
