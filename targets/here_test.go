package targets

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// hereAt makes a server that listens at 127.0.0.1 answer at another address of this
// machine as well. It skips the test when that address is not this machine's.
func hereAt(t testing.TB, ip, addr string) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Skipf("NOT RUN: %s is no address of this machine: %v", ip, err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", addr)
			if err != nil {
				_ = in.Close()
				continue
			}
			pass := func(to, from net.Conn) {
				_, _ = io.Copy(to, from)
				_ = to.Close()
			}
			go pass(in, out)
			go pass(out, in)
		}
	}()
	_, port, err = net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}

// TestSentinelsOfThisMachineByAnyOfItsNames: what they name is on it too, though the
// session has no loopback address.
func TestSentinelsOfThisMachineByAnyOfItsNames(t *testing.T) {
	t.Parallel()
	names := map[string]string{} // a name or an address of this machine, and where it leads
	if name, err := os.Hostname(); err == nil {
		if found, err := net.LookupHost(name); err == nil {
			names[name] = found[0]
		}
	}
	addrs, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
			names[ip.IP.String()] = ip.IP.String()
		}
	}
	if len(names) == 0 {
		t.Skip("NOT RUN: this machine has no address but the loopback one")
	}
	for host, ip := range names {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			master := masterWith(t, "v")
			sentinel := sentinelSaying(t, master.Addr)
			port := hereAt(t, ip, sentinel.Addr)
			options, err := conf.Decode(nil, conf.Global{Timeout: 2})
			require.NoError(t, err)
			rt, err := New(options)
			require.NoError(t, err)
			t.Cleanup(func() { rt.Close(time.Second) })
			value, err := getKey(t, rt.targetAt(t, "sentinel://"+net.JoinHostPort(host, port)+"/mymaster"))
			require.NoError(t, err)
			require.Equal(t, "v", value)
		})
	}
}

// TestAConnectionKnowsWhetherItLeadsHere: over a socket, and to a loopback address.
func TestAConnectionKnowsWhetherItLeadsHere(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{UnixSocket: true})
	for _, cfg := range []redisclient.Config{{Address: s.Addr}, {Network: "unix", Address: s.Socket}} {
		c, err := redisclient.Dial(soon(t), cfg)
		require.NoError(t, err)
		require.True(t, c.Info().Here, cfg.Address)
		require.NoError(t, c.Close())
	}
}
