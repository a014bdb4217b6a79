package templates

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/storm"
)

func TestDiscoveryRules(t *testing.T) {
	t.Parallel()
	for _, d := range load(t) {
		for _, i := range d.items {
			for _, s := range i.Preprocessing {
				d.must(t, !strings.Contains(fmt.Sprint(s.Parameters), "'{#"), i.Key, "a macro in single quotes breaks on names such as it's")
			}
		}
		for _, r := range d.Rules {
			d.checkRule(t, r)
		}
	}
}

// checkRule holds a rule of discovery to what all have in common.
func (d *document) checkRule(t *testing.T, r *rule) {
	t.Helper()
	must := func(well bool, format string, args ...any) { d.must(t, well, "rule "+r.Name, format, args...) }
	must(strings.HasSuffix(r.Name, "discovery"), "its name must end with discovery")
	lifetime := r.Lifetime
	if len(r.Hosts) > 0 {
		lifetime = d.macroValue(lifetime) // who has many hosts decides
	}
	must(lifetime == "7d", "its lifetime must be 7d, not %s", r.Lifetime)
	must(r.Description != "", "it needs a description")
	kinds := stepKinds(r.Preprocessing)
	last := len(kinds) - 1
	if last > 0 && kinds[last] == "JAVASCRIPT" && singletonScript.MatchString(r.Preprocessing[last].Parameters[0]) {
		kinds[last], kinds[last-1] = kinds[last-1], kinds[last] // it makes one row of one value: which is the same
	}
	must(kinds[last] == "DISCARD_UNCHANGED_HEARTBEAT", "its rows must be reduced, then throttled")
	macros := map[string]bool{}
	if r.Type == "DEPENDENT" {
		must(r.Delay == "0", "it is dependent and must have no interval")
		must(d.byKey[r.MasterItem.Key] != nil, "there is no master item %s", r.MasterItem.Key)
		must(len(kinds) > 1 && kinds[len(kinds)-2] == "JAVASCRIPT", "a script must reduce its rows")
		must(len(r.MacroPaths) > 0, "it makes no macros")
	} else {
		for _, m := range lldMacro.FindAllString(answers(t)[r.Key][0].text, -1) {
			macros[m] = true
		}
	}
	for _, p := range r.MacroPaths {
		macros[p.Macro] = true
	}
	must(macros["{#SINGLETON}"] || len(r.Filter.Conditions) > 0, "it needs a filter")
	for k, c := range r.Filter.Conditions {
		must(macros[c.Macro], "its filter uses %s, which it does not make", c.Macro)
		must(d.format == "7.4" || c.FormulaID == string(rune('A'+k)), "the conditions of its filter are A, B and so on, not %s", c.FormulaID)
		if k%2 == 0 {
			must(c.Operator == "" && filterMacro.MatchString(c.Value), "condition %s of its filter must match a macro {$....LLD.FILTER.....MATCHES}", c.FormulaID)
			continue
		}
		not := strings.Replace(r.Filter.Conditions[k-1].Value, ".MATCHES}", ".NOT_MATCHES}", 1)
		must(c.Operator == "NOT_MATCHES_REGEX" && c.Value == not, "condition %s of its filter must be that it does not match %s", c.FormulaID, not)
	}
	must(len(r.Items)+len(r.Hosts) > 0, "it has neither item prototypes nor host prototypes")
	entity := ""
	for _, i := range r.Items {
		d.must(t, lldMacro.MatchString(i.Key), i.Key, "the key of an item prototype needs a macro of its rule")
		for _, m := range lldMacro.FindAllString(fmt.Sprintf("%+v", *i), -1) {
			d.must(t, macros[m], i.Key, "uses %s, which its rule does not make", m)
		}
		before, _, ok := strings.Cut(i.Name, ": ")
		d.must(t, ok && (entity == "" || entity == before), i.Key, "its name must begin with the entity, as %q does", r.Items[0].Name)
		entity = before
	}
	for _, tr := range r.Triggers {
		d.must(t, strings.Contains(tr.Expression, "{#"), tr.Name, "the expression of a trigger prototype needs a macro of its rule")
	}
}

var (
	lldMacro    = regexp.MustCompile(`\{#\w+\}`)
	filterMacro = regexp.MustCompile(`^\{\$[A-Z.]+\.LLD\.FILTER\.[A-Z]+\.MATCHES\}$`)
)

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

