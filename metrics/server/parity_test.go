package server

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// parityFigure is one line of testdata/parity: what others call a figure, and
// where redis.get has it; or why not, when path is "-".
type parityFigure struct{ name, path, document string }

func parityList(t *testing.T, file string) []parityFigure {
	t.Helper()
	text, err := os.ReadFile("testdata/parity/" + file)
	require.NoError(t, err)
	var out []parityFigure
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		require.GreaterOrEqual(t, len(fields), 2, line)
		f := parityFigure{name: fields[0], path: fields[1], document: "master"}
		if len(fields) > 2 {
			f.document = fields[2]
		}
		out = append(out, f)
	}
	return out
}

// TestParity finds every figure of the official template and every one that
// redis_exporter reads in redis.get, of real servers where there are some.
func TestParity(t *testing.T) {
	t.Parallel()
	documents := parityDocuments(t)
	for file, least := range map[string]int{"official_template.txt": 72, "redis_exporter.txt": 180} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			list := parityList(t, file)
			require.GreaterOrEqual(t, len(list), least)
			seen := map[string]bool{}
			for _, f := range list {
				require.False(t, seen[f.name], "%s stands twice", f.name)
				seen[f.name] = true
				if f.path == "-" {
					require.Greater(t, len(f.document), 10, "%s: a reason", f.name)
					continue
				}
				document, ok := documents[f.document]
				require.True(t, ok, "%s: there is no document %s", f.name, f.document)
				if strings.HasPrefix(document, "missing: ") {
					t.Logf("NOT FOUND %s: %s", f.name, document)
					continue
				}
				value, err := lookUp(metrictest.Decode(t, document), strings.Split(f.path, "."))
				if err != nil {
					t.Errorf("%s: %s of the document %s: %v", f.name, f.path, f.document, err)
				} else if value == nil {
					t.Errorf("%s: %s of the document %s is null", f.name, f.path, f.document)
				}
			}
		})
	}
}

// lookUp follows a path; # takes the first row of a list that has the rest.
func lookUp(v any, path []string) (any, error) {
	if len(path) == 0 {
		return v, nil
	}
	switch v := v.(type) {
	case map[string]any:
		member, ok := v[path[0]]
		if !ok {
			return nil, fmt.Errorf("no member %s", path[0])
		}
		return lookUp(member, path[1:])
	case []any:
		for _, row := range v {
			if found, err := lookUp(row, path[1:]); err == nil && path[0] == "#" {
				return found, nil
			}
		}
		return nil, fmt.Errorf("none of %d rows has %s", len(v), strings.Join(path[1:], "."))
	}
	text, _ := json.Marshal(v)
	return nil, fmt.Errorf("%s has no %s", text, path[0])
}

// parityDocuments are answers of redis.get by the name of the document in the
// lists: a busy master, its replica, a node of a cluster, the servers of other
// kinds and versions, and forks.
func parityDocuments(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	ask := func(name, addr string) {
		target, _ := metrictest.DialTarget(t, redisclient.Config{Address: addr})
		var text string
		// In its first moments a server has no reading of its allocator.
		require.Eventually(t, func() bool {
			var err error
			text, err = metrictest.CollectFrom(t, Get, target)
			return err == nil && (!strings.Contains(text, `"allocator_frag_bytes"`) || strings.Contains(text, `"allocator_frag_ratio"`))
		}, 20*time.Second, 20*time.Millisecond, name)
		require.Empty(t, metrictest.Decode(t, text)["unavailable"], name)
		out[name] = text
	}
	master := redistest.Start(t, redistest.Config{Args: []string{
		"--appendonly", "yes", "--repl-diskless-sync-delay", "0", "--slowlog-log-slower-than", "0",
		"--latency-monitor-threshold", "1", "--enable-debug-command", "yes",
	}})
	host, port, err := net.SplitHostPort(master.Addr)
	require.NoError(t, err)
	replica := redistest.Start(t, redistest.Config{Args: []string{"--replicaof", host + " " + port}})
	master.Do(t, "SET", "a", "1", "EX", "100")
	_, err = master.TryDo("LPUSH", "a", "1")
	require.ErrorContains(t, err, "WRONGTYPE")
	master.Do(t, "DEBUG", "SLEEP", "0.005")
	require.Eventually(t, func() bool {
		return replica.InfoField(t, "replication", "master_link_status") == "up" &&
			strings.Contains(master.InfoField(t, "replication", "slave0"), "state=online")
	}, 20*time.Second, 20*time.Millisecond)
	master.Do(t, "WAIT", "1", "5000") // until it has confirmed anything its lag is not known
	ask("master", master.Addr)
	ask("replica", replica.Addr)
	ask("cluster", redistest.Start(t, redistest.Config{Args: []string{"--cluster-enabled", "yes"}}).Addr)
	for _, f := range redistest.Flavours(t) {
		if f.Missing != "" {
			out[f.Name] = "missing: " + f.Missing
			continue
		}
		ask(f.Name, redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--appendonly", "yes"}}).Addr)
	}
	out["keydb"] = getDocument(forkText(t, "keydb-6.3"))
	out["dragonfly"] = getDocument(forkText(t, "dragonfly-1.38"))
	return out
}

// peers-12: what redis_exporter calls the last spike is when it was
// (exporter/exporter.go), which docs/exporters.md has to say too.
func TestTheTableOfExportersNamesTheFiguresOfSpikes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/exporters.md")
	require.NoError(t, err)
	found := 0
	for _, f := range parityList(t, "redis_exporter.txt") {
		if !strings.HasPrefix(f.name, "latency_spike_") {
			continue
		}
		found++
		require.Contains(t, string(text), "| `redis_"+f.name+"` | `redis.get` | `$."+strings.Replace(f.path, ".#", "[*]", 1)+"` |\n")
	}
	require.Equal(t, 2, found)
}
