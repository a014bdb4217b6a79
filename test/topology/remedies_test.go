//go:build e2e && linux

package topology

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"redisjobs/internal/redistest"
)

// TestRemediesOfAClusterWork runs the commands that the triggers of the cluster template tell people to run, on a cluster
// in the state that the trigger is for.
func TestRemediesOfAClusterWork(t *testing.T) {
	t.Parallel()
	const open, failing, uncovered, down = "Slot migration takes too long", "Nodes are failing", "Slots are not covered", "Cluster is down"
	nodes := newCluster(t, redistest.Flavour{}, redistest.Config{Args: []string{"--cluster-replica-no-failover", "yes"}})
	texts := triggerTexts(t, "../../packaging/templates/source/redis_cluster_by_redisjobs.yaml")
	// run runs a command that the triggers have. What has become of the cluster says whether it has worked: fix also
	// fails where nodes do not know yet what it has just changed.
	run := func(begins string, triggers []string, with ...string) {
		t.Helper()
		var command string
		for _, trigger := range triggers {
			found := regexp.MustCompile(regexp.QuoteMeta(begins) + `( cluster forget| --[a-z-]+| <[a-z ]+>)*`).FindString(texts[trigger])
			require.NotEmpty(t, found, "%s has no command %s: %s", trigger, begins, texts[trigger])
			require.True(t, command == "" || command == found, "%s has another command than %s", trigger, triggers[0])
			command = found
		}
		command = strings.NewReplacer(append(with, "<any node>", nodes[0].Addr)...).Replace(command)
		cmd := exec.Command("redis-cli", strings.Fields(command)[1:]...)
		cmd.Stdin = strings.NewReader("yes\n")
		out, _ := cmd.CombinedOutput()
		t.Logf("%s: %.2000s", command, out)
	}
	nodesOf := func() string { return nodes[0].Do(t, "CLUSTER", "NODES") }
	state := func(want string) {
		t.Helper()
		await(t, "cluster_state:"+want, func() bool { return strings.Contains(nodes[0].Do(t, "CLUSTER", "INFO"), "cluster_state:"+want) })
	}

	nodes[0].Do(t, "CLUSTER", "SETSLOT", "100", "MIGRATING", nodes[1].id)
	require.Contains(t, nodesOf(), "[100->-")
	run("redis-cli --cluster fix", []string{open})
	require.NotContains(t, nodesOf(), "[100->-")

	nodes[5].Kill(t)
	await(t, "a replica that has failed", func() bool { return strings.Contains(nodesOf(), "slave,fail,") })
	out, err := exec.Command("redis-cli", "--cluster", "del-node", nodes[0].Addr, nodes[5].id).CombinedOutput()
	require.Error(t, err, "del-node knows no node that is down: %s", out)
	run("redis-cli --cluster call", []string{failing}, "<its id>", nodes[5].id)
	require.NotContains(t, nodesOf(), nodes[5].id)

	nodes[1].Kill(t)
	state("fail")
	for _, trigger := range []string{down, uncovered} {
		require.Contains(t, texts[trigger], "CLUSTER FAILOVER TAKEOVER on one of its replicas")
	}
	nodes[4].Do(t, "CLUSTER", "FAILOVER", "TAKEOVER")
	state("ok")

	nodes[4].Kill(t) // the whole shard is lost
	state("fail")
	run("redis-cli --cluster fix", []string{down, uncovered})
	await(t, "all slots to be covered", func() bool { return strings.Contains(nodes[0].Do(t, "CLUSTER", "INFO"), "cluster_slots_ok:16384") })
}

// triggerTexts are what the triggers of a template's source say, by their names.
func triggerTexts(t *testing.T, file string) map[string]string {
	t.Helper()
	type trigger struct{ Name, About string }
	type item struct{ Triggers []trigger }
	var source struct {
		Items    []item
		Triggers []trigger
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &source))
	out := map[string]string{}
	for _, i := range append(source.Items, item{source.Triggers}) {
		for _, tr := range i.Triggers {
			out[tr.Name] = tr.About
		}
	}
	require.NotEmpty(t, out)
	return out
}
