//go:build storm && linux

package storm

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/driver"
)

// staleAfter is the MaxAge of the items here, in seconds.
const staleAfter = "10"

// TestALifeOfATopology follows one topology, by its record in Redis and by the UI, from before it is submitted until
// after it is gone.
func TestALifeOfATopology(t *testing.T) {
	cache := storm(t)
	redis := redistest.Start(t, redistest.Config{})
	_, redisPort, err := net.SplitHostPort(redis.Addr)
	require.NoError(t, err)
	c := startCluster(t, cache, redisPort)
	p := driver.Start(t, driver.Config{Timeout: 10, Options: []string{
		"Sessions.Records.Uri=tcp://" + redis.Addr, "Sessions.UI.Uri=" + c.ui(),
	}})
	sources := []string{"Records", "UI"}

	status := func(source, job string) string {
		value, err := p.Get("storm.job.status", source, "", "", job, staleAfter)
		if err != nil {
			return err.Error()
		}
		return value
	}
	// both waits until both sources say so of the job.
	both := func(what, want string) {
		t.Helper()
		await(t, what+", by Redis and by the UI", func() bool {
			return status("Records", "orders") == want && status("UI", "orders") == want
		})
	}

	await(t, "Nimbus leads and a supervisor is there", func() bool {
		doc := document(t, p, "storm.cluster.get", "UI")
		cluster, _ := doc["cluster"].(map[string]any)
		return doc["up"] == 1.0 && cluster["supervisors_alive"] == 1.0
	})
	doc := document(t, p, "storm.cluster.get", "UI")
	untracked := "the scheduler does not track resources (schedulerDisplayResource is false)"
	require.Equal(t, map[string]any{"cores_free": untracked, "memory_free": untracked,
		"supervisors.cores_used": untracked, "supervisors.memory_used": untracked}, doc["unavailable"])
	require.Equal(t, "1.2.4", doc["version"])
	require.Equal(t, "127.0.0.1:"+c.ports["nimbus"], doc["nimbus"].(map[string]any)["leader"])
	require.Equal(t, 2.0, doc["cluster"].(map[string]any)["slots_free"])
	for _, source := range sources {
		require.Equal(t, "9", status(source, "orders"), "MISSING before it is submitted: %s", source)
	}

	c.submit(t, "orders", redisPort)
	both("ACTIVE", "1")
	details(t, p, redis)
	job := document(t, p, "storm.job.get", "UI", "", "", "orders")
	id := job["key"].(string)

	c.order(t, id, "deactivate")
	both("INACTIVE", "2")
	c.order(t, id, "activate")
	both("ACTIVE again", "1")

	c.order(t, id, "rebalance/6")
	both("REBALANCING", "3")
	both("ACTIVE after the rebalance", "1")

	c.daemons["supervisor"].kill() // and its worker with it
	both("STALE", "8")
	for _, source := range sources {
		job := document(t, p, "storm.job.get", source, "", "", "orders", staleAfter)
		require.Equal(t, "STALE", job["status_text"], source)
		require.Equal(t, "ACTIVE", job["raw_status"], source)
		require.Greater(t, job["age"], 10.0, source)
	}
	await(t, "the UI misses the supervisor", func() bool {
		doc := document(t, p, "storm.cluster.get", "UI")
		return doc["cluster"].(map[string]any)["supervisors_alive"] == 0.0 && len(doc["supervisors"].([]any)) == 0
	})
	c.start(t, "supervisor")
	both("ACTIVE on a new worker", "1")

	c.order(t, id, "kill/6")
	both("KILLED", "4")
	both("MISSING", "9")

	c.daemons["nimbus"].kill()
	await(t, "the UI finds no Nimbus", func() bool {
		doc := document(t, p, "storm.cluster.get", "UI")
		return doc["up"] == 0.0 && doc["reason"] == "command"
	})
	await(t, "a job is not missing because nobody knows", func() bool { // an answer serves for a second
		return strings.Contains(status("UI", "orders"), "HTTP status 500")
	})
	c.daemons["ui"].kill()
	await(t, "the UI is gone", func() bool { return document(t, p, "storm.jobs.get", "UI")["reason"] == "tcp" })
}

// details compares what both sources say of the topology at work.
func details(t *testing.T, p *driver.Plugin, redis *redistest.Server) {
	t.Helper()
	var ui map[string]any
	await(t, "the UI has figures of the components", func() bool {
		ui = document(t, p, "storm.job.get", "UI", "", "", "orders")
		_, capacity := ui["capacity_max"]
		_, failed := ui["error_age"]
		processed, _ := ui["processed"].(float64)
		// At first Storm's own bolts take more time than the work, which sleeps two milliseconds for each number.
		return capacity && failed && processed > 100 && ui["capacity_bolt"] == "work"
	})
	require.Equal(t, map[string]any{}, ui["unavailable"])
	require.Equal(t, "java.lang.IllegalStateException: a number was odd", ui["message"])
	require.Equal(t, "work", ui["error_component"])
	require.Less(t, ui["error_age"], 300.0)
	spout := row(t, ui["spouts"], "numbers")
	require.Greater(t, spout["complete_latency"], 0.002, "seconds")
	require.Less(t, spout["complete_latency"], 10.0)
	require.Greater(t, row(t, ui["bolts"], "work")["execute_latency"], 0.002)
	require.Equal(t, 1.0, ui["workers"])

	record := document(t, p, "storm.job.get", "Records", "", "", "orders")
	require.Equal(t, map[string]any{}, record["unavailable"])
	require.Equal(t, "topology", record["type"])
	// The record is of this moment, the UI's figures are of the last heartbeats.
	require.GreaterOrEqual(t, document(t, p, "storm.job.get", "Records", "", "", "orders")["processed"], ui["processed"].(float64)/2)

	jobs := document(t, p, "storm.jobs.get", "Records")
	require.Equal(t, 2.0, jobs["count"], "one by its own hash, one by the stock bolts alone: %v", jobs)
	stock := document(t, p, "storm.job.get", "Records", "", "", "orders-stock")
	require.Equal(t, "storm:jobs:state", stock["key"])
	require.Equal(t, "ACTIVE", stock["status_text"])
	require.Less(t, stock["age"], 60.0, "by its heartbeat in the sorted set")
	require.Equal(t, "hash", redis.Do(t, "TYPE", "storm:job:orders"))

	jobs = document(t, p, "storm.jobs.get", "UI")
	require.Equal(t, 1.0, jobs["count"])
	require.Equal(t, 1.0, jobs["by_status"].(map[string]any)["active"])
	require.Contains(t, p.Value(t, "storm.job.discovery", "UI"), `{"{#JOB}":"orders",`)
}

// storm is the folder that fetch.sh has filled.
func storm(t *testing.T) string {
	t.Helper()
	file := os.Getenv("REDISJOBS_STORM")
	require.NotEmpty(t, file, "run this test with make test-storm")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	line := strings.TrimSpace(string(text))
	if reason, none := strings.CutPrefix(line, "storm - "); none {
		t.Skip("STORM IS NOT TESTED: " + reason)
	}
	t.Log(line)
	return filepath.Dir(file)
}

func document(t *testing.T, p *driver.Plugin, key string, params ...string) map[string]any {
	t.Helper()
	text := p.Value(t, key, params...)
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &doc), text)
	return doc
}

// row is the object of a list with that id.
func row(t *testing.T, list any, id string) map[string]any {
	t.Helper()
	for _, e := range list.([]any) {
		if r := e.(map[string]any); r["id"] == id {
			return r
		}
	}
	require.Fail(t, "no such row", "%s in %v", id, list)
	return nil
}
