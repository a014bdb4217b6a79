package templates

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/plugin"
)

// TestRecordHosts writes what hosts are made of: the sessions with the name of
// a host, and the servers of this machine as far as this test has started them.
func TestRecordHosts(t *testing.T) {
	if !*record {
		t.Skip("the recorded answers are kept; -record writes them anew")
	}
	r := recorder{t}
	named, unnamed := redistest.Start(t, redistest.Config{}), redistest.Start(t, redistest.Config{})
	sentinel := r.sentinel()
	r.configured("sessions_host", `redis.sessions.discovery[redis,web-1]`, r.config(
		"Sessions.Prod.Uri=tcp://redis.example.com:6379", "Sessions.Jobs.Uri=rediss://jobs.example.com:6380/2"))
	text, err := plugin.Check("redis.instances.discovery[web-1]", r.config("Sessions.Local.Uri=tcp://"+named.Addr), "1.0.0")
	require.NoError(t, err)
	var rows []map[string]string
	require.NoError(t, json.Unmarshal([]byte(text), &rows))
	own := []string{"tcp://" + named.Addr, "tcp://" + unnamed.Addr, "tcp://" + sentinel}
	rows = slices.DeleteFunc(rows, func(row map[string]string) bool { return !slices.Contains(own, row["{#URI}"]) })
	require.Len(t, rows, len(own))
	kept, err := json.Marshal(rows)
	require.NoError(t, err)
	r.write("instances_host", string(kept))
}
