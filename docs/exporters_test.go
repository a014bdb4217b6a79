package docs_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// exportersFile has a row for each metric of other exporters: its name, an item
// key or "none", and where it is in the answer or why there is none.
const exportersFile = "docs/exporters.md"

var exporterRow = regexp.MustCompile("(?m)^\\| `([^`]+)`[^|]* \\| (none|`[^`]+`) \\| (.*) \\|$")

// asInfoPrints ends the third column of fields that no server of the tests has.
var asInfoPrints = regexp.MustCompile("^`([a-z0-9_]+)`, as INFO prints it$")

// findExporters looks for the path of each row in a real answer to its item key.
func findExporters(t *testing.T, world *docsWorld) {
	_, err := world.redis.TryDo("NOSUCH") // for errorstats
	require.Error(t, err)
	f := &finder{world: world, servers: exporterServers(t, world), answers: map[string][]any{}}
	rows := exporterRow.FindAllStringSubmatch(readFile(t, exportersFile), -1)
	require.Greater(t, len(rows), 500)
	for _, row := range rows {
		metric, key, third := row[1], strings.Trim(row[2], "`"), row[3]
		where := at(t, exportersFile, row[0])
		if key == "none" {
			if len(third) < 10 {
				t.Errorf("%s: say why there is no item for %s", where, metric)
			}
			continue
		}
		requireKey(t, where, key)
		switch {
		case third == "the value itself":
			f.value(t, key)
		case asInfoPrints.MatchString(third):
			if field := asInfoPrints.FindStringSubmatch(third)[1]; f.printed(t, field) {
				t.Errorf("%s: %s is printed by a server of the tests: write its path", where, field)
			}
		case !strings.HasPrefix(third, "`$"):
			t.Errorf("%s: the third column has no JSONPath: %s", where, third)
		default:
			if path, _, _ := strings.Cut(third[1:], "`"); !f.found(t, key, path) {
				t.Errorf("%s: no answer to %s has %s", where, key, path)
			}
		}
	}
}

// exporterServers are the addresses of servers that between them print what the
// rows are about, the most common first.
func exporterServers(t *testing.T, world *docsWorld) []string {
	t.Helper()
	out := []string{"redis:6379", "replica:6379", "node:6379", "sentinel:26379", "search:6379"}
	for _, s := range []struct {
		name    string
		modules []string
	}{{"redis-8.6", nil}, {"valkey-9.1", nil}, {"redis-8.2", []string{"redisearch-2.10"}}} {
		flavour := redistest.Find(t, s.name)
		flavour.Need(t)
		args := []string{"--appendonly", "yes"}
		if s.modules != nil {
			args = append(args, redistest.Modules(t, s.modules...)...)
		}
		server := redistest.Start(t, redistest.Config{Bin: flavour.Bin, Args: args})
		if s.modules != nil {
			server.Do(t, "FT.CREATE", "products", "SCHEMA", "name", "TEXT", "SORTABLE")
			server.Do(t, "HSET", "p1", "name", "red shoes")
		}
		out = append(out, server.Addr)
	}
	return out
}

// finder asks each server for a key once.
type finder struct {
	world   *docsWorld
	servers []string
	answers map[string][]any // by item key, one for each server that answers
}

// databases are those of the world's server that have what a key names.
var databases = map[string]string{"queue:mails": "/10", "lock:nightly": "/10", "storm:job:*": "/10", "storm:jobs": "/10", "orders": "/9"}

func (f *finder) ask(t *testing.T, key string) []any {
	t.Helper()
	if all, ok := f.answers[key]; ok {
		return all
	}
	name, params, found := strings.Cut(strings.TrimSuffix(key, "]"), "[")
	list := strings.Split(params, ",")
	if !found {
		list = nil
	}
	f.answers[key] = []any{}
	for _, server := range f.servers {
		asked := name
		switch {
		case name == "redis.pool.get":
		case len(list) > 1:
			asked += "[tcp://" + server + databases[list[len(list)-1]] + "," + strings.Join(list[1:], ",") + "]"
		case name == "redis.keyspace.sample":
			asked += "[tcp://" + server + "/10]"
		default:
			asked += "[tcp://" + server + "]"
		}
		file := f.world.configure(t, "Plugins.RedisJobs.CustomCommands=1\n")
		_, out, _ := f.world.run(nil, "-t", asked, "-c", file)
		var v any
		if json.Unmarshal([]byte(out), &v) == nil {
			f.answers[key] = append(f.answers[key], v)
		}
	}
	return f.answers[key]
}

func (f *finder) found(t *testing.T, key, path string) bool {
	t.Helper()
	steps := pathSteps(path)
	require.NotEmpty(t, steps, path)
	return slices.ContainsFunc(f.ask(t, key), func(answer any) bool { return hasPath(answer, steps) })
}

// printed reports whether a server has the field in any section of INFO.
func (f *finder) printed(t *testing.T, field string) bool {
	t.Helper()
	return slices.ContainsFunc(f.ask(t, "redis.get"), func(answer any) bool {
		for section := range maps.Values(answer.(map[string]any)) {
			if fields, ok := section.(map[string]any); ok && fields[field] != nil {
				return true
			}
		}
		return false
	})
}

// value requires an answer that is no JSON document.
func (f *finder) value(t *testing.T, key string) {
	t.Helper()
	name, params, _ := strings.Cut(strings.TrimSuffix(key, "]"), "[")
	_, rest, _ := strings.Cut(params, ",")
	answer := f.world.answer(t, name+"[tcp://redis:6379/10,"+rest+"]")
	require.False(t, isDocument(answer), "%s: %s", key, answer)
}
