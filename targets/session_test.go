package targets

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// TestAGroupIsAskedBySessions through the pool; what is no session is an error of the
// item.
func TestAGroupIsAskedBySessions(t *testing.T) {
	t.Parallel()
	a := redistest.Start(t, redistest.Config{Password: "secret", Args: []string{"--repl-diskless-sync-delay", "0"}})
	host, port, _ := net.SplitHostPort(a.Addr)
	b := redistest.Start(t, redistest.Config{Args: []string{"--replicaof", host, port, "--masterauth", "secret"}})
	require.Eventually(t, func() bool { return b.InfoField(t, "replication", "master_link_status") == "up" }, 20*time.Second, 20*time.Millisecond)
	const p = "Plugins.RedisJobs.Sessions."
	rt := loaded(t, p+"A.Uri=tcp://"+a.Addr+"\n"+p+"A.Password=secret\n"+p+"B.Uri=tcp://"+b.Addr+"\n"+p+"F.Uri=tcp://"+a.Addr+"\n"+p+"F.PasswordFile=/absent\n"+
		p+"UI.Uri=http://127.0.0.1:1\n"+"Plugins.RedisJobs.SessionsOnly=1\n")
	value, err := rt.item(t, "redis.group.get", "A B")
	require.NoError(t, err)
	require.Contains(t, value, `"primaries":1,"replicas":1,"strangers":0`)
	require.Contains(t, value, `"primary_session":"A"`)
	value, err = rt.item(t, "redis.group.get", "B F")
	require.NoError(t, err, "a file that cannot be read costs its session alone")
	require.Contains(t, value, "Sessions.F.PasswordFile: the file cannot be read")
	require.Contains(t, value, `"partial":true`)
	_, err = rt.item(t, "redis.group.get", "A "+b.Addr)
	require.ErrorContains(t, err, "cannot get redis.group.get: no session named")
	_, err = rt.item(t, "redis.group.get", "A UI")
	require.EqualError(t, err, "cannot get redis.group.get: the session UI is a Storm UI, not a Redis server")
}
