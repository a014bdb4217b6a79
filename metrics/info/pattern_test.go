package info

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

func TestOnlyServersThatAreKnownToBeSafeGetCostlyPatterns(t *testing.T) {
	t.Parallel()
	for info, safe := range map[string]bool{
		"redis_version:5.0.14":                                false,
		"redis_version:6.0.17":                                false,
		"redis_version:6.0.18":                                true,
		"redis_version:6.2.5":                                 false,
		"redis_version:6.2.10":                                false,
		"redis_version:6.2.11":                                true,
		"redis_version:7.0.8":                                 false,
		"redis_version:7.0.9":                                 true,
		"redis_version:7.2.0":                                 true,
		"redis_version:8.0-rc1":                               true,
		"redis_version:255.255.255":                           true, // built from the newest source
		"redis_version:8":                                     true,
		"redis_version:unknown":                               false,
		"redis_version:7.2.4\r\nvalkey_version:8.0.1":         true,
		"redis_version:6.3.4\r\nfeatures:cluster_mget":        false, // KeyDB
		"redis_version:7.2.0\r\ndragonfly_version:df-v1.27.1": false,
		"redis_version:4.0.0\r\nkvrocks_version:2.9.0":        false,
		"redis_version:7.4.3\r\ngarnet_version:1.0.50":        false,
		"os:Linux": false,
	} {
		d := doerFunc(func() resp.Value {
			return resp.Value{Kind: resp.BulkString, Str: []byte("# Server\r\n" + info + "\r\n")}
		})
		problem, err := CheckPattern(t.Context(), target(d), "*a*b*c")
		require.NoError(t, err)
		require.Equal(t, safe, problem == nil, info)
	}
	refused := doerFunc(func() resp.Value { return resp.Value{Kind: resp.Error, Str: []byte("NOPERM no INFO")} })
	problem, err := CheckPattern(t.Context(), target(refused), "*a*b*c")
	require.NoError(t, err)
	require.ErrorContains(t, problem, `the pattern "*a*b*c" has 3 stars, which may block this server for seconds: INFO, which says what it is, is refused (NOPERM no INFO)`)
	_, err = CheckPattern(t.Context(), target(doerFunc(func() resp.Value {
		return resp.Value{Kind: resp.Error, Str: []byte("LOADING Redis is loading")}
	})), "*a*b*c")
	require.ErrorContains(t, err, "LOADING")
	problem, err = CheckPattern(t.Context(), target(doerFunc(func() resp.Value { panic("nothing needs to be asked") })), "*a*b*")
	require.NoError(t, err)
	require.NoError(t, problem)
}

type doerFunc func() resp.Value

func (d doerFunc) DoAll(context.Context, ...redisclient.Command) ([]resp.Value, error) {
	return []resp.Value{d()}, nil
}

func target(d redisclient.Doer) *item.Target {
	return &item.Target{Doer: d, Name: "test", Memory: new(item.Memory)}
}

func TestCostlyStars(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]int{
		"": 0, "*": 0, "**": 0, "a*": 0, "*a": 1, "*a*": 1, "*a*b": 2, "a*b*c*": 2, "***a***b": 2, `\*a\*b`: 0, `\\*a`: 1,
		"[*]a[a*]b": 0, "[*": 0, `[\]*]*a`: 1, "[^*]*b": 1, "[a-*]*b": 1, "*?*?*?a": 3, `a\`: 0, "*a*a*a*a*a*a*a*b": 8,
	} {
		require.Equal(t, want, ask.CostlyStars(pattern), pattern)
	}
}