// usualInterval is how often a master item is polled: two polls that find a server down
// are a problem within two minutes, the time to see a timeout and to store it included.
// Workers of job systems are found dead up to 35 s after their death.
func usualInterval(key string) string {
	switch name, _, _ := strings.Cut(key, "["); name {
	case "job.get":
		return "40s"
	case "redis.get", "redis.cluster.get", "redis.sentinel.get", "redis.group.get":
		return "58s"
	}
	if key == "redis.sessions.discovery[redis]" || key == "rj.sessions.down" {
		return "58s"
	}
	return "1m"
}

// dimensionless are numbers that need neither a unit nor a value map.
var dimensionless = regexp.MustCompile(`^rj\.(sessions\.(configured|down)|hosts\.(sessions|listening)\.count|redis\.(advice\.(high|warning)|config\.(changes|drifts)|pubsub\.(channels|patterns|unheard)|acl\.refused|keys|clients\.(connected|blocked|max|cut\.\w+)|sync\.full|connections\.rejected|memory\.frag\.ratio|rdb\.changes|slowlog\.length|replicas|db\.(keys|expires))|` +
	`cluster\.(slots\.\w+|nodes|config\.drifts|size|epoch|failing|refusing|alone|views|moving|skew\.\w+|keys|shard\.(slots|keys)|node\.(seen_failing|clients|keys))|` +
	`sentinel\.(count|unanswered|tilt|disagreements|drifts|masters(\.down)?|master\.(quorum|usable|known|replicas(\.down)?|epoch))|` +
	`keys\.(count|permanent|truncated|streams\.(count|unread|dead|truncated)|key\.length|stream\.(length|groups)|group\.(lag|pending|consumers|dead))|` +
	`group\.(unreachable|primaries|replicas|strangers|chained|links_down|misfits|versions|drifts)|` +
	`jobs\.(count|scheduler\.(alive|overdue|jobs)|failures\.count|waiting|active|failed|workers|abandoned|stuck|truncated\.queues|system\.(waiting|active|scheduled|overdue|retry|failed|alive|dead|busy|slots|orphaned)|queue\.(waiting|active|failed))|` +
	`storm\.(count|jobs\.\w+|truncated|job\.lag)|pool\.(open|idle|in_use|dialing|waiting|limit|targets(\.failing|\.truncated)?|goroutines))(\[|$)`)

func TestItems(t *testing.T) {
	t.Parallel()
	for _, d := range load(t) {
		names := map[string]bool{}
		for _, i := range d.items {
			d.must(t, !names[i.Name], i.Key, "another item has the name %q, too", i.Name)
			names[i.Name] = true
			d.checkItem(t, i)
		}
	}
}

// seldom: the item asks less often than the template's main item, by the interval's macro with a context.
func (d *document) seldom(i *item) bool {
	every, err := time.ParseDuration(d.macroValue(i.Delay))
	return err == nil && every >= 5*time.Minute && strings.Contains(i.Delay, `.INTERVAL:"`)
}

// kept is how long values are kept.
var kept = regexp.MustCompile(`^(7|31)d$`)

