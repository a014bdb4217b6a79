package targets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/redisclient"
)

func runtimeWith(t testing.TB, set func(o *conf.Options)) *Runtime {
	t.Helper()
	options, err := conf.Decode(nil, conf.Global{Timeout: 3})
	require.NoError(t, err)
	set(options)
	rt, err := New(options)
	require.NoError(t, err)
	t.Cleanup(func() { rt.Close(time.Second) })
	return rt
}

func (rt *Runtime) targetAt(t testing.TB, addr string) *target {
	t.Helper()
	resolved, err := rt.options.Resolve(conf.Ref{Conn: addr})
	require.NoError(t, err)
	return rt.target(resolved)
}

func TestTheTargetThatWasNotUsedForTheLongestTimeIsForgotten(t *testing.T) {
	rt := runtimeWith(t, func(*conf.Options) {})
	polled := rt.targetAt(t, "polled")
	second := rt.targetAt(t, "second")
	var kept []*target // so that item keys lead to the same settings
	for i := range maxTargets + 1000 {
		kept = append(kept, rt.targetAt(t, fmt.Sprintf("h%d", i)))
		require.Same(t, polled, rt.targetAt(t, "polled"))
		require.LessOrEqual(t, len(rt.known.byConf), maxTargets)
		require.Equal(t, len(rt.known.byConf), rt.known.byUse.Len())
	}
	require.NotSame(t, second, rt.targetAt(t, "second"))
	last := len(kept) - 1
	require.Same(t, kept[last], rt.targetAt(t, fmt.Sprintf("h%d", last)), "the others are not")
	require.Same(t, kept[5000], rt.targetAt(t, "h5000"))
}

func TestThePeersOfATargetAreBounded(t *testing.T) {
	t.Parallel()
	rt := runtimeWith(t, func(o *conf.Options) { o.MaxPeers = 5 })
	entry, other := rt.targetAt(t, "10.0.0.1"), rt.targetAt(t, "10.9.9.9")
	addr := func(i int) string { return fmt.Sprintf("10.0.1.%d:6379", i) }
	for range 3 {
		for i := range 5 {
			peer, err := entry.at(addr(i))
			require.NoError(t, err)
			again, err := peer.at(addr(0))
			require.NoError(t, err, "the peers of a peer count with those of its entry")
			require.Equal(t, addr(0), again.conf.Address())
		}
	}
	self, err := entry.at("10.0.0.1:6379")
	require.NoError(t, err)
	require.Same(t, entry, self)
	node, err := entry.at(addr(0))
	require.NoError(t, err)
	for _, from := range []*target{entry, node} {
		_, err = from.at(addr(5))
		require.Equal(t, redisclient.ReasonConfig, redisclient.ReasonOf(err))
		require.ErrorContains(t, err, "the servers of tcp://10.0.0.1:6379 have named more than 5 others within 5m0s (option Plugins.RedisJobs.MaxPeers)")
	}
	_, err = other.at(addr(5))
	require.NoError(t, err, "another target has its own")

	// What was not asked for a while counts no more.
	of := rt.known.peers.of[entry.conf]
	of.swept = time.Time{}
	for peer := range of.used {
		of.used[peer] = time.Now().Add(-rt.options.KeepAlive)
		break
	}
	_, err = entry.at(addr(5))
	require.NoError(t, err)
	_, err = entry.at(addr(6))
	require.Error(t, err)
}

func TestPeersTakeTheirShareOfTheConnectionsAlone(t *testing.T) {
	t.Parallel()
	rt := runtimeWith(t, func(o *conf.Options) { o.MaxConnectionsTotal, o.MaxConnections = 200, 2 })
	admitted := 0
	for e := range 10 {
		entry := rt.targetAt(t, fmt.Sprintf("10.0.0.%d", e))
		for i := range 20 {
			if _, err := entry.at(fmt.Sprintf("10.1.%d.%d:6379", e, i)); err == nil {
				admitted++
			} else {
				require.ErrorContains(t, err, "half of Plugins.RedisJobs.MaxConnectionsTotal is for them")
			}
		}
	}
	require.Equal(t, 50, admitted)
	require.Equal(t, 50, rt.known.peers.count)
	rt.mu.Lock()
	defer rt.mu.Unlock()
	for root := range rt.known.peers.of {
		rt.known.peers.forget(root)
	}
	require.Zero(t, rt.known.peers.count)
}

// decoded are the options of lines, as "Sessions.A.Uri=tcp://h".
func decoded(t testing.TB, lines ...string) *conf.Options {
	t.Helper()
	file := filepath.Join(t.TempDir(), "redisjobs.conf")
	require.NoError(t, os.WriteFile(file, []byte("Plugins.RedisJobs."+strings.Join(lines, "\nPlugins.RedisJobs.")+"\n"), 0o600))
	options, err := conf.LoadFile(file)
	require.NoError(t, err)
	return options
}
