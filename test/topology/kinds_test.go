//go:build e2e && linux

package topology

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/agent"
	"redisjobs/test/driver"
)

// alone is one server of a kind, with known contents, and the plugin.
type alone struct {
	*redistest.Server
	f redistest.Flavour
	p *driver.Plugin
}

// since reports whether the server has what came with this version of Redis, and with every Valkey.
func (a *alone) since(major, minor int) bool {
	return a.f.Is("redis", major, minor) || a.f.Is("valkey", 0, 0)
}

func (a *alone) document(t testing.TB, key string, params ...string) map[string]any {
	t.Helper()
	doc := document(t, a.p, key, append([]string{a.Addr, "", ""}, params...)...)
	require.Equal(t, 1.0, doc["up"], doc)
	require.Equal(t, "", doc["error"], doc)
	return doc
}

func (a *alone) value(t testing.TB, key string, params ...string) string {
	t.Helper()
	return a.p.Value(t, key, append([]string{a.Addr, "", ""}, params...)...)
}

// TestEveryKindOfServer asks servers of all kinds and versions for everything, and compares it with what was put there
// and with what the server says itself.
func TestEveryKindOfServer(t *testing.T) {
	var names []string
	for _, f := range redistest.Flavours(t) {
		names = append(names, f.Name)
	}
	require.Greater(t, len(names), 6)
	eachOf(t, names, func(t *testing.T, f redistest.Flavour) {
		a := &alone{
			Server: redistest.Start(t, redistest.Config{Bin: f.Bin}),
			f:      f,
			p:      driver.Start(t, driver.Config{Options: []string{"CustomCommands=1"}}),
		}
		fill(t, a)
		for _, check := range []struct {
			name string
			run  func(*testing.T, *alone)
		}{
			{"status", checkStatus}, {"get", checkGet}, {"clients", checkClients}, {"keys", checkKeys}, {"stream", checkStream},
			{"command", checkCommand}, {"slow log", checkSlowlog}, {"latency", checkLatency}, {"command log", checkCommandlog}, {"no cluster", checkNoCluster},
			{"the documented rights", checkRights}, {"what is refused is not asked again", checkQuiet},
		} {
			t.Run(check.name, func(t *testing.T) { check.run(t, a) })
		}
	})
}

func fill(t testing.TB, a *alone) {
	t.Helper()
	for _, cmd := range []string{
		"SET k:string 0123456789", "RPUSH k:list a b c", "SADD k:set a b", "ZADD k:zset 1.5 a 2 b", "HSET k:hash f v",
		"XADD k:stream 1-1 f v", "XADD k:stream 2-1 f v", "XADD k:stream 3-1 f v", "XGROUP CREATE k:stream g 0",
		"XREADGROUP GROUP g w COUNT 2 STREAMS k:stream >", "XACK k:stream g 1-1", "EXPIRE k:string 1000", "GET k:string", "GET missing",
		"CLIENT SETNAME worker", "SELECT 7", "SET other v", "SELECT 0",
	} {
		a.Do(t, strings.Fields(cmd)...)
	}
	_, err := a.TryDo("LPUSH", "k:string", "x")
	require.ErrorContains(t, err, "WRONGTYPE")
}

func checkStatus(t *testing.T, a *alone) {
	doc := a.document(t, "redis.status")
	kind, version, _ := strings.Cut(a.f.Name, "-")
	require.Equal(t, kind, doc["flavour"])
	require.True(t, strings.HasPrefix(doc["version"].(string)+".", version+"."), doc["version"])
	if a.f.Version != "" {
		require.Equal(t, a.f.Version, doc["version"])
	}
	require.Equal(t, "master", doc["role"])
	require.Equal(t, "standalone", doc["mode"])
	require.Equal(t, 0.0, doc["loading"])
	require.Empty(t, doc["unavailable"])
}

// listed are the sections of INFO that become lists.
var listed = map[string]bool{
	"keyspace": true, "commandstats": true, "errorstats": true, "latencystats": true, "modules": true,
}

// taken are the names that a member of another meaning has.
var taken = map[string]string{"tls": "info_tls"}

// noReading are values that are left out: nothing was read.
var noReading = regexp.MustCompile(`^(-?nan|-?inf|N/A|none|)$`)

