package templates

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics"
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
		{"redis_advice_", "redis.advice.get"}, {"redis_config_", "redis.config.get"}, {"redis_acllog_", "redis.acl.log.get"},
		{"redis_slowlog_", "redis.slowlog.get"}, {"redis_pubsub_", "redis.pubsub.get"},
		{"redis_hot_", "redis.hot.get"}, {"redis_latency_", "redis.latency.get"},
		{"redis_group_", "redis.group.get"}, {"redis_cluster_", "redis.cluster.get"}, {"redis_sentinel_", "redis.sentinel.get"},
		{"keys_", "redis.keys.discovery"}, {"streams_", "redis.streams.get"},
		{"jobs_", "job.get"}, {"failures_", "job.failures.get"}, {"storm_jobs", "storm.jobs.get"}, {"sessions", "redis.sessions.discovery"}, {"instances", "redis.instances.discovery"},
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
	for _, k := range keys {
		says(t, len(out[k.key]) > 0, fmt.Sprintf("%stestdata has no answer of %s (%s*.json): record answers with -record", folder, k.key, k.prefix))
	}
	return out
}

// root is the key, without parameters, of the item that asks the plugin.
func (d *document) root(t *testing.T, i *item) string {
	t.Helper()
	for depth := 0; i.Type == "DEPENDENT"; depth++ {
		master, ok := d.byKey[i.MasterItem.Key]
		if !d.must(t, depth < 3, i.Key, "depends on more than three items, or on itself") ||
			!d.must(t, ok, i.Key, "there is no master item %s", i.MasterItem.Key) {
			t.FailNow()
		}
		d.must(t, master.rule == nil || master.rule == i.rule, i.Key, "its master item is of another rule")
		i = master
	}
	name, _, err := plugin.ParseItemKey(i.Key)
	require.NoError(t, err)
	return name
}

// value is what a dependent item gets from an answer; row has the values of
// the rule's macros for a prototype.
func (d *document) value(i *item, text string, row map[string]string) outcome {
	if i.Type != "DEPENDENT" {
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
	for _, d := range loadAll(t) {
		add := func(uuid, kind, name string) {
			says(t, v4.MatchString(uuid), fmt.Sprintf("%s%s: the %s %q needs a uuid of version 4, not %q", folder, uuidList, kind, name, uuid))
			line := fmt.Sprintf("%s %s: %s: %s", uuid, d.Name, kind, name)
			if seen[uuid] == line {
				return // the same in another format
			}
			says(t, seen[uuid] == "", fmt.Sprintf("%s%s: the %s %q has the uuid of %q: delete its line and run make generate", folder, uuidList, kind, name, seen[uuid]))
			seen[uuid] = line
			got = append(got, line)
		}
		proto := func(r *rule, kind string) string {
			if r != nil {
				return kind + " prototype"
			}
			return kind
		}
		for _, g := range append(d.HostGroups, d.export.Groups...) {
			if line := g.UUID + " host group: " + g.Name; !strings.HasPrefix(g.Name, "Templates/") && !slices.Contains(got, line) {
				got = append(got, line)
			}
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
			for _, h := range r.Hosts {
				add(h.UUID, "host prototype", h.Host)
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
	requireLines(t, uuidList, got, "run make generate")
}

func TestKeysAreServedByThePlugin(t *testing.T) {
	t.Parallel()
	variants := map[bool]map[string]string{false: {}, true: {}}
	for _, d := range load(t) {
		owner := variants[d.active()]
		check := func(key string) {
			name, params, err := plugin.ParseItemKey(key)
			if !d.must(t, err == nil, key, "%v", err) {
				return
			}
			for i, p := range params {
				if strings.HasSuffix(p, ".SILENCED}") || strings.HasSuffix(p, ".IDLE}") || strings.HasSuffix(p, ".BUDGET}") ||
					strings.HasSuffix(p, ".SESSIONS}") {
					params[i] = d.macroValue(p) // names that the key knows, a time, a number
				}
			}
			m, ok := metrics.Lookup(name)
			if !d.must(t, ok, key, "the plugin has no key %s", name) {
				return
			}
			_, err = m.ParseArgs(params)
			d.must(t, err == nil, key, "%v", err)
			// A sentinel address has commas, a session's name may have anything.
			d.must(t, !regexp.MustCompile(`[\[,]\{`).MatchString(key), key, "a macro in a key must stand in quotes")
		}
		for _, i := range d.items {
			switch i.Type {
			case "ZABBIX_PASSIVE", "ZABBIX_ACTIVE":
				d.must(t, d.active() == (i.Type == "ZABBIX_ACTIVE"), i.Key, "the variant needs another type than %q", i.Type)
				check(i.Key)
			case "DEPENDENT", "CALCULATED":
				name, _, err := plugin.ParseItemKey(i.Key)
				d.must(t, err == nil && strings.HasPrefix(name, "rj."), i.Key, "the key of a dependent or calculated item must begin with rj.")
			default:
				d.must(t, false, i.Key, "unknown type of item: %s", i.Type)
			}
			d.must(t, owner[i.Key] == "", i.Key, "the template %q has this key, too: one host can have both", owner[i.Key])
			owner[i.Key] = d.Name
		}
		for _, r := range d.Rules {
			if asks(r.Type) {
				check(r.Key)
			}
			d.must(t, owner[r.Key] == "", r.Key, "the template %q has this key, too: one host can have both", owner[r.Key])
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
	"rj.keys.truncated":         "takes more than a thousand keys",
	"rj.keys.streams.truncated": "takes more than two hundred streams",

	"rj.cluster.skew.ops":              "takes polls half a minute apart",
	"rj.cluster.ops":                   "takes polls half a minute apart",
	`rj.cluster.shard.ops["{#SHARD}"]`: "takes polls half a minute apart",
	`rj.cluster.node.ops["{#NODE}"]`:   "takes polls half a minute apart",

	"rj.redis.loading.percent":          "is reported for servers that are down only",
	"rj.redis.loading.left":             "is reported for servers that are down only",
	`rj.sessions.failing["{#SESSION}"]`: "is reported for servers that are down only",

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
			if i.Type != "DEPENDENT" {
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
					if !d.must(t, o.err == nil, i.Key, "with the answer testdata/%s.json: %v", a.name, o.err) || o.discarded {
						continue
					}
					err := i.stored(o.value)
					d.must(t, err == nil, i.Key, "with the answer testdata/%s.json it is %q: %v", a.name, o.value, err)
					found = found || a.up && !o.handled
				}
			}
			_, excused := neverRecorded[i.Key]
			d.must(t, found || excused, i.Key,
				"no answer in testdata has it: check its path, record answers (go test ./packaging/templates -run TestRecord -record), or excuse it in neverRecorded (contract_test.go)")
			d.must(t, !found || !excused, i.Key, "an answer in testdata has it: remove it from neverRecorded (contract_test.go)")
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
			if i.rule == nil || i.Type != "DEPENDENT" {
				continue
			}
			row := map[string]string{}
			for _, p := range i.rule.MacroPaths {
				row[p.Macro] = "1"
			}
			for _, a := range recorded[d.root(t, i)] {
				o := d.value(i, a.text, row)
				d.must(t, o.err == nil, i.Key, "of a row that is gone, with the answer testdata/%s.json: %v", a.name, o.err)
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
		if !docs[tmpl].must(t, i != nil, key, "TestKnownValues needs this item") {
			t.FailNow()
		}
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
