package templates

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics"
	"redisjobs/metrics/storm"
	"redisjobs/plugin"
)

// answer is one recorded answer of the plugin.
type answer struct {
	name string
	text string // as the plugin sent it, on one line
	up   bool
}

// answers are the recorded answers, by the key that gave them.
func answers(t *testing.T) map[string][]answer {
	t.Helper()
	keys := []struct{ prefix, key string }{
		{"redis_get_", "redis.get"}, {"redis_pool", "redis.pool.get"},
		{"redis_cluster_", "redis.cluster.get"}, {"redis_sentinel_", "redis.sentinel.get"},
		{"jobs_", "job.get"}, {"storm_jobs", "storm.jobs.get"}, {"sessions", "redis.sessions.discovery"},
	}
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	out := map[string][]answer{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		var line bytes.Buffer
		require.NoError(t, json.Compact(&line, raw), file)
		a := answer{name: strings.TrimSuffix(filepath.Base(file), ".json"), text: line.String()}
		a.up = !strings.HasPrefix(a.text, `{"schema_version":1,"up":0`)
		for _, k := range keys {
			if strings.HasPrefix(a.name, k.prefix) {
				out[k.key] = append(out[k.key], a)
				break
			}
		}
	}
	require.Len(t, out, len(keys))
	return out
}

// root is the key, without parameters, of the item that asks the plugin.
func (d *document) root(t *testing.T, i *item) string {
	t.Helper()
	for depth := 0; itemType(i.Type) == "DEPENDENT"; depth++ {
		require.Less(t, depth, 3, "%s hangs on more than three items, or on itself", i.Key)
		master, ok := d.byKey[i.MasterItem.Key]
		require.True(t, ok, "%s: no master item %s", i.Key, i.MasterItem.Key)
		require.True(t, master.rule == nil || master.rule == i.rule, "%s: its master is of another rule", i.Key)
		i = master
	}
	name, _, err := plugin.ParseItemKey(i.Key)
	require.NoError(t, err)
	return name
}

// value is what a dependent item gets from an answer; row has the values of
// the rule's macros for a prototype.
func (d *document) value(i *item, text string, row map[string]string) outcome {
	if itemType(i.Type) != "DEPENDENT" {
		return outcome{value: text}
	}
	o := d.value(d.byKey[i.MasterItem.Key], text, row)
	if o.discarded || o.err != nil {
		return o
	}
	handled, steps := o.handled, i.Preprocessing
	if i.rule != nil {
		steps = expand(steps, row)
	}
	o = preprocess(steps, o.value)
	o.handled = o.handled || handled
	return o
}

// TestUUIDsStay: an import knows things by their uuid. A changed one loses
// history, one that is used again overwrites something else.
func TestUUIDsStay(t *testing.T) {
	t.Parallel()
	v4 := regexp.MustCompile(`^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$`)
	var got []string
	seen := map[string]string{}
	for _, d := range load(t) {
		add := func(uuid, kind, name string) {
			require.Regexp(t, v4, uuid, "%s %s", kind, name)
			require.Empty(t, seen[uuid], "%s %s has the uuid of another", kind, name)
			seen[uuid] = name
			got = append(got, fmt.Sprintf("%s %s: %s: %s", uuid, d.Name, kind, name))
		}
		proto := func(r *rule, kind string) string {
			if r != nil {
				return kind + " prototype"
			}
			return kind
		}
		add(d.UUID, "template", d.Name)
		for _, i := range d.items {
			add(i.UUID, proto(i.rule, "item"), i.Key)
		}
		for _, r := range d.Rules {
			add(r.UUID, "rule", r.Key)
			for _, g := range r.Graphs {
				add(g.UUID, "graph prototype", g.Name)
			}
		}
		for _, tr := range d.triggers {
			add(tr.UUID, proto(tr.rule, "trigger"), tr.Name)
		}
		for _, g := range d.export.Graphs {
			add(g.UUID, "graph", g.Name)
		}
		for _, b := range d.Dashboards {
			add(b.UUID, "dashboard", b.Name)
		}
		for _, m := range d.ValueMaps {
			add(m.UUID, "value map", m.Name)
		}
	}
	requireLines(t, uuidList, got)
}