// checkGet wants every field of INFO in the document, whichever sections the server has.
func checkGet(t *testing.T, a *alone) {
	doc := a.document(t, "redis.get")
	require.Empty(t, doc["unavailable"])
	require.Empty(t, doc["truncated"])
	require.Equal(t, []any{"db0", "db7"}, []any{
		row(t, doc["keyspace"], "keys", 6.0)["db"], row(t, doc["keyspace"], "keys", 1.0)["db"],
	})
	require.Equal(t, 1.0, row(t, doc["keyspace"], "db", "db0")["expires"])
	require.Equal(t, 1.0, row(t, doc["commandstats"], "command", "hset")["calls"])
	stats := doc["stats"].(map[string]any)
	require.Equal(t, 1.0, stats["keyspace_misses"])
	require.Positive(t, doc["memory"].(map[string]any)["used_memory"])
	require.Equal(t, 10000.0, doc["config"].(map[string]any)["maxclients"])
	if a.since(6, 2) {
		require.Equal(t, 1.0, row(t, doc["errorstats"], "error", "WRONGTYPE")["count"])
	}
	if a.since(7, 0) {
		require.Positive(t, row(t, doc["latencystats"], "command", "hset")["p99"])
	}

	form := "everything"
	if a.f.Name == "redis-5.0" {
		form = "all"
	}
	section, fields := "", 0
	for line := range strings.Lines(a.Do(t, "INFO", form)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "# "); ok {
			section = strings.ReplaceAll(strings.ToLower(name), " ", "_")
			section = cmp.Or(taken[section], section)
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || listed[section] || noReading.MatchString(value) || strings.HasSuffix(name, "_human") {
			continue
		}
		inside, ok := doc[section].(map[string]any)
		require.True(t, ok, "no section %s in %v", section, doc)
		require.Contains(t, inside, name, "of %s", section)
		fields++
		if section != "persistence" && section != "cluster" { // the others move, or are texts
			continue
		}
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			require.Equal(t, number, inside[name], name)
		} else {
			require.Equal(t, value, inside[name], name)
		}
	}
	require.Greater(t, fields, 100)
	require.Equal(t, a.InfoField(t, "server", "run_id"), doc["server"].(map[string]any)["run_id"])
}

func checkClients(t *testing.T, a *alone) {
	if a.since(8, 0) {
		a.Do(t, "CLIENT", "SETINFO", "LIB-NAME", "redistest")
	}
	doc := a.document(t, "redis.clients.get")
	require.Empty(t, doc["unavailable"])
	require.Equal(t, 1.0, row(t, doc["by_name"], "name", "worker")["count"])
	require.Equal(t, 1.0, row(t, doc["by_name"], "name", "zabbix_redisjobs")["count"])
	require.Equal(t, 2.0, doc["total"])
	require.Equal(t, 2.0, row(t, doc["by_address"], "address", "127.0.0.0/24")["count"])
	require.Equal(t, 2.0, row(t, doc["by_db"], "db", 0.0)["count"])
	require.Len(t, doc["largest"], 2)
	if a.since(6, 2) {
		require.Equal(t, 2.0, row(t, doc["by_user"], "user", "default")["count"])
		require.Positive(t, doc["memory"])
	}
	if a.since(8, 0) {
		require.Equal(t, 1.0, row(t, doc["by_library"], "library", "redistest")["count"])
	}
}

func checkKeys(t *testing.T, a *alone) {
	for typ, length := range map[string]float64{"string": 10, "list": 3, "set": 2, "zset": 2, "hash": 1, "stream": 3} {
		key := "k:" + typ
		doc := a.document(t, "redis.key.get", key)
		require.Empty(t, doc["unavailable"], key)
		require.Equal(t, true, doc["exists"], key)
		require.Equal(t, typ, doc["type"])
		require.Equal(t, length, doc["length"], key)
		require.Positive(t, doc["memory"], key)
		require.Equal(t, a.Do(t, "OBJECT", "ENCODING", key), doc["encoding"])
		require.Equal(t, typ == "string", doc["expires"], key)
		require.Equal(t, fmt.Sprint(length), a.value(t, "redis.key.length", key))
	}
	ttl, err := strconv.ParseFloat(a.value(t, "redis.key.ttl", "k:string"), 64)
	require.NoError(t, err)
	require.InDelta(t, 1000, ttl, 120)
	require.Equal(t, "-1", a.value(t, "redis.key.ttl", "k:list"))
	require.Equal(t, "-2", a.value(t, "redis.key.ttl", "missing"))
	require.Equal(t, "0", a.value(t, "redis.key.length", "missing"))
	require.Equal(t, false, a.document(t, "redis.key.get", "missing")["exists"])
	for _, r := range [][]string{
		{"k:string", "", "0123456789"}, {"k:hash", "f", "v"}, {"k:zset", "a", "1.5"}, {"k:set", "b", "1"}, {"k:list", "-1", "c"},
	} {
		require.Equal(t, r[2], a.value(t, "redis.key.value", r[0], r[1]))
	}
	doc := a.document(t, "redis.keys.count", "k:*")
	require.Equal(t, 6.0, doc["count"])
	require.Equal(t, true, doc["complete"])
}