// checkItem holds an item to what all have in common.
func (d *document) checkItem(t *testing.T, i *item) {
	t.Helper()
	must := func(well bool, format string, args ...any) { d.must(t, well, i.Key, format, args...) }
	must(!regexp.MustCompile(`\{HOST\.|\{ITEM\.`).MatchString(i.Name), "its name must have no macro of a host or item")
	must(len(i.Description) > 10 && i.Description != i.Name, "it needs a description that says more than its name")
	component := tagValue(i.Tags, "component")
	must(slices.Contains(components, component), "its component %q is none of components (contract_items_test.go)", component)
	if i.ValueMap.Name != "" {
		known := slices.ContainsFunc(d.ValueMaps, func(m valueMap) bool { return m.Name == i.ValueMap.Name })
		must(known, "there is no value map %q", i.ValueMap.Name)
	}
	if i.Type == "DEPENDENT" {
		must(i.Delay == "0", "it is dependent and must have no interval")
		must(len(i.Preprocessing) > 0, "it is dependent and needs a step that takes its value")
	} else {
		must(d.macroValue(i.Delay) == usualInterval(i.Key) || d.seldom(i), "its interval must be a macro of %s, or of 5m and more with a context", usualInterval(i.Key))
	}
	text := i.ValueType == "TEXT" || i.ValueType == "CHAR"
	must(text || i.ValueType == "UNSIGNED" || i.ValueType == "FLOAT", "unknown type of value: %s", i.ValueType)
	if component == "raw" {
		must(i.History == "0" && i.ValueType == "TEXT", "raw data is a text that is not kept")
	} else {
		must(kept.MatchString(i.History), "its history must be 7d or 31d, not %s", i.History)
	}
	switch {
	case text, i.ValueMap.Name != "":
		must(i.Trends == "0" && i.Units == "", "a text or a mapped value has no trends and no unit")
	default:
		must(i.Trends == "365d", "its trends must be kept for 365d, not %s", i.Trends)
		must(i.Units != "" || dimensionless.MatchString(i.Key), "it needs a unit, or a row in dimensionless (contract_items_test.go)")
		must(i.Units == "" || !dimensionless.MatchString(i.Key), "it has the unit %q and a row in dimensionless (contract_items_test.go)", i.Units)
	}
	for _, s := range i.Preprocessing {
		must(slices.Contains([]string{"", "DISCARD_VALUE", "CUSTOM_VALUE"}, s.Handler), "its step %s must not handle an error by %s", s.Type, s.Handler)
		if s.Type == "JAVASCRIPT" || s.Type == "DISCARD_UNCHANGED_HEARTBEAT" {
			must(s.Handler == "", "Zabbix 6.0 handles no errors of %s", s.Type)
		}
	}
	held := heartbeat(i.Preprocessing)
	must(held.Hours() <= 1, "equal values must be held back for an hour at most, not %v", held)
	if slices.Contains(stepKinds(i.Preprocessing), "CHANGE_PER_SECOND") {
		must(i.ValueType == "FLOAT", "a change per second is a FLOAT")
		must(held == 0 || !d.read(i.Key), "a change per second that a trigger, a graph or a widget reads must not be held back")
	}
}

// read: a trigger, a graph or a widget of the template reads the item with that key.
func (d *document) read(key string) bool {
	name := d.byKey[key].Name
	for _, tr := range d.triggers {
		for _, text := range []string{tr.Expression, tr.Recovery, tr.EventName} {
			if strings.Contains(text, "/"+key+",") || strings.Contains(text, "/"+key+")") {
				return true
			}
		}
	}
	for _, g := range d.graphs {
		if slices.ContainsFunc(g.Items, func(i graphItem) bool { return i.Item.Key == key }) {
			return true
		}
	}
	for _, b := range d.Dashboards {
		for _, p := range b.Pages {
			for _, w := range p.Widgets {
				for _, f := range w.Fields {
					text := f.text()
					pattern := strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, ".*")
					if strings.HasSuffix(text, "\n"+key) || strings.Contains(text, "*") && regexp.MustCompile("^(.*: )?"+pattern+"$").MatchString(name) {
						return true
					}
				}
			}
		}
	}
	return false
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
	for _, d := range loadAll(t) {
		must := func(well bool, format string, args ...any) { d.must(t, well, d.Name, format, args...) }
		must(d.Version == string(d.format), "it must have the export format %s", d.format)
		groups := d.export.Groups
		if d.format.modern() {
			groups = d.NewGroups
		}
		groups = slices.DeleteFunc(slices.Clone(groups), func(g group) bool { return !strings.HasPrefix(g.Name, "Templates/") })
		must(len(groups) == 1 && known[groups[0].Name] == groups[0].UUID, "it needs one group, of Zabbix' own: %v", known)
		must(groups[0].Name == d.template.Groups[0].Name, "its group must be that of the export")
		must(d.Template == d.Name && d.Description != "", "it needs one name and a description")
		must(tagValue(d.template.Tags, "class") != "" && tagValue(d.template.Tags, "target") != "", "it needs the tags class and target")
		file := strings.NewReplacer(" ", "_").Replace(strings.ToLower(d.Name)) + ".yaml"
		must(file == filepath.Base(d.file), "its file must be called %s", file)
	}
}

