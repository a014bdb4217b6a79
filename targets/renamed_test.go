package targets

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/metrics"
	"redisjobs/metrics/jsondoc"
)

// TestRenamedCommandsAreSentByTheirNames: a real server with rename-command.
func TestRenamedCommandsAreSentByTheirNames(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Lines: []string{
		"rename-command INFO my-info", "rename-command SLOWLOG slow-x", "rename-command CLIENT cl-1", "rename-command SELECT sel",
	}})
	doc := func(renames string) map[string]any {
		t.Helper()
		options, err := conf.Decode(nil, conf.Global{Timeout: 3})
		require.NoError(t, err)
		if renames != "" {
			options = decoded(t, "Sessions.A.Uri=tcp://"+s.Addr+"/1", "Sessions.A.RenameCommands="+renames)
		}
		rt, err := New(options)
		require.NoError(t, err)
		defer rt.Close(time.Second)
		metric, ok := metrics.Lookup("redis.get")
		require.True(t, ok)
		w := jsondoc.New(0)
		conn := "A"
		if renames == "" {
			conn = "tcp://" + s.Addr
		}
		require.NoError(t, rt.Collect(soon(t), metric, []string{conn}, w))
		var out map[string]any
		require.NoError(t, json.Unmarshal([]byte(w.Document()), &out))
		return out
	}
	with := doc("INFO=my-info slowlog=slow-x CLIENT=cl-1 SELECT=sel")
	require.EqualValues(t, 1, with["up"])
	require.Equal(t, "", with["error"])
	require.Empty(t, with["unavailable"])
	require.Contains(t, with, "server")
	without := doc("")
	require.NotContains(t, without, "server")
}