func checkStream(t *testing.T, a *alone) {
	doc := a.document(t, "redis.stream.get", "k:stream")
	require.Empty(t, doc["unavailable"])
	require.Equal(t, 3.0, doc["length"])
	g := row(t, doc["groups"], "name", "g")
	require.Equal(t, 1.0, g["pending"])
	require.Equal(t, 1.0, g["lag"])
	require.Equal(t, 2.0, g["backlog"])
	require.Equal(t, !a.since(7, 0), g["lag_counted"] == true, "servers before 7 do not tell the lag: %v", g)
	w := row(t, g["members"], "name", "w")
	require.Equal(t, 1.0, w["pending"])
	if a.since(7, 0) {
		require.Equal(t, 3.0, doc["entries_added"])
	}
}

// checkCommand has replies of every shape, which differ between RESP 2 and 3.
func checkCommand(t *testing.T, a *alone) {
	objectEncoding := []string{"OBJECT|ENCODING", "k:string"}
	if !a.since(7, 0) { // whose subcommands are no commands
		objectEncoding = []string{"OBJECT", "ENCODING", "k:string"}
	}
	for want, cmd := range map[string][]string{
		"0123456789":         {"GET", "k:string"},
		"3":                  {"LLEN", "k:list"},
		`["a","b","c"]`:      {"LRANGE", "k:list", "0", "-1"},
		"1.5":                {"ZSCORE", "k:zset", "a"},
		`["a","1.5"]`:        {"ZRANGE", "k:zset", "0", "0", "WITHSCORES"},
		`["f","v"]`:          {"HGETALL", "k:hash"},
		`[["3-1",["f","v"]]`: {"XRANGE", "k:stream", "3-1", "3-1"},
		"embstr":             objectEncoding,
	} {
		require.Contains(t, a.value(t, "redis.command", cmd...), want)
	}
	for _, cmd := range [][]string{{"SET", "k", "v"}, {"FLUSHALL"}, {"KEYS", "*"}, {"CONFIG|SET", "maxclients", "1"}, {"BLPOP", "k:list", "1"}, {"NOSUCH"}} {
		require.NotEmpty(t, a.p.Refused(t, "redis.command", append([]string{a.Addr, "", ""}, cmd...)...))
	}
	require.Equal(t, "3", a.Do(t, "LLEN", "k:list"))
}

func checkSlowlog(t *testing.T, a *alone) {
	doc := a.document(t, "redis.slowlog.get")
	require.Equal(t, true, doc["first"])
	a.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "0")
	for range 3 {
		a.Do(t, "HGET", "k:hash", "f")
	}
	a.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "-1")
	doc = a.document(t, "redis.slowlog.get")
	require.Empty(t, doc["unavailable"])
	require.Equal(t, false, doc["first"])
	require.Equal(t, false, doc["restarted"])
	require.Equal(t, 0.0, doc["missed"])
	require.Equal(t, 3.0, row(t, doc["commands"], "command", "hget")["count"])
	entry := row(t, doc["entries"], "command", "hget")
	require.Equal(t, "worker", entry["client_name"])
	require.Equal(t, 2.0, entry["arguments"])
	require.NotContains(t, entry, "args")
	require.Equal(t, 0.0, a.document(t, "redis.slowlog.get")["count"])
}

func checkLatency(t *testing.T, a *alone) {
	a.Do(t, "CONFIG", "SET", "latency-monitor-threshold", "1")
	a.Do(t, "EVAL", "local x = 0 for i = 1, 2000000 do x = x + i end return x", "0")
	a.Do(t, "CONFIG", "SET", "latency-monitor-threshold", "0")
	doc := a.document(t, "redis.latency.get")
	require.GreaterOrEqual(t, row(t, doc["events"], "event", "command")["max"], 0.001)
	if !a.since(7, 0) {
		require.Contains(t, doc["unavailable"], "commands")
		require.NotContains(t, doc, "commands")
		return
	}
	require.Empty(t, doc["unavailable"])
	eval := row(t, doc["commands"], "command", "eval")
	require.Equal(t, 1.0, eval["calls"])
	require.GreaterOrEqual(t, eval["p99"], 0.001)
}

// checkCommandlog: Valkey has one from 8.1 on.
func checkCommandlog(t *testing.T, a *alone) {
	if !a.f.Is("valkey", 8, 1) {
		require.NotContains(t, a.document(t, "redis.latency.get"), "commandlog")
		return
	}
	a.Do(t, "CONFIG", "SET", "commandlog-request-larger-than", "2000")
	a.Do(t, "CONFIG", "SET", "commandlog-reply-larger-than", "2000")
	a.Do(t, "ECHO", strings.Repeat("x", 3000))
	a.Do(t, "CONFIG", "SET", "commandlog-request-larger-than", "-1")
	a.Do(t, "CONFIG", "SET", "commandlog-reply-larger-than", "-1")
	log := a.document(t, "redis.latency.get")["commandlog"].(map[string]any)
	for _, kind := range []string{"large_request", "large_reply"} {
		entry := row(t, log[kind].(map[string]any)["entries"], "command", "echo")
		require.GreaterOrEqual(t, entry["bytes"], 3000.0, kind)
		require.Equal(t, "worker", entry["client_name"])
	}
}