func TestMacros(t *testing.T) {
	t.Parallel()
	secret := regexp.MustCompile(`PASS|SECRET|TOKEN`)
	for _, d := range loadAll(t) {
		var body []string
		rules := slices.Clone(d.Rules)
		for k, r := range rules {
			bare := *r
			bare.Hosts = nil // with macros of another template, see TestHostPrototypes
			rules[k] = &bare
		}
		for _, part := range []any{d.items, rules, d.triggers} {
			text, err := json.Marshal(part)
			require.NoError(t, err)
			body = append(body, strings.ReplaceAll(string(text), `\"`, `"`))
		}
		used := macrosOf(strings.Join(body, "\n"))
		var defined []string
		for _, m := range d.Macros {
			must := func(well bool, format string, args ...any) { d.must(t, well, m.Macro, format, args...) }
			must(macroNames.MatchString(m.Macro), "it is not named like the other macros")
			must(!slices.Contains(defined, m.Macro), "it is defined twice")
			if name, _, ok := strings.Cut(m.Macro, ":"); ok {
				all := strings.Join(body, "\n") // the context of a prototype comes from what is discovered
				must(strings.Contains(all, m.Macro) || strings.Contains(all, name+`:"{#`), "no expression has this context")
				must(d.macroValue(name+"}") != "", "it needs a macro without the context")
			} else {
				defined = append(defined, m.Macro)
			}
			must(m.Description != "", "it needs a description")
			must(secret.MatchString(m.Macro) == (m.Type == "SECRET_TEXT"), "a secret, and nothing else, is of the type SECRET_TEXT")
			if m.Type == "SECRET_TEXT" {
				must(m.Value == "", "a secret has no value in a template")
				continue
			}
			switch {
			case strings.HasSuffix(m.Macro, "MATCHES}"):
				_, err := regexp.Compile(m.Value)
				must(err == nil, "%v", err)
			case strings.HasSuffix(m.Macro, ".CONN}"), strings.HasSuffix(m.Macro, ".SILENCED}"), strings.HasSuffix(m.Macro, ".CHANNELS}"),
				strings.HasSuffix(m.Macro, ".GROUP}"), strings.HasSuffix(m.Macro, ".PREFIX}"), strings.HasSuffix(m.Macro, ".WATCH}"), strings.HasSuffix(m.Macro, ".SESSIONS}"):
			case strings.HasSuffix(m.Macro, ".POLLS}"):
				must(regexp.MustCompile(`^#\d$`).MatchString(m.Value), "it must be a number of polls such as #2, not %q", m.Value)
			default:
				_, ok := number(m.Value)
				must(ok, "%q is no number", m.Value)
			}
			if strings.Contains(m.Macro, ":") {
				continue
			}
			context := strings.Contains(strings.Join(body, "\n"), strings.TrimSuffix(m.Macro, "}")+`:"`)
			must(context == strings.Contains(m.Description, "Context: "), "its description must name the context (Context: ...), if it has one")
		}
		for _, m := range used {
			d.must(t, slices.Contains(defined, m), m, "it is used and not defined")
		}
		for _, m := range defined {
			d.must(t, slices.Contains(used, m), m, "it is defined and not used")
		}
	}
}

// macroNames is how macros are called.
var macroNames = regexp.MustCompile(`^\{\$[A-Z_]+(\.[A-Z_]+)+(:"([a-z]+|[A-Z]+)")?\}$`) // upper case: a kind of error

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
			for _, s := range storm.Statuses() {
				number := strconv.Itoa(int(s))
				d.must(t, got[number] == s.String(), "value map "+m.Name, "%s must be %s, as in metrics/storm, not %q", number, s, got[number])
				delete(got, number)
			}
			d.must(t, len(got) == 0, "value map "+m.Name, "metrics/storm has no such status: %v", got)
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
			must := func(well bool, format string, args ...any) { d.must(t, well, "value map "+m.Name, format, args...) }
			must(slices.ContainsFunc(d.items, func(i *item) bool { return i.ValueMap.Name == m.Name }), "no item uses it")
			seen := map[string]bool{}
			for _, row := range m.Mappings {
				must(!seen[row.Type+row.Value], "the value %s is mapped twice", row.Value)
				seen[row.Type+row.Value] = true
				must(row.NewValue != "", "the value %s needs a word", row.Value)
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
