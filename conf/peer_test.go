package conf

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPeerIsTheSameAccountElsewhere(t *testing.T) {
	t.Parallel()
	o := mustDecode(t,
		"Sessions.A.Uri=rediss://a.example.com:7000/3", "Sessions.A.User=u", "Sessions.A.Password=secret",
		"Sessions.A.TLSConnect=required",
		"Sessions.B.Uri=rediss://b.example.com:7000", "Sessions.B.TLSServerName=cluster.example.com")
	a := mustResolve(t, o, Ref{Conn: "A"})
	peer, err := o.Peer(a, "10.0.0.2:7001", "")
	require.NoError(t, err)
	require.Equal(t, "A (rediss://10.0.0.2:7001/3)", peer.String())
	require.Equal(t, "tcp", peer.Network())
	require.Equal(t, "10.0.0.2:7001", peer.Address())
	require.Equal(t, "u", peer.User())
	require.Equal(t, "secret", password(t, peer))
	require.Equal(t, 3, peer.Database())
	config, err := peer.TLS()
	require.NoError(t, err)
	require.Equal(t, "10.0.0.2", config.ServerName)
	again, err := o.Peer(peer, "10.0.0.2:7001", "")
	require.NoError(t, err)
	require.Same(t, peer, again)
	home, err := o.Peer(peer, "a.example.com:7000", "")
	require.NoError(t, err)
	require.Same(t, a, home, "a way back leads to the same target")

	b, err := o.Peer(mustResolve(t, o, Ref{Conn: "B"}), "[fd00::1]:7001", "")
	require.NoError(t, err)
	config, err = b.TLS()
	require.NoError(t, err)
	require.Equal(t, "cluster.example.com", config.ServerName, "TLSServerName is meant for all nodes")
	require.Equal(t, "[fd00::1]:7001", b.Address())
}

func TestPeerTakesNothingButAnAddress(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, "SessionsOnly=1", "Sessions.A.Uri=tcp://a.example.com:7000")
	a := mustResolve(t, o, Ref{Conn: "A"})
	peer, err := o.Peer(a, ":7002", "")
	require.NoError(t, err)
	require.Equal(t, "a.example.com:7002", peer.Address(), "no host is the host that said so")
	for _, addr := range []string{
		"", ":", "/tmp/x.sock", "unix:/tmp/x", "host", "host:", "host:0", "host:65536", "host:12x", "?:7000", "[::1]",
		"::1:7000", "u@host:1", "host:1/2", "tcp://host:1", "ho st:1", "host:1\r\nFLUSHALL", "host:1?x", "1.2.3:4",
		":x", ":1:2",
	} {
		_, err := o.Peer(a, addr, "")
		require.Error(t, err, "%q", addr)
		require.NotContains(t, err.Error(), "\n")
	}
}

// TestAMalformedNameIsNoMissingHost: the target's own host is dialed for an empty
// host alone, for the password goes where is dialed.
func TestAMalformedNameIsNoMissingHost(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, "Sessions.A.Uri=tcp://a.example.com:7000", "Sessions.A.Password=secret")
	a := mustResolve(t, o, Ref{Conn: "A"})
	for _, name := range []string{"10.233.95.1841", "10.0.0", "x_y.7", "-x", "a..b", "h\u00f4st", "a b", strings.Repeat("a", maxConnString+1)} {
		_, err := o.Peer(a, ":7001,"+name, "")
		require.ErrorContains(t, err, "holds no valid host name or IP address", name)
		peer, err := o.Peer(a, "10.0.0.2:7001,"+name, "")
		require.NoError(t, err)
		require.Equal(t, "10.0.0.2:7001", peer.Address(), "the address is known without the name")
	}
	for announced, want := range map[string]string{":7001": "a.example.com:7001", ":7001,": "a.example.com:7001", ":7001,node_1": "node_1:7001"} {
		peer, err := o.Peer(a, announced, "")
		require.NoError(t, err)
		require.Equal(t, want, peer.Address())
	}
}

func TestPeerOfAUnixSocketGivesNoPasswordAwayInTheClear(t *testing.T) {
	t.Parallel()
	plain := mustDecode(t, "Sessions.A.Uri=unix:/run/redis.sock", "Sessions.A.Password=secret")
	peer, err := plain.Peer(mustResolve(t, plain, Ref{Conn: "A"}), "10.0.0.2:7001", "")
	require.NoError(t, err)
	require.Equal(t, "A (tcp://10.0.0.2:7001)", peer.String())
	_, err = plain.Peer(mustResolve(t, plain, Ref{Conn: "A"}), ":7001", "")
	require.ErrorContains(t, err, "no host")

	secure := mustDecode(t, "Default.TLSConnect=verify_full", "Sessions.A.Uri=unix:/run/redis.sock", "Sessions.A.Password=secret")
	_, err = secure.Peer(mustResolve(t, secure, Ref{Conn: "A"}), "10.0.0.2:7001", "")
	require.ErrorContains(t, err, "Default.TLSConnect")
}
