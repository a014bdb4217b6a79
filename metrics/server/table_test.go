package server

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/info"
	"redisjobs/redisclient"
)

var update = flag.Bool("update", false, "write the table of servers and figures in docs/servers.md")

// tableFigures are the columns of the table, each with where redis.get has it.
var tableFigures = []struct {
	name  string
	paths []string // one of these, in a master's answer or a replica's
}{
	{"keys", []string{"derived keys"}},
	{"memory", []string{"derived memory_used_percent"}},
	{"clients", []string{"derived clients_used_percent"}},
	{"hits", []string{"derived hit_ratio_since_start"}},
	{"last save", []string{"derived rdb_save_age"}},
	{"commands", []string{"commandstats calls"}},
	{"errors by kind", []string{"errorstats count"}},
	{"replicas in sync", []string{"derived replicas_online"}},
	{"lag, s", []string{"derived replica_lag_seconds_max"}},
	{"lag, bytes", []string{"derived replica_lag_bytes_max"}},
	{"lag, writes", []string{"derived replica_lag_writes_max"}},
	{"link to master", []string{"derived master_link_up"}},
}

// hasFigure looks for a member of a section, or of a row of a list.
func hasFigure(doc map[string]any, path string) bool {
	section, name, _ := strings.Cut(path, " ")
	switch member := doc[section].(type) {
	case map[string]any:
		_, ok := member[name]
		return ok
	case []any:
		return slices.ContainsFunc(member, func(row any) bool { _, ok := row.(map[string]any)[name]; return ok })
	}
	return false
}

// tableRow says of each figure how it is known: from servers that ran, from
// fixtures, or why not.
func tableRow(server, how string, docs []map[string]any) string {
	cells := []string{server}
	for _, f := range tableFigures {
		cell := ""
		for _, doc := range docs {
			if slices.ContainsFunc(f.paths, func(path string) bool { return hasFigure(doc, path) }) {
				cell = how
			}
		}
		if cell == "" {
			cell = whyUnknown(docs[0]["flavour"].(string), f.name, how)
		}
		cells = append(cells, cell)
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

// whyUnknown is the reason for a figure that none of a server's answers has.
func whyUnknown(flavour, figure, how string) string {
	x, err := info.Scan([]byte("# Server\n"+flavour+"_version:1\n"), nil, nil)
	if err != nil || flavour == "redis" {
		x, _ = info.Scan([]byte("# Server\nredis_version:1\n"), nil, nil)
	}
	means := info.Identify(&x).Means
	counts := map[info.Unit]string{info.UnitSeconds: "seconds", info.UnitBytes: "bytes", info.UnitWrites: "writes", info.UnitUnknown: "a unit of its own"}
	switch {
	case figure == "lag, s" && means.Lag != info.UnitSeconds:
		return "unknown: counts " + counts[means.Lag]
	case strings.HasPrefix(figure, "lag, ") && means.Offset == info.UnitUnknown:
		return "unknown: counts " + counts[means.Offset]
	case figure == "lag, writes" && means.Offset == info.UnitBytes:
		return "unknown: counts bytes"
	case figure == "lag, bytes" && means.Offset == info.UnitWrites:
		return "unknown: counts writes"
	}
	if how == "fixture" {
		return "unknown: not in the fixture"
	}
	return "unknown: not printed"
}

// runForTable runs a master and a replica of one kind and returns their answers.
func runForTable(t *testing.T, f redistest.Flavour) []map[string]any {
	t.Helper()
	master := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--repl-diskless-sync-delay", "0", "--maxmemory", "100mb"}})
	_, port, err := net.SplitHostPort(master.Addr)
	require.NoError(t, err)
	replica := redistest.Start(t, redistest.Config{Bin: f.Bin, Args: []string{"--replicaof", "127.0.0.1", port}})
	master.Do(t, "SET", "a", "1")
	master.Do(t, "GET", "a")
	_, err = master.TryDo("LPUSH", "a", "1")
	require.Error(t, err)
	require.Eventually(t, func() bool {
		text := master.Do(t, "INFO", "replication") // with what the replica has confirmed, once a second
		return strings.Contains(text, "state=online") && (strings.Contains(text, "lag=0") || strings.Contains(text, "lag=1"))
	}, 30*time.Second, 20*time.Millisecond)
	master.Do(t, "WAIT", "1", "5000")
	var docs []map[string]any
	for _, s := range []*redistest.Server{master, replica} {
		target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
		docs = append(docs, metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, target))))
	}
	return docs
}

// fixturesForTable are the answers for all fixtures, by flavour.
func fixturesForTable(t *testing.T) map[string][]map[string]any {
	t.Helper()
	out := map[string][]map[string]any{}
	add := func(text []byte) {
		doc := metrictest.Decode(t, getDocument(text))
		flavour := fmt.Sprint(doc["flavour"])
		out[flavour] = append(out[flavour], doc)
	}
	files, err := filepath.Glob("testdata/forks/*.info.txt")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		add(text)
	}
	for _, c := range fieldCases {
		add([]byte(c.text))
	}
	for _, real := range []string{"redis", "valkey", "<nil>"} { // those run
		delete(out, real)
	}
	return out
}

// TestTableOfServers makes the table of servers and figures in docs/servers.md,
// or compares it: what is real must be seen on a server that runs.
func TestTableOfServers(t *testing.T) {
	const file, begin, end = "../../docs/servers.md", "<!-- figures: TestTableOfServers -->\n", "<!-- /figures -->\n"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok, "%s has no %q", file, begin)
	table, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no %q", file, end)

	head := "| server |"
	for _, f := range tableFigures {
		head += " " + f.name + " |"
	}
	lines := []string{head, "|" + strings.Repeat("---|", len(tableFigures)+1)}
	rows := make([]string, len(redistest.Flavours(t)))
	t.Run("real", func(t *testing.T) {
		for i, f := range redistest.Flavours(t) {
			t.Run(f.Name, func(t *testing.T) {
				t.Parallel()
				if f.Missing != "" { // what the table says of it stands
					rows[i] = rowOf(table, f.Name)
				}
				f.Need(t)
				rows[i] = tableRow(f.Name, "real", runForTable(t, f))
			})
		}
	})
	if t.Failed() {
		return
	}
	lines = append(lines, rows...)
	fixtures := fixturesForTable(t)
	var names []string
	for name := range fixtures {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		lines = append(lines, tableRow(name, "fixture", fixtures[name]))
	}
	want := strings.Join(lines, "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(before+begin+want+end+after), 0o644))
		return
	}
	for _, line := range lines {
		require.True(t, strings.Contains(table, line+"\n"), "%s is stale: run go test ./metrics/server -run TestTableOfServers -update; it wants\n%s", file, line)
	}
	require.Len(t, strings.Split(table, "\n"), len(lines)+1, "%s has rows that nothing makes", file)
}

func rowOf(table, server string) string {
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "| "+server+" |") {
			return strings.TrimSuffix(line, "\n")
		}
	}
	return "| " + server + " | not run |"
}
