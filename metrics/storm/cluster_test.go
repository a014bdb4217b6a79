package storm

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

// recorded2 is a reply of the UI of Storm 2.8.3 with its default scheduler.
func recorded2(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "ui-2.8.3", name+".json"))
	require.NoError(t, err)
	return string(text)
}

// TestResourcesOfTheDefaultSchedulerOfStorm2: two workers of 512 MB run, and the UI
// says that all memory is free and none is used.
func TestResourcesOfTheDefaultSchedulerOfStorm2(t *testing.T) {
	t.Parallel()
	web := &pages{answers: map[string]any{
		clusterPath: recorded2(t, "cluster-summary"), supervisorPath: recorded2(t, "supervisor-summary"),
		nimbusPath: recorded2(t, "nimbus-summary"), summaryPath: recorded2(t, "topology-summary"),
	}}
	c, err := newUI(web, &item.Memory{}, 0).Cluster(t.Context())
	require.NoError(t, err)
	requireHidden(t, c)
	require.Equal(t, 2048.0*(1<<20), figure(t, c.Figures, "memory"))
	require.Equal(t, 2.0, figure(t, c.Figures, "slots_used"))
	require.Equal(t, map[Status]int{statusActive: 1}, c.ByStatus)
}

// TestATopologyOfStorm2ThatIsGoneIsMissing: the exception that says so is wrapped
// in another one, which also stands for a Nimbus that cannot be reached.
func TestATopologyOfStorm2ThatIsGoneIsMissing(t *testing.T) {
	t.Parallel()
	const id = "words-1-1795950655"
	page := fmt.Sprintf("%s?window=%d&sys=0", topologyPath(id), windowSeconds)
	web := &pages{answers: map[string]any{
		summaryPath: recorded2(t, "topology-summary"),
		page:        refused{500, "java.io.IOException: Unable to fetch topo conf for topo id " + id + ", caused by NotAliveException(msg:" + id + ")"},
	}}
	ui := newUI(web, &item.Memory{}, 0)
	j, err := ui.Job(t.Context(), query{Name: "words"})
	require.NoError(t, err)
	require.Equal(t, job{Name: "words", Status: statusMissing}, j)

	web.answers[page] = refused{500, "java.io.IOException: Unable to fetch topo conf for topo id " + id + ", caused by java.net.ConnectException: refused"}
	j, err = ui.Job(t.Context(), query{Name: "words"})
	require.NoError(t, err)
	require.Equal(t, statusActive, j.Status, "nobody says that it is gone")
}

func TestTheRealUIsCluster(t *testing.T) {
	t.Parallel()
	web := recordedUI(t)
	c, err := newUI(web, &item.Memory{}, 0).Cluster(t.Context())
	require.NoError(t, err)
	require.Len(t, web.asked, 4)
	requireHidden(t, c)
	require.Equal(t, "1.2.4", c.Version)
	require.Equal(t, 2.0, figure(t, c.Figures, "slots"))
	require.Equal(t, 1.0, figure(t, c.Figures, "slots_used"))
	require.Equal(t, 3072.0*(1<<20), figure(t, c.Figures, "memory"))
	require.Equal(t, 4.0, figure(t, c.Figures, "cores"))
	require.Equal(t, map[Status]int{statusActive: 1}, c.ByStatus)
	require.Equal(t, []nimbus{{Host: "127.0.0.1", Port: "21811", Status: "Leader", Version: "1.2.4", Figures: []namedFigure{{"uptime", 51}}}}, c.Nimbuses)
	require.True(t, c.Nimbuses[0].Leads())
	require.Len(t, c.Supervisors, 1)
	require.Equal(t, 3072.0*(1<<20), figure(t, c.Supervisors[0].Figures, "memory"))

	web.answers[clusterPath] = recorded(t, "cluster-summary-nosupervisor")
	web.answers[supervisorPath] = `{"supervisors":[]}`
	web.answers[nimbusPath] = `{"nimbuses":[{"host":"n","port":6627,"status":"Offline","nimbusUpTimeSeconds":"Not applicable"}]}`
	delete(web.answers, summaryPath)
	c, err = newUI(web, &item.Memory{}, 0).Cluster(t.Context())
	require.NoError(t, err)
	require.Equal(t, 0.0, figure(t, c.Figures, "supervisors_alive"), "known to be none")
	require.NotNil(t, c.Supervisors)
	require.True(t, c.Nimbuses[0].Gone())
	require.Empty(t, c.Nimbuses[0].Figures)
	require.Nil(t, c.ByStatus)
	require.Equal(t, "topologies", c.Unavailable[0].Name)

	web.answers[clusterPath] = `{"stormVersion":"2.8.3","availMem":512,"availCpu":50,"schedulerDisplayResource":true}`
	web.answers[supervisorPath] = `{"supervisors":[{"id":"a","usedMem":64,"usedCpu":100}],"schedulerDisplayResource":true}`
	c, err = newUI(web, &item.Memory{}, 0).Cluster(t.Context())
	require.NoError(t, err)
	require.Equal(t, 512.0*(1<<20), figure(t, c.Figures, "memory_free"))
	require.Equal(t, 64.0*(1<<20), figure(t, c.Supervisors[0].Figures, "memory_used"))
}

// requireHidden: a scheduler that does not track resources says that all is free,
// whatever runs.
func requireHidden(t *testing.T, c cluster) {
	t.Helper()
	var names []string
	for _, u := range c.Unavailable {
		names = append(names, u.Name)
	}
	require.Equal(t, []string{"memory_free", "cores_free", "supervisors.memory_used", "supervisors.cores_used"}, names)
	all := c.Figures
	for _, s := range c.Supervisors {
		all = append(all, s.Figures...)
	}
	for _, f := range all {
		require.NotContains(t, []string{"memory_free", "cores_free", "memory_used", "cores_used"}, f.Name)
	}
}
