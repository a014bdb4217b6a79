package targets

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// A name that leads elsewhere is followed although the old server lives, but
// not at the first answer, and not when there is none.
func TestANameThatLeadsElsewhereIsFollowed(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	rt, ping := pinger(t, s.Addr)
	require.Equal(t, "1", ping())
	tgt := onlyTarget(t, rt)
	require.Nil(t, tgt.host, "an address is never looked up")
	tgt.host = &hostWatch{host: "redis.example"}

	host, _, err := net.SplitHostPort(s.Addr)
	require.NoError(t, err)
	other := []string{"192.0.2.1", "2001:db8::1"}
	for _, step := range []struct {
		name  string
		every time.Duration
		found []string
		err   error
		dials uint64 // in all, once asked again
	}{
		{"it leads here", 0, append(other, host), nil, 1},
		{"it leads here, in another form", 0, []string{"::ffff:" + host}, nil, 1},
		{"it leads elsewhere, once", 0, other, nil, 1},
		{"it leads here again", 0, []string{host}, nil, 1},
		{"it leads elsewhere", 0, other, nil, 1},
		{"nobody knows it", 0, nil, errors.New("no such host"), 1},
		{"it leads nowhere", 0, nil, nil, 1},
		{"it leads elsewhere again", 0, other, nil, 2},
		{"it leads elsewhere for the new connection", 0, other, nil, 2},
		{"it is not looked up yet", time.Hour, other, nil, 2},
		{"it is looked up", 0, other, nil, 3},
	} {
		rt.names.every = step.every
		rt.names.lookup = func(_ context.Context, name string) ([]string, error) {
			require.Equal(t, "redis.example", name)
			return step.found, step.err
		}
		require.Equal(t, "1", ping(), step.name)
		rt.names.running.Wait()
		rt.names.every = time.Hour
		require.Equal(t, "1", ping(), step.name)
		rt.names.running.Wait()
		require.Equal(t, step.dials, rt.pool.Stats().Dials, step.name)
	}
}

// Lookups are few at a time, and end with the configuration that made them.
func TestLookupsAreBounded(t *testing.T) {
	t.Parallel()
	n := newNames()
	ended := make(chan struct{}, lookupsAtOnce)
	for range lookupsAtOnce {
		require.True(t, n.begin(func() { <-n.ctx.Done(); ended <- struct{}{} }))
	}
	require.False(t, n.begin(func() {}))
	n.close()
	require.Len(t, ended, lookupsAtOnce)
	require.False(t, n.begin(func() {}))
}

// A panic in a lookup ends neither the process nor the lookups.
func TestAPanicInALookupIsSurvived(t *testing.T) {
	t.Parallel()
	n := newNames()
	for range 2 * lookupsAtOnce {
		require.True(t, n.begin(func() { panic("of the test") }))
		n.running.Wait()
	}
	n.close()
}

func TestNamesThatMayLeadElsewhere(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"redis.example:6379": "redis.example", "localhost:6379": "", "LocalHost:6379": "", "10.0.0.1:6379": "", "[::1]:6379": "", "[fe80::1%eth0]:6379": "",
	} {
		require.Equal(t, want, hostName("tcp", address), address)
	}
	require.Empty(t, hostName("unix", "/run/redis.sock"))
}

func onlyTarget(t *testing.T, rt *Runtime) *target {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	require.Len(t, rt.known.byConf, 1)
	for _, only := range rt.known.byConf {
		return only
	}
	return nil
}