// requireLines compares with a list that is kept in a file, in any order.
func requireLines(t *testing.T, file string, got []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	want := strings.Split(strings.TrimSpace(string(text)), "\n")
	var missing, extra []string
	for _, l := range got {
		if !slices.Contains(want, l) {
			missing = append(missing, l)
		}
	}
	for _, l := range want {
		if !slices.Contains(got, l) {
			extra = append(extra, l)
		}
	}
	require.True(t, len(missing)+len(extra) == 0, "%s lacks\n%s\nand has, without need,\n%s",
		file, strings.Join(missing, "\n"), strings.Join(extra, "\n"))
}

func TestKeysAreServedByThePlugin(t *testing.T) {
	t.Parallel()
	variants := map[bool]map[string]string{false: {}, true: {}}
	for _, d := range load(t) {
		owner := variants[d.active()]
		check := func(key string) {
			name, params, err := plugin.ParseItemKey(key)
			require.NoError(t, err, key)
			m, ok := metrics.Lookup(name)
			require.True(t, ok, "%s: the plugin has no key %s", d.file, name)
			_, err = m.ParseArgs(params)
			require.NoError(t, err, key)
			// A sentinel address has commas, a session's name may have anything.
			require.NotRegexp(t, `[\[,]\{`, key, "a macro in a key must stand in quotes")
		}
		for _, i := range d.items {
			switch itemType(i.Type) {
			case "ZABBIX_PASSIVE", "ZABBIX_ACTIVE":
				require.Equal(t, d.active(), i.Type == "ZABBIX_ACTIVE", i.Key)
				check(i.Key)
			case "DEPENDENT", "CALCULATED":
				name, _, err := plugin.ParseItemKey(i.Key)
				require.NoError(t, err, i.Key)
				require.True(t, strings.HasPrefix(name, "rj."), i.Key)
			default:
				require.Fail(t, "unknown type of item", "%s: %s", i.Key, i.Type)
			}
			require.Empty(t, owner[i.Key], "%s: two templates for one host must not share an item", i.Key)
			owner[i.Key] = d.Name
		}
		for _, r := range d.Rules {
			if asks(r.Type) {
				check(r.Key)
			}
			require.Empty(t, owner[r.Key], r.Key)
			owner[r.Key] = d.Name
		}
	}
}

// neverRecorded are items whose value takes more than a test can set up.
var neverRecorded = map[string]string{
	"rj.pool.targets.truncated": "takes more than a thousand targets",
	"rj.redis.memory.growth":    "takes polls over some minutes",
	"rj.redis.memory.full_in":   "takes polls over some minutes",
	"rj.jobs.truncated.queues":  "takes more than a thousand queues",

	`rj.sessions.failing["{#SESSION}"]`: "is told of servers that are down alone",

	`rj.jobs.queue.arrival["{#QUEUE}"]`: "takes a queue with counters of its own that is at work",
	`rj.jobs.queue.growth["{#QUEUE}"]`:  "takes polls over some time",
	`rj.jobs.queue.drain["{#QUEUE}"]`:   "takes a queue with counters of its own that is at work",
}

// TestPathsFindWhatThePluginSays runs every item over every recorded answer.
func TestPathsFindWhatThePluginSays(t *testing.T) {
	t.Parallel()
	recorded := answers(t)
	for _, d := range load(t) {
		for _, i := range d.items {
			if itemType(i.Type) != "DEPENDENT" {
				continue
			}
			found := false
			for _, a := range recorded[d.root(t, i)] {
				rows := []map[string]string{nil}
				if i.rule != nil {
					master := d.byKey[i.rule.MasterItem.Key]
					text := a.text
					if of := d.root(t, master); of != d.root(t, i) {
						text = recorded[of][0].text
					}
					rows, _ = i.rule.discovered(t, d.value(master, text, nil).value)
				}
				for _, row := range rows {
					o := d.value(i, a.text, row)
					require.NoError(t, o.err, "%s of %s in %s", i.Key, row, a.name)
					if o.discarded {
						continue
					}
					require.NoError(t, i.stored(o.value), "%s of %s in %s is %q", i.Key, row, a.name, o.value)
					found = found || a.up && !o.handled
				}
			}
			_, excused := neverRecorded[i.Key]
			require.NotEqual(t, excused, found, "%s: found in a recorded answer: %v", i.Key, found)
		}
	}
}

