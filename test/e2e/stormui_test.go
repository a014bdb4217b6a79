//go:build e2e && linux

package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/test/agent"
)

// recordedUI answers as a real Storm UI did, to who has the token. test/storm asks a real one.
func recordedUI(t *testing.T) *httptest.Server {
	t.Helper()
	folder := filepath.Join(agent.Root(t), "metrics", "storm", "testdata", "ui-1.2.4")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+secretToken {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		name := map[string]string{
			"/api/v1/cluster/summary":                  "cluster-summary",
			"/api/v1/nimbus/summary":                   "nimbus-summary",
			"/api/v1/supervisor/summary":               "supervisor-summary",
			"/api/v1/topology/summary":                 "topology-summary",
			"/api/v1/topology/orders-1-1795266310":     "topology",
			"/api/v1/topology/orders-1-1795266310/lag": "lag",
		}[r.URL.Path]
		text, err := os.ReadFile(filepath.Join(folder, name+".json"))
		if err != nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(text)
	}))
	t.Cleanup(s.Close)
	return s
}

func stormUI(t *testing.T, w *world, r *asked) {
	webRows["storm.cluster.get"].check(t, w, way{shown: "UI (" + w.ui.URL + ")"}, r.value(t, "storm.cluster.get[UI]"))
	require.Equal(t, "1", r.value(t, "storm.job.status[UI,,,orders]"))
	require.Equal(t, "9", r.value(t, "storm.job.status[UI,,,invoices]"))
	job := r.document(t, "storm.job.get[UI,,,orders]")
	require.Equal(t, "work", job["capacity_bolt"])
	require.Len(t, job.rows(t, "bolts"), 5)
	require.Len(t, r.document(t, "storm.jobs.get[UI]").rows(t, "jobs"), 1)
	require.Equal(t, `[{"{#JOB}":"orders","{#KEY}":"orders-1-1795266310","{#TYPE}":"topology"}]`, r.value(t, "storm.job.discovery[UI]"))
	for key, want := range map[string]string{
		"storm.job.status[" + w.ui.URL + ",,,orders]": "HTTP status 401",
		"redis.get[UI]":            "annot get redis.get from UI (" + w.ui.URL + "): this is a Storm UI",
		"storm.cluster.get[Plain]": "annot get storm.cluster.get from Plain (tcp://" + w.plain.Addr + "): this is a Redis server",
	} {
		require.Contains(t, r.refused(t, key), want, key)
	}
	down := r.document(t, "storm.cluster.get["+w.ui.URL+"]")
	require.EqualValues(t, 0, down["up"])
	require.Equal(t, "auth", down["reason"])
	require.EqualValues(t, 0, r.document(t, "storm.cluster.get[http://"+w.closed+"]")["up"])
}

func checkStormCluster(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	require.EqualValues(t, 1, o["up"])
	require.Equal(t, by.shown, o["target"])
	require.Equal(t, "1.2.4", o["version"])
	require.EqualValues(t, 1, o.in(t, "cluster").number(t, "supervisors_alive"))
	require.Equal(t, "127.0.0.1:21811", o.in(t, "nimbus")["leader"])
	require.Len(t, o.rows(t, "supervisors"), 1)
}
