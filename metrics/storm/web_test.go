package storm

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// stormPages is a Storm UI that answers with recorded texts by path.
type stormPages map[string]string

func (p stormPages) Get(_ context.Context, path string) ([]byte, error) {
	name, ok := p[path]
	if !ok {
		return nil, &redisclient.Error{Op: "get " + path, Reason: redisclient.ReasonTCP, Err: os.ErrNotExist}
	}
	return os.ReadFile(filepath.Join("testdata", "ui-1.2.4", name+".json"))
}

var recordedWeb = stormPages{
	"/api/v1/cluster/summary":                               "cluster-summary",
	"/api/v1/nimbus/summary":                                "nimbus-summary",
	"/api/v1/supervisor/summary":                            "supervisor-summary",
	"/api/v1/topology/summary":                              "topology-summary",
	"/api/v1/topology/orders-1-1795266310?window=600&sys=0": "topology",
	"/api/v1/topology/orders-1-1795266310/lag":              "lag",
}

func webTarget(pages stormPages) *item.Target {
	return &item.Target{Name: "http://ui:8080", Memory: &item.Memory{}, Web: pages}
}

func TestStormKeysReadAUI(t *testing.T) {
	t.Parallel()
	target := webTarget(recordedWeb)
	ask := func(key string, own ...string) string {
		t.Helper()
		text, err := collect(t, target, stormDefaults, key, own...)
		require.NoError(t, err)
		return text
	}
	require.Equal(t, "1", ask("storm.job.status", "orders"))
	require.Equal(t, "9", ask("storm.job.status", "invoices"))
	require.Equal(t, `[{"{#JOB}":"orders","{#KEY}":"orders-1-1795266310","{#TYPE}":"topology"}]`, ask("storm.job.discovery"))

	job := metrictest.Decode(t, ask("storm.job.get", "orders"))
	for name, want := range map[string]any{
		"schema_version": 1.0, "up": 1.0, "target": "http://ui:8080", "job": "orders", "key": "orders-1-1795266310",
		"status": 1.0, "status_text": "ACTIVE", "raw_status": "ACTIVE", "type": "topology", "run_id": "orders-1-1795266310",
		"uptime": 47.0, "workers": 1.0, "assigned_memory": 83886080.0, "processed": 1800.0, "window_seconds": 600.0,
		"capacity_max": 0.115, "capacity_bolt": "work", "error_age": 38.0, "error_component": "work",
		"window":      map[string]any{"emitted": 18013.0, "transferred": 18007.0, "acked": 1800.0, "complete_latency": 0.007582},
		"unavailable": map[string]any{}, "truncated": map[string]any{},
	} {
		require.Equal(t, want, job[name], name)
	}
	require.Equal(t, map[string]any{
		"id": "numbers", "executors": 1.0, "tasks": 1.0, "emitted": 3603.0, "transferred": 3602.0, "acked": 1800.0,
		"failed": 0.0, "complete_latency": 0.007582,
	}, job["spouts"].([]any)[0])
	require.Len(t, job["bolts"], 5)

	missing := metrictest.Decode(t, ask("storm.job.get", "invoices"))
	require.Equal(t, "MISSING", missing["status_text"])
	require.NotContains(t, missing, "key")

	jobs := metrictest.Decode(t, ask("storm.jobs.get"))
	require.Equal(t, 1.0, jobs["count"])
	require.Equal(t, 1.0, jobs["by_status"].(map[string]any)["active"])
	require.NotContains(t, jobs["jobs"].([]any)[0], "bolts", "the summary does not tell them")

	cluster := metrictest.Decode(t, ask("storm.cluster.get"))
	require.Equal(t, map[string]any{"alive": 1.0, "leaders": 1.0, "offline": 0.0, "leader": "127.0.0.1:21811", "leader_uptime": 51.0}, cluster["nimbus"])
	require.Equal(t, map[string]any{"active": 1.0, "inactive": 0.0, "rebalancing": 0.0, "killed": 0.0, "unknown": 0.0}, cluster["topologies_by_status"])
	require.Equal(t, 1.0, cluster["cluster"].(map[string]any)["slots_free"])
	require.Contains(t, cluster["unavailable"], "memory_free", "the recorded one has the default scheduler")
}

func TestStormDocumentsOfAUIThatIsDown(t *testing.T) {
	t.Parallel()
	for key, own := range map[string][]string{"storm.job.get": {"a"}, "storm.jobs.get": nil, "storm.cluster.get": nil} {
		text, err := collect(t, webTarget(nil), stormDefaults, key, own...)
		require.NoError(t, err)
		doc := metrictest.Decode(t, text)
		require.Equal(t, 0.0, doc["up"], key)
		require.Equal(t, "tcp", doc["reason"], key)
		require.Contains(t, doc["error"], "Cannot query http://ui:8080: get /api/v1/", key)
		require.Len(t, doc, 5, key)
	}
	partly := stormPages{"/api/v1/cluster/summary": "cluster-summary"}
	text, err := collect(t, webTarget(partly), stormDefaults, "storm.cluster.get")
	require.NoError(t, err)
	doc := metrictest.Decode(t, text)
	require.Equal(t, 1.0, doc["up"])
	for _, part := range []string{"nimbus", "nimbuses", "supervisors", "topologies_by_status"} {
		require.NotContains(t, doc, part)
	}
	require.Len(t, doc["unavailable"], 5) // with two of the default scheduler
}