func checkNoCluster(t *testing.T, a *alone) {
	require.Equal(t, 0.0, a.document(t, "redis.cluster.get")["cluster_enabled"])
	doc := document(t, a.p, "redis.sentinel.get", a.Addr)
	require.Equal(t, 0.0, doc["up"])
	require.Contains(t, doc["error"], "this is a server, not a sentinel")
}

// checkRights asks as the user that the plugin recommends: the server takes the rule, and refuses nothing.
func checkRights(t *testing.T, a *alone) {
	if !a.since(7, 0) {
		return // the rule says so: it cannot be read by older servers
	}
	text, err := exec.Command(agent.Plugin(t), "-acl").Output()
	require.NoError(t, err)
	asked := false // whether the rule that follows is for this server, as the comment before it says
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if strings.HasPrefix(line, "#") {
			asked = strings.Contains(line, "on Valkey 8.1") && a.f.Is("valkey", 8, 1)
		} else if i == 0 || asked {
			a.Do(t, strings.Fields(strings.Replace(line, ">PASSWORD", ">secret", 1))...)
		}
	}
	a.Do(t, "HSET", "storm:job:a", "status", "ACTIVE", "updated_at", fmt.Sprint(time.Now().Unix()))
	a.Do(t, "SADD", "storm:jobs", "a")
	a.Do(t, "ACL", "LOG", "RESET")
	ask := func(key string, params ...string) map[string]any {
		return document(t, a.p, key, append([]string{a.Addr, "secret", "zabbix"}, params...)...)
	}
	for _, doc := range []map[string]any{
		ask("redis.get"), ask("redis.status"), ask("redis.cluster.get"), ask("redis.slowlog.get"), ask("redis.latency.get"),
		ask("redis.clients.get"), ask("redis.keys.count", "storm:*"), ask("redis.key.get", "storm:job:a"),
		ask("storm.job.get", "a"), ask("storm.jobs.get"),
	} {
		require.Equal(t, 1.0, doc["up"], doc)
		require.Empty(t, doc["unavailable"], doc)
	}
	require.Equal(t, "1", a.p.Value(t, "storm.job.status", a.Addr, "secret", "zabbix", "a"))
	require.Equal(t, "1", a.p.Value(t, "redis.server.ping", a.Addr, "secret", "zabbix"))
	require.Equal(t, "10000", a.p.Value(t, "redis.server.config", a.Addr, "secret", "maxclients", "zabbix"))
	require.Empty(t, strings.TrimSpace(a.Do(t, "ACL", "LOG")))
}

// checkQuiet polls the figures of a server: all that it can refuse was refused before, and its counters of errors stand
// still.
func checkQuiet(t *testing.T, a *alone) {
	failures := func() string {
		if !a.since(6, 2) { // it counts no errors, but remembers what it was asked
			return fmt.Sprint(strings.Count(a.Do(t, "SLOWLOG", "GET", "1000"), "HISTOGRAM"), " questions that it does not know")
		}
		var lines []string
		for line := range strings.Lines(a.Do(t, "INFO", "errorstats") + "\n" + a.Do(t, "INFO", "commandstats")) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			_, failed, ok := strings.Cut(value, "rejected_calls=")
			if strings.HasPrefix(name, "errorstat_") {
				failed, ok = value, true
			}
			if ok {
				lines = append(lines, name+" "+failed)
			}
		}
		return strings.Join(lines, "\n")
	}
	a.Do(t, "CONFIG", "SET", "slowlog-max-len", "1000")
	a.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "0")
	// A poll before names the commands that will be in the statistics.
	poll := func() {
		for _, key := range []string{
			"redis.get", "redis.status", "redis.cluster.get", "redis.slowlog.get", "redis.latency.get", "redis.clients.get",
		} {
			document(t, a.p, key, a.Addr)
		}
		require.Equal(t, "1", a.p.Value(t, "redis.server.ping", a.Addr))
		a.document(t, "redis.key.get", "k:list")
		a.document(t, "redis.keys.count", "k:*")
		a.document(t, "redis.stream.get", "k:stream")
		require.True(t, json.Valid([]byte(a.value(t, "storm.jobs.get"))))
	}
	poll()
	before := failures()
	if a.since(6, 2) {
		require.Contains(t, before, "WRONGTYPE", "the test reads the counters")
	}
	for range 3 {
		poll()
	}
	require.Equal(t, before, failures())
	require.Contains(t, a.Do(t, "SLOWLOG", "GET", "1000"), "LATEST", "the test reads what was asked")
}
