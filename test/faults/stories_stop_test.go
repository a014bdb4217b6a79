//go:build e2e && linux

package faults

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/driver"
	"redisjobs/test/stall"
)

// busy is a plugin whose only target has both connections in use and some who wait, and which is dialing another.
func busy(t *testing.T) (p *driver.Plugin, s *redistest.Server, between *proxy, checks []*driver.Check, options []string) {
	t.Helper()
	s = redis(t, redistest.Config{TLS: true})
	between = newProxy(t, s.Addr)
	tls := newProxy(t, s.TLSAddr)
	tls.lose()
	options = []string{"CustomCommands=1", "Sessions.A.Uri=tcp://" + between.addr, "Sessions.Tls.Uri=tcp://" + tls.addr,
		"Sessions.Tls.TLSConnect=required"}
	p = start(t, options...)
	want(t, p, "A", s, key(0))
	between.hold()
	checks = append(checks, ask(p, 3, "A", key(1)), ask(p, 3, "A", key(2)))
	await(t, patience, "both connections busy", func() bool { return between.held() == 2 })
	for i := range 3 {
		checks = append(checks, ask(p, 3, "A", key(i)))
	}
	checks = append(checks, ask(p, 3, "Tls", key(0)))
	await(t, patience, "a dial", func() bool { return tls.count() == 1 })
	return p, s, between, checks, options
}

func TestStory15_StopWithChecksUnderWay(t *testing.T) {
	t.Parallel()
	p, s, between, checks, _ := busy(t)
	began := time.Now()
	require.NoError(t, p.SendTerminate())
	require.NoError(t, p.SendTerminate(), "a second one does no harm")
	code, ended := p.Wait(patience)
	require.True(t, ended)
	require.Zero(t, code)
	require.Less(t, stall.Awake(began, time.Now()), 2*time.Second)
	for _, c := range checks {
		_, err := c.Answer()
		require.Error(t, err)
		require.Less(t, c.TookAwake(), 3*time.Second)
	}
	between.release()
	await(t, patience, "the end of all connections", func() bool {
		return s.InfoField(t, "clients", "connected_clients") == "1"
	})
}

// An agent configures a plugin once; a second time replaces all sessions and connections and ends nothing.
func TestStory15_ReloadWithChecksUnderWay(t *testing.T) {
	t.Parallel()
	p, s, between, checks, options := busy(t)
	for range 3 {
		p.Configure(t, append(options, "Sessions.B.Uri=tcp://"+s.Addr)...)
	}
	want(t, p, "B", s, key(1)) // the new configuration serves at once
	between.release()
	for i, c := range checks {
		got, err := c.Answer()
		if err == nil {
			require.Contains(t, []string{value(s, key(i)), value(s, key(max(0, i-2))), value(s, key(i+1))}, got)
		}
		require.Less(t, c.TookAwake(), 4*time.Second)
	}
	got, err := checks[0].Answer()
	require.NoError(t, err, "who had a connection was served")
	require.Equal(t, value(s, key(1)), got)
	wantAll(t, p, "A", s, 20)
	wantAll(t, p, "B", s, 20)
	// Of the replaced pools nothing is left: two targets of two connections each, and the test's own.
	await(t, patience, "the end of the old connections", func() bool {
		return number(t, s.InfoField(t, "clients", "connected_clients")) <= 5
	})
	require.True(t, p.Alive())
	require.Empty(t, p.Output())
}
