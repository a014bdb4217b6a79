package self

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

func TestSessionsAreDiscovered(t *testing.T) {
	t.Parallel()
	ask := func(params []string, sessions ...item.Session) string {
		args, err := Sessions.ParseArgs(params)
		require.NoError(t, err)
		got, err := Sessions.Answer(context.Background(), &item.Request{Args: args, Env: &item.Env{Sessions: sessions}})
		require.NoError(t, err)
		return got
	}
	require.Equal(t, `[]`, ask(nil))
	all := []item.Session{
		{Name: "Prod", URI: "tcp://10.0.0.1:6379"},
		{Name: "Storm", URI: "http://ui:8080", Web: true},
		{Name: "Unix", URI: "unix:/run/x"},
	}
	const redis = `[{"{#SESSION}":"Prod","{#URI}":"tcp://10.0.0.1:6379"},{"{#SESSION}":"Unix","{#URI}":"unix:/run/x"}]`
	for _, params := range [][]string{nil, {""}, {"redis"}} {
		require.Equal(t, redis, ask(params, all...))
	}
	require.Equal(t, `[{"{#SESSION}":"Storm","{#URI}":"http://ui:8080"}]`, ask([]string{"storm"}, all...))
	_, err := Sessions.ParseArgs([]string{"Redis"})
	require.EqualError(t, err, "parameter 1 (Kind): must be redis or storm")

	const labeled = `[{"{#SESSION}":"Prod","{#URI}":"tcp://10.0.0.1:6379","{#LABEL}":"web 1"},{"{#SESSION}":"Unix","{#URI}":"unix:/run/x","{#LABEL}":"web 1"}]`
	require.Equal(t, labeled, ask([]string{"", "web 1"}, all...))
	_, err = Sessions.ParseArgs([]string{"redis", strings.Repeat("x", 256)})
	require.EqualError(t, err, "parameter 2 (Label): must be at most 255 bytes long")
}