// TestPrototypesOutliveTheirRows: items stay when the row that made them is
// gone or the server is down; then they must have no value or a known one.
func TestPrototypesOutliveTheirRows(t *testing.T) {
	t.Parallel()
	recorded := answers(t)
	for _, d := range load(t) {
		for _, i := range d.items {
			if i.rule == nil || itemType(i.Type) != "DEPENDENT" {
				continue
			}
			row := map[string]string{}
			for _, p := range i.rule.MacroPaths {
				row[p.Macro] = "1"
			}
			for _, a := range recorded[d.root(t, i)] {
				o := d.value(i, a.text, row)
				require.NoError(t, o.err, "%s in %s", i.Key, a.name)
			}
		}
	}
}

// TestKnownValues pins figures whose unit or meaning is easily got wrong.
func TestKnownValues(t *testing.T) {
	t.Parallel()
	recorded := answers(t)
	docs := map[string]*document{}
	for _, d := range load(t) {
		docs[d.Name] = d
	}
	answerOf := func(name string) (string, map[string]any) {
		for _, list := range recorded {
			for _, a := range list {
				if a.name == name {
					var parsed map[string]any
					require.NoError(t, json.Unmarshal([]byte(a.text), &parsed))
					return a.text, parsed
				}
			}
		}
		require.Fail(t, "no answer "+name)
		return "", nil
	}
	get := func(tmpl, key, name string, row map[string]string) string {
		text, _ := answerOf(name)
		i := docs[tmpl].byKey[key]
		require.NotNil(t, i, key)
		o := docs[tmpl].value(i, text, row)
		require.NoError(t, o.err)
		if o.discarded {
			return "discarded"
		}
		return o.value
	}
	const redis, jobs = "Redis by RedisJobs", "Storm jobs by RedisJobs"
	_, master := answerOf("redis_get_master")
	section := func(name string) map[string]any { return master[name].(map[string]any) }

	require.Positive(t, section("stats")["latest_fork_usec"])
	require.Equal(t, fmt.Sprint(section("stats")["latest_fork_usec"].(float64)*0.000001), get(redis, "rj.redis.fork", "redis_get_master", nil))
	replica := section("replication")["replicas"].([]any)[0].(map[string]any)
	row := map[string]string{"{#IP}": replica["ip"].(string), "{#PORT}": fmt.Sprint(replica["port"])}
	own, theirs := section("replication")["master_repl_offset"].(float64), replica["offset"].(float64)
	require.Equal(t, fmt.Sprint(own-theirs), get(redis, `rj.redis.replica.lag_bytes["{#IP}:{#PORT}"]`, "redis_get_master", row))
	require.Equal(t, "1", get(redis, `rj.redis.replica.online["{#IP}:{#PORT}"]`, "redis_get_master", row))
	require.Equal(t, "0", get(redis, `rj.redis.replica.online["{#IP}:{#PORT}"]`, "redis_get_empty", row))
	require.Equal(t, "discarded", get(redis, `rj.redis.replica.online["{#IP}:{#PORT}"]`, "redis_get_down", row))

	single := map[string]string{"{#SINGLETON}": ""}
	require.Equal(t, "1", get(redis, "rj.redis.link.up[{#SINGLETON}]", "redis_get_replica", single))
	require.Equal(t, "0", get(redis, "rj.redis.link.up[{#SINGLETON}]", "redis_get_link_down", single))
	require.Equal(t, "discarded", get(redis, "rj.redis.link.idle[{#SINGLETON}]", "redis_get_link_down", single), "-1 is no time")

	used, err := strconv.ParseFloat(get(redis, "rj.redis.memory.pused", "redis_get_master", nil), 64)
	require.NoError(t, err)
	require.InDelta(t, 100*section("memory")["used_memory"].(float64)/(256<<20), used, 0.001)
	require.Equal(t, "discarded", get(redis, "rj.redis.slowlog.rate", "redis_get_empty", nil), "an empty log has no newest entry")
	require.Equal(t, "0", get(redis, `rj.redis.db.keys["{#DB}"]`, "redis_get_empty", map[string]string{"{#DB}": "db3"}))
	require.Equal(t, "discarded", get(redis, `rj.redis.db.keys["{#DB}"]`, "redis_get_down", map[string]string{"{#DB}": "db3"}))

	for job, want := range map[string]string{"wordcount": "1", "backup": "5", "stale": "8", "gone": "9", `it's "quoted"\`: "1", "broken": "discarded"} {
		require.Equal(t, want, get(jobs, `rj.storm.job.status["{#JOB}"]`, "storm_jobs", map[string]string{"{#JOB}": job}), job)
		require.Equal(t, "1", get(jobs, `rj.storm.job.present["{#JOB}"]`, "storm_jobs", map[string]string{"{#JOB}": job}), job)
	}
	topology := map[string]string{"{#JOB}": "orders"} // in a Storm UI
	require.Equal(t, "1", get(jobs, "rj.storm.up", "storm_jobs_ui", nil))
	require.Equal(t, "1", get(jobs, "rj.storm.jobs.active", "storm_jobs_ui", nil))
	require.Equal(t, "1", get(jobs, `rj.storm.job.status["{#JOB}"]`, "storm_jobs_ui", topology))
	require.Equal(t, "1795266310", get(jobs, `rj.storm.job.started["{#JOB}"]`, "storm_jobs_ui", topology))
	require.Equal(t, "discarded", get(jobs, `rj.storm.job.processed.rate["{#JOB}"]`, "storm_jobs_ui", topology), "storm.job.get tells it of one topology")
	removed := map[string]string{"{#JOB}": "removed"}
	require.Equal(t, "0", get(jobs, `rj.storm.job.present["{#JOB}"]`, "storm_jobs", removed))
	require.Equal(t, "discarded", get(jobs, `rj.storm.job.present["{#JOB}"]`, "storm_jobs_down", removed))
	require.Equal(t, "15", get(jobs, "rj.storm.truncated", "storm_jobs_truncated", nil))
	require.Equal(t, "1", get(jobs, "rj.storm.partial", "storm_jobs_partial", nil))
	require.Equal(t, "1", get("RedisJobs plugin health", "rj.pool.targets.failing", "redis_pool", nil))
}

// scriptUse finds the members that a script reads.
var scriptUse = regexp.MustCompile(`\b(?:d|r|JSON\.parse\(value\))(?:\.|\[")(\w+|\{#\w+\})(?:\.(\w+))?`)

// wanted are the members of an item's or rule's answer that its steps read,
// with # for rows. A text of JSON wants all that is below.
func (d *document) wanted(steps []step, prefix string) (out []string, rest string) {
	for _, s := range steps {
		switch s.Type {
		case "JSONPATH":
			p := regexp.MustCompile(`\[\?\([^)]*\)\]`).ReplaceAllString(s.Parameters[0], ".#")
			p = regexp.MustCompile(`\.(first|length|sum)\(\)$`).ReplaceAllString(p, "")
			for _, m := range regexp.MustCompile(`@\.(\w+)`).FindAllStringSubmatch(s.Parameters[0], -1) {
				before, _, _ := strings.Cut(s.Parameters[0], "[?(")
				out = append(out, prefix+strings.TrimPrefix(before, "$")+".#."+m[1])
			}
			prefix += strings.TrimPrefix(p, "$")
		case "JAVASCRIPT":
			if s.Parameters[0] == wordsScript {
				continue // which leaves nothing out
			}
			before := prefix
			if strings.Contains(s.Parameters[0], "function (r)") {
				before += ".#"
			}
			if strings.Contains(s.Parameters[0], "value ===") {
				out = append(out, before)
			}
			for _, m := range scriptUse.FindAllStringSubmatch(s.Parameters[0], -1) {
				member := before + "." + m[1]
				if m[2] != "" && m[1] != "map" {
					member += "." + m[2]
				}
				out = append(out, member)
			}
			return out, "" // what follows reads the script's own words
		}
	}
	return append(out, prefix), prefix
}

// TestEveryFigureIsUsedOrIgnoredOnPurpose: what a server tells and no item
// wants stands in testdata/ignored.txt, so that nothing is forgotten.
func TestEveryFigureIsUsedOrIgnoredOnPurpose(t *testing.T) {
	t.Parallel()
	used := map[string]map[string]bool{} // root key -> path -> whole subtree
	for _, d := range load(t) {
		prefixes := map[string]string{}
		for _, i := range d.items {
			if itemType(i.Type) != "DEPENDENT" {
				continue
			}
			root := d.root(t, i)
			paths, rest := d.wanted(i.Preprocessing, prefixes[i.MasterItem.Key])
			prefixes[i.Key] = rest
			if used[root] == nil {
				used[root] = map[string]bool{}
			}
			for _, p := range paths {
				whole := i.valueType() == "TEXT" && p == rest && i.History != "0"
				used[root][p] = used[root][p] || whole
			}
		}
		for _, r := range d.Rules {
			if itemType(r.Type) == "DEPENDENT" {
				paths, _ := d.wanted(r.Preprocessing, "")
				for _, p := range paths {
					used[d.root(t, d.byKey[r.MasterItem.Key])][p] = false
				}
			}
		}
	}
	text, err := os.ReadFile("testdata/ignored.txt")
	require.NoError(t, err)
	ignored := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			ignored[line] = false
		}
	}
	var unknown []string
	for key, list := range answers(t) {
		if used[key] == nil {
			continue // a rule of its own
		}
		for _, a := range list {
			var parsed any
			require.NoError(t, json.Unmarshal([]byte(a.text), &parsed))
			for _, leaf := range leaves("", parsed) {
				require.NotContains(t, leaf, "=null", "%s has a null", a.name)
				if isUsed(used[key], leaf) {
					continue
				}
				hit := false
				for pattern := range ignored {
					if ok, err := path.Match(pattern, key+" "+leaf); ok {
						ignored[pattern], hit = true, true
					} else {
						require.NoError(t, err, pattern)
					}
				}
				if line := key + " " + leaf; !hit && !slices.Contains(unknown, line) {
					unknown = append(unknown, line)
				}
			}
		}
	}
	slices.Sort(unknown)
	require.Empty(t, unknown, "no item wants these, and testdata/ignored.txt does not name them:\n%s", strings.Join(unknown, "\n"))
	for pattern, hit := range ignored {
		require.True(t, hit, "testdata/ignored.txt: nothing is like %q, or an item wants it", pattern)
	}
}

func isUsed(used map[string]bool, leaf string) bool {
	for p, whole := range used {
		if p == leaf || whole && strings.HasPrefix(leaf, p+".") {
			return true
		}
	}
	return false
}

// leaves lists the paths to all single values; rows are #. What is empty has none.
func leaves(prefix string, v any) []string {
	switch v := v.(type) {
	case nil:
		return []string{prefix + "=null"}
	case map[string]any:
		var out []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			out = append(out, leaves(prefix+"."+name, v[name])...)
		}
		return out
	case []any:
		var out []string
		for _, row := range v {
			out = append(out, leaves(prefix+".#", row)...)
		}
		return out
	}
	return []string{prefix}
}

func TestDiscoveryRules(t *testing.T) {
	t.Parallel()
	for _, d := range load(t) {
		for _, i := range d.items {
			for _, s := range i.Preprocessing {
				require.NotContains(t, fmt.Sprint(s.Parameters), "'{#", "%s: a macro in single quotes breaks on names such as it's", i.Key)
			}
		}
		for _, r := range d.Rules {
			require.True(t, strings.HasSuffix(r.Name, "discovery"), r.Name)
			require.Equal(t, "7d", r.Lifetime, r.Name)
			require.NotEmpty(t, r.Description, r.Name)
			last := r.Preprocessing[len(r.Preprocessing)-1]
			require.Equal(t, "DISCARD_UNCHANGED_HEARTBEAT", last.Type, "%s: rows must be reduced, then throttled", r.Name)
			macros := map[string]bool{}
			if itemType(r.Type) == "DEPENDENT" {
				require.Equal(t, "0", r.Delay, r.Name)
				require.NotNil(t, d.byKey[r.MasterItem.Key], "%s: no master item", r.Name)
				require.Equal(t, "JAVASCRIPT", r.Preprocessing[len(r.Preprocessing)-2].Type, r.Name)
				require.NotEmpty(t, r.MacroPaths, r.Name)
			} else {
				for _, m := range regexp.MustCompile(`\{#\w+\}`).FindAllString(answers(t)[r.Key][0].text, -1) {
					macros[m] = true
				}
			}
			for _, p := range r.MacroPaths {
				macros[p.Macro] = true
			}
			if !macros["{#SINGLETON}"] {
				require.NotEmpty(t, r.Filter.Conditions, r.Name)
			}
			for k, c := range r.Filter.Conditions {
				require.True(t, macros[c.Macro], r.Name)
				require.Equal(t, string(rune('A'+k)), c.FormulaID)
				if k%2 == 0 {
					require.Empty(t, c.Operator)
					require.Regexp(t, `^\{\$[A-Z.]+\.LLD\.FILTER\.[A-Z]+\.MATCHES\}$`, c.Value)
					continue
				}
				require.Equal(t, "NOT_MATCHES_REGEX", c.Operator)
				require.Equal(t, strings.Replace(r.Filter.Conditions[k-1].Value, ".MATCHES}", ".NOT_MATCHES}", 1), c.Value)
			}
			require.NotEmpty(t, r.Items, r.Name)
			entity := ""
			for _, i := range r.Items {
				own := regexp.MustCompile(`\{#\w+\}`).FindAllString(i.Key, -1)
				require.NotEmpty(t, own, i.Key)
				for _, m := range regexp.MustCompile(`\{#\w+\}`).FindAllString(fmt.Sprintf("%+v", *i), -1) {
					require.True(t, macros[m], "%s uses %s, which its rule does not make", i.Key, m)
				}
				before, _, ok := strings.Cut(i.Name, ": ")
				require.True(t, ok, i.Name)
				require.True(t, entity == "" || entity == before, "%s: the entity comes first", i.Name)
				entity = before
			}
			for _, tr := range r.Triggers {
				require.Contains(t, tr.Expression, "{#", tr.Name)
			}
		}
	}
}

// scopes and components are the vocabulary of tags.
var (
	scopes     = []string{"availability", "performance", "capacity", "security", "notice"}
	components = []string{"raw", "availability", "server", "latency", "replication", "connections", "memory", "persistence",
		"throughput", "errors", "cpu", "keyspace", "commands", "tls", "job", "pool", "target", "process", "session",
		"cluster", "shard", "node", "sentinel", "system", "queue", "worker"}
	severities = []string{"DISASTER", "INFO", "WARNING", "AVERAGE", "HIGH"}
)

func tagValue(tags []tag, name string) string {
	for _, tg := range tags {
		if tg.Tag == name {
			return tg.Value
		}
	}
	return ""
}

// dimensionless are numbers that need neither a unit nor a value map.
var dimensionless = regexp.MustCompile(`^rj\.(sessions\.(configured|down)|redis\.(keys|clients\.(connected|blocked|max)|connections\.rejected|memory\.frag\.ratio|rdb\.changes|slowlog\.length|replicas|db\.(keys|expires))|` +
	`cluster\.(slots\.\w+|nodes|size|epoch|failing|alone|views|moving|skew\.\w+|keys|shard\.(slots|keys)|node\.(seen_failing|clients|keys))|` +
	`sentinel\.(count|unanswered|tilt|disagreements|masters(\.down)?|master\.(quorum|usable|known|replicas|epoch))|` +
	`jobs\.(count|waiting|active|failed|workers|abandoned|stuck|truncated\.queues|system\.(waiting|active|scheduled|overdue|retry|failed|alive|dead|busy|slots|orphaned)|queue\.(waiting|active|failed))|` +
	`storm\.(count|jobs\.\w+|truncated|job\.lag)|pool\.(open|idle|in_use|dialing|waiting|limit|targets(\.failing|\.truncated)?|goroutines))(\[|$)`)

func TestItems(t *testing.T) {
	t.Parallel()
	kept := regexp.MustCompile(`^(7|31)d$`)
	for _, d := range load(t) {
		names := map[string]bool{}
		for _, i := range d.items {
			require.False(t, names[i.Name], "two items are called %s", i.Name)
			names[i.Name] = true
			require.NotRegexp(t, `\{HOST\.|\{ITEM\.`, i.Name)
			require.Greater(t, len(i.Description), 10, i.Key)
			require.NotEqual(t, i.Name, i.Description)
			component := tagValue(i.Tags, "component")
			require.Contains(t, components, component, i.Key)
			if i.ValueMap.Name != "" {
				require.True(t, slices.ContainsFunc(d.ValueMaps, func(m valueMap) bool { return m.Name == i.ValueMap.Name }), i.Key)
			}
			if itemType(i.Type) == "DEPENDENT" {
				require.Equal(t, "0", i.Delay, i.Key)
				require.NotEmpty(t, i.Preprocessing, i.Key)
			} else {
				require.Equal(t, "1m", d.macroValue(i.Delay), i.Key)
			}
			text := i.valueType() == "TEXT" || i.valueType() == "CHAR"
			require.True(t, text || i.valueType() == "UNSIGNED" || i.valueType() == "FLOAT", i.Key)
			if component == "raw" {
				require.Equal(t, "0", i.History, i.Key)
				require.Equal(t, "TEXT", i.valueType(), i.Key)
			} else {
				require.Regexp(t, kept, i.History, i.Key)
			}
			switch {
			case text, i.ValueMap.Name != "":
				require.Equal(t, "0", i.Trends, i.Key)
				require.Empty(t, i.Units, i.Key)
			default:
				require.Equal(t, "365d", i.Trends, i.Key)
				require.NotEqual(t, i.Units == "", !dimensionless.MatchString(i.Key), "%s: unit %q", i.Key, i.Units)
			}
			for _, s := range i.Preprocessing {
				require.Contains(t, []string{"", "DISCARD_VALUE", "CUSTOM_VALUE"}, s.Handler, i.Key)
				if s.Type == "JAVASCRIPT" || s.Type == "DISCARD_UNCHANGED_HEARTBEAT" {
					require.Empty(t, s.Handler, "%s: Zabbix 6.0 has no handler for %s", i.Key, s.Type)
				}
			}
			require.LessOrEqual(t, heartbeat(i.Preprocessing).Hours(), 1.0, i.Key)
			if kinds := stepKinds(i.Preprocessing); slices.Contains(kinds, "CHANGE_PER_SECOND") {
				require.Equal(t, "FLOAT", i.valueType(), i.Key)
				require.Zero(t, heartbeat(i.Preprocessing), i.Key)
			}
		}
	}
}

func stepKinds(steps []step) []string {
	var out []string
	for _, s := range steps {
		out = append(out, s.Type)
	}
	return out
}

func TestTemplatesAndFormat(t *testing.T) {
	t.Parallel()
	known := map[string]string{
		"Templates/Databases":    "748ad4d098d447d492bb935c907f652f",
		"Templates/Applications": "a571c0d144b14fd4a87a9d9b2aa9fcd6",
	}
	for _, d := range load(t) {
		require.Equal(t, "6.0", d.Version)
		require.Len(t, d.export.Groups, 1)
		require.Equal(t, known[d.export.Groups[0].Name], d.export.Groups[0].UUID)
		require.Equal(t, d.export.Groups[0].Name, d.template.Groups[0].Name)
		require.Equal(t, d.Template, d.Name)
		require.NotEmpty(t, d.Description)
		require.NotEmpty(t, tagValue(d.template.Tags, "class"))
		require.NotEmpty(t, tagValue(d.template.Tags, "target"))
		file := strings.NewReplacer(" ", "_").Replace(strings.ToLower(d.Name)) + ".yaml"
		require.Equal(t, file, filepath.Base(d.file))
	}
}

func TestMacros(t *testing.T) {
	t.Parallel()
	secret := regexp.MustCompile(`PASS|SECRET|TOKEN`)
	for _, d := range load(t) {
		var body []string
		for _, part := range []any{d.items, d.Rules, d.triggers} {
			text, err := json.Marshal(part)
			require.NoError(t, err)
			body = append(body, strings.ReplaceAll(string(text), `\"`, `"`))
		}
		used := macrosOf(strings.Join(body, "\n"))
		var defined []string
		for _, m := range d.Macros {
			require.Regexp(t, `^\{\$[A-Z_]+(\.[A-Z_]+)+(:"[a-z]+")?\}$`, m.Macro)
			require.NotContains(t, defined, m.Macro)
			if name, _, ok := strings.Cut(m.Macro, ":"); ok {
				require.Contains(t, strings.Join(body, "\n"), m.Macro, "no expression has this context")
				require.NotEmpty(t, d.macroValue(name+"}"), m.Macro)
			} else {
				defined = append(defined, m.Macro)
			}
			require.NotEmpty(t, m.Description, m.Macro)
			require.Equal(t, secret.MatchString(m.Macro), m.Type == "SECRET_TEXT", m.Macro)
			if m.Type == "SECRET_TEXT" {
				require.Nil(t, m.Value, "%s: a secret has no value in a template", m.Macro)
				continue
			}
			require.NotNil(t, m.Value, m.Macro)
			switch {
			case strings.HasSuffix(m.Macro, "MATCHES}"):
				_, err := regexp.Compile(*m.Value)
				require.NoError(t, err, m.Macro)
			case strings.HasSuffix(m.Macro, ".CONN}"):
			default:
				_, ok := number(*m.Value)
				require.True(t, ok, "%s: %q is no number", m.Macro, *m.Value)
			}
			if strings.Contains(m.Macro, ":") {
				continue
			}
			context := strings.Contains(strings.Join(body, "\n"), strings.TrimSuffix(m.Macro, "}")+`:"`)
			require.Equal(t, context, strings.Contains(m.Description, "Context: "), "%s: its description must name the context, if it has one", m.Macro)
		}
		slices.Sort(defined)
		require.Equal(t, defined, used, d.file)
	}
}

func TestStormValueMapIsTheCodesOwn(t *testing.T) {
	t.Parallel()
	for _, d := range load(t) {
		for _, m := range d.ValueMaps {
			if m.Name != "Storm job status" {
				continue
			}
			got := map[string]string{}
			for _, row := range m.Mappings {
				if row.Type == "" {
					got[row.Value] = row.NewValue
				}
			}
			want := map[string]string{}
			for _, s := range storm.Statuses() {
				want[strconv.Itoa(int(s))] = s.String()
			}
			require.Equal(t, want, got)
			return
		}
	}
	require.Fail(t, "no value map of Storm's statuses")
}

// TestValueMapsAreUsed also keeps them from naming a value twice.
func TestValueMapsAreUsed(t *testing.T) {
	t.Parallel()
	for _, d := range load(t) {
		for _, m := range d.ValueMaps {
			require.True(t, slices.ContainsFunc(d.items, func(i *item) bool { return i.ValueMap.Name == m.Name }), m.Name)
			seen := map[string]bool{}
			for _, row := range m.Mappings {
				require.False(t, seen[row.Type+row.Value], m.Name)
				seen[row.Type+row.Value] = true
				require.NotEmpty(t, row.NewValue, m.Name)
			}
		}
	}
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}
