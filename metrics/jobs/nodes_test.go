package jobs

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient/resp"
)

// TestMastersOfATarget are asked for where the server says that it is in a cluster,
// and others of it can be reached.
func TestMastersOfATarget(t *testing.T) {
	t.Parallel()
	masters := func(peers bool, a answers) ([]node, []string, error) {
		d := &told{answers: a}
		target := target{d, metrictest.NewTarget(d)}
		if peers {
			target.target.Peer = func(string) (*item.Target, error) { return nil, errAsked }
		}
		nodes, err := target.Masters(t.Context())
		return nodes, d.sent, err
	}
	info := func(enabled string) []resp.Value {
		return one(bulkOf("# Server\r\nredis_version:7.4.0\r\n# Cluster\r\ncluster_enabled:" + enabled + "\r\n"))
	}
	list := one(bulkOf("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-8191\n" +
		"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb 10.0.0.2:7000@17000 master - 0 0 2 connected 8192-16383\n"))
	nodes, _, err := masters(true, answers{"INFO": info("1"), "CLUSTER NODES": list})
	require.NoError(t, err)
	require.Len(t, nodes, 2)
	require.Equal(t, "10.0.0.1:7000", nodes[0].Addr)
	require.NoError(t, nodes[0].Err)
	require.NotNil(t, nodes[0].Doer)
	require.Equal(t, "10.0.0.2:7000", nodes[1].Addr)
	require.ErrorIs(t, nodes[1].Err, errAsked)

	for _, a := range []answers{{"INFO": info("0")}, {"INFO": one(resp.Value{Kind: resp.Error, Str: []byte("NOPERM no")})}} {
		nodes, sent, err := masters(true, a)
		require.NoError(t, err)
		require.Empty(t, nodes)
		require.NotContains(t, sent, "CLUSTER NODES")
	}
	nodes, sent, err := masters(false, answers{"INFO": info("1"), "CLUSTER NODES": list})
	require.NoError(t, err)
	require.Empty(t, nodes)
	require.Empty(t, sent)
	_, _, err = masters(true, answers{"INFO": info("1"), "CLUSTER NODES": one(resp.Value{Kind: resp.Error, Str: []byte("NOPERM no")})})
	require.ErrorContains(t, err, "CLUSTER NODES: ")
	require.ErrorContains(t, err, "the keys of this node alone are searched")
	_, _, err = masters(true, answers{"INFO": one(resp.Value{Kind: resp.Error, Str: []byte("LOADING no")})})
	require.ErrorContains(t, err, "LOADING")
}
