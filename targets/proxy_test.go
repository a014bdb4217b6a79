package targets

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/jsondoc"

	"redisjobs/metrics"
)

// twemproxy hangs up, without a word, at every command that it does not know,
// CLIENT SETNAME for one.
func TestAProxyThatHangsUpAtTheNameIsAskedWithoutIt(t *testing.T) {
	t.Parallel()
	hangUp := redistest.Script{redistest.Expect(1), redistest.Close()}
	f := redistest.NewFake(t, hangUp, redistest.Script{redistest.Answer("+PONG\r\n"), redistest.Answer("+PONG\r\n"), redistest.Close()},
		redistest.Script{redistest.Answer("+PONG\r\n"), redistest.Expect(1)})
	rt, ping := pinger(t, f.Addr)
	require.Equal(t, "1", ping())
	require.Equal(t, "1", ping())
	require.Equal(t, "1", ping(), "on a new connection")
	require.Equal(t, [][]string{
		{"CLIENT", "SETNAME", clientName}, {"PING"}, {"PING"}, {"PING"},
	}, f.Got())
	require.Zero(t, rt.pool.Stats().Refusals)
}

// What hangs up without a name too is failing, as ever: one dial more, and then
// none before the backoff is over.
func TestADoorThatClosesWhateverIsSaidIsTriedTwice(t *testing.T) {
	t.Parallel()
	f := redistest.NewFake(t, redistest.Script{redistest.Expect(1), redistest.Close()})
	rt, ping := pinger(t, f.Addr)
	for range 20 {
		require.Equal(t, "0", ping())
	}
	require.Equal(t, 2, f.Accepted())
	stats := rt.pool.Stats()
	require.EqualValues(t, 1, stats.Refusals)
	require.NotNil(t, stats.Targets[0].Failing)
}

// pinger makes a runtime, and what asks for redis.server.ping of a server.
func pinger(t *testing.T, addr string) (*Runtime, func() string) {
	options, err := conf.Decode(nil, conf.Global{Timeout: 3})
	require.NoError(t, err)
	rt, err := New(options)
	require.NoError(t, err)
	t.Cleanup(func() { rt.Close(time.Second) })
	metric, ok := metrics.Lookup("redis.server.ping")
	require.True(t, ok)
	return rt, func() string {
		w := jsondoc.New(0)
		err := rt.Collect(t.Context(), metric, []string{"tcp://" + addr}, w)
		require.NoError(t, err)
		return w.Document()
	}
}
