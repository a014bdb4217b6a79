package targets

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

func TestNodesThatARedirectMayLeadTo(t *testing.T) {
	t.Parallel()
	text := "a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected\nb 2001:db8::1:7001@17001,Node-b.example.com master - 0 0 1 connected\n" +
		"c 10.0.0.3:7002@17002,,shard-id=x master - 0 0 1 connected\nd 10.0.0.4:7003 master - 0 0 1 connected\ne :7004@17004 master\nodd\n\nf x\n"
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		reply := resp.Value{Kind: resp.BulkString, Str: []byte(text)}
		server := redisclient.DoerFunc(func(context.Context, ...redisclient.Command) ([]resp.Value, error) {
			asked++
			return []resp.Value{reply}, nil
		})
		var r redirects
		for _, addr := range []string{"10.0.0.1:7000", "[2001:db8::1]:7001", "node-b.example.com:7001", "NODE-B.example.com:7001", "10.0.0.3:7002",
			"10.0.0.4:7003", ":7004", ":7000"} {
			require.NoError(t, r.allow(t.Context(), server, addr), addr)
		}
		require.Equal(t, 1, asked)
		for _, addr := range []string{"10.0.0.9:7000", "10.0.0.1:7001", ":7005", "10.0.0.1:17000", ""} {
			require.ErrorIs(t, r.allow(t.Context(), server, addr), errNotListed, addr)
		}
		require.Equal(t, 1, asked, "not for each")
		time.Sleep(listedAgain)
		reply.Str = []byte("a 10.0.0.9:7000@17000 master")
		require.NoError(t, r.allow(t.Context(), server, "10.0.0.9:7000"), "a node that is new")
		require.Equal(t, 2, asked)

		time.Sleep(listedAgain)
		reply = resp.Value{Kind: resp.Error, Str: []byte("ERR This instance has cluster support disabled")}
		require.ErrorIs(t, r.allow(t.Context(), server, "10.0.0.8:7000"), errNoCluster)
		require.ErrorIs(t, r.allow(t.Context(), server, "10.0.0.9:7000"), errNoCluster, "nor what it listed before")
		time.Sleep(listedAgain)
		reply.Str = []byte("NOPERM this user has no permissions to run the 'cluster|nodes' command")
		require.NoError(t, r.allow(t.Context(), server, "10.0.0.8:7000"), "it cannot be known")
		time.Sleep(unlistedFor)
		reply = resp.Value{Kind: resp.Integer}
		require.Error(t, r.allow(t.Context(), server, "10.0.0.8:7000"))
		time.Sleep(listedAgain)
		failing := redisclient.DoerFunc(func(context.Context, ...redisclient.Command) ([]resp.Value, error) { return nil, errors.New("gone") })
		require.EqualError(t, r.allow(t.Context(), failing, "10.0.0.8:7000"), "gone")
	})
	listed := map[string]bool{}
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 1 {
			addNode(listed, fields[1])
		}
	}
	require.Len(t, listed, 5+5)
}

// TestARedirectOfAServerThatIsNoClusterGetsNoPassword nor anything else.
func TestARedirectOfAServerThatIsNoClusterGetsNoPassword(t *testing.T) {
	t.Parallel()
	elsewhere := redistest.NewFake(t, redistest.Script{})
	liar := redistest.NewFake(t, redistest.Script{func(p *redistest.Peer) error {
		for {
			cmd, err := p.ReadCommand()
			if err != nil {
				return err
			}
			text := "-MOVED 1 " + elsewhere.Addr + "\r\n"
			switch cmd[0] {
			case "CLIENT":
				text = "+OK\r\n"
			case "CLUSTER":
				text = "-ERR This instance has cluster support disabled\r\n"
			}
			if err := redistest.Write(text)(p); err != nil {
				return err
			}
		}
	}})
	_, target := reached(t, liar.Addr)
	_, err := target.view().DoAll(soon(t), redisclient.Command{"GET", "k"})
	require.ErrorIs(t, err, errNoCluster)
	require.ErrorContains(t, err, elsewhere.Addr)
	require.Zero(t, elsewhere.Accepted())
}
