package agentconf

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWildcards(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule, key string
		want      bool
	}{
		{"*", "redis.get[x]", true}, {"redis.*", "redis.get[x]", false}, {"redis.*[*]", "redis.get[x]", true},
		{"redis.*", "redis.pool.get", true}, {"redis.*[*]", "redis.pool.get", true}, {"redis.get[x*]", "redis.get[x]", true},
		{"redis.get[y]", "redis.get[x]", false}, {"*.get", "redis.pool.get", true}, {"a*b*c", "abc", true}, {"a*b*c", "acb", false},
		{"aa*a", "aa", false},
	} {
		require.Equal(t, c.want, MatchesRule(c.rule, c.key), "%v", c)
	}
}
