package targets

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/metrics"
	"redisjobs/metrics/jsondoc"
)

// loaded is a runtime with the options of a file.
func loaded(t *testing.T, lines string) *Runtime {
	t.Helper()
	file := filepath.Join(t.TempDir(), "redisjobs.conf")
	require.NoError(t, os.WriteFile(file, []byte(lines), 0o600))
	options, err := conf.LoadFile(file)
	require.NoError(t, err)
	rt, err := New(options)
	require.NoError(t, err)
	t.Cleanup(func() { rt.Close(time.Second) })
	return rt
}

// item is the answer to an item key.
func (rt *Runtime) item(t *testing.T, key string, params ...string) (string, error) {
	t.Helper()
	metric, ok := metrics.Lookup(key)
	require.True(t, ok)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	w := jsondoc.New(0)
	if err := rt.Collect(ctx, metric, params, w); err != nil {
		return "", err
	}
	return w.Document(), nil
}

// TestAFaultOfTheConfigurationIsAnItemError of every key, and neither a 0 nor a
// server that is down; and it ends with the fault.
func TestAFaultOfTheConfigurationIsAnItemError(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: "secret"})
	sentinel := redistest.Start(t, redistest.Config{Args: []string{"--sentinel"}, Password: "secret"})
	ui := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"topologies":[]}`)) }))
	t.Cleanup(ui.Close)
	file := filepath.Join(t.TempDir(), "password")
	const p = "Plugins.RedisJobs.Sessions."
	rt := loaded(t, p+"File.Uri=tcp://"+s.Addr+"\n"+p+"File.PasswordFile="+file+"\n"+
		p+"Sentinel.Uri=sentinel://"+sentinel.Addr+"/mymaster\n"+p+"Sentinel.SentinelPasswordFile="+file+"\n"+
		p+"UI.Uri="+ui.URL+"\n"+p+"UI.TokenFile="+file+"\n")
	for session, option := range map[string]string{"File": "PasswordFile", "Sentinel": "SentinelPasswordFile", "UI": "TokenFile"} {
		keys := []string{"redis.server.ping", "redis.get", "redis.status", "job.get", "redis.server.info"}
		if session == "UI" {
			keys = []string{"storm.jobs.get", "storm.cluster.get"}
		}
		for _, key := range keys {
			value, err := rt.item(t, key, session)
			require.ErrorContains(t, err, p+session+"."+option+": the file cannot be read: no such file or directory", "%s: %s", key, value)
		}
	}
	require.NoError(t, os.WriteFile(file, []byte("secret"), 0o600))
	require.Eventually(t, func() bool { // as soon as the pool tries again
		value, err := rt.item(t, "redis.server.ping", "File")
		return err == nil && value == "1"
	}, 15*time.Second, 50*time.Millisecond)
	value, err := rt.item(t, "redis.get", "File")
	require.NoError(t, err)
	require.Contains(t, value, `"up":1`)
}

// TestAServerThatIsDownIsNoFault: its documents are valid, and its ping is 0.
func TestAServerThatIsDownIsNoFault(t *testing.T) {
	t.Parallel()
	rt := loaded(t, "Plugins.RedisJobs.Sessions.A.Uri=tcp://127.0.0.1:1\n")
	value, err := rt.item(t, "redis.server.ping", "A")
	require.NoError(t, err)
	require.Equal(t, "0", value)
	value, err = rt.item(t, "redis.get", "tcp://no-such-host.invalid")
	require.NoError(t, err, "an address is no name of a session")
	require.Contains(t, value, `"up":0`)
}
