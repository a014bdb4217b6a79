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

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/storm"
)

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
