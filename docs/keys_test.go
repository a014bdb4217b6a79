package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/document"
	"redisjobs/metrics"
)

// examples are the item keys whose answers docs/keys.md shows, by metric. The
// hosts in them are those of docsWorld.
var examples = map[string]string{
	"redis.server.info":          "redis.server.info[tcp://redis:6379,,clients]",
	"redis.server.config":        "redis.server.config[tcp://redis:6379,,maxmem*]",
	"redis.server.ping":          "redis.server.ping[tcp://redis:6379]",
	"redis.server.slowlog.count": "redis.server.slowlog.count[tcp://redis:6379]",
	"redis.get":                  "redis.get[tcp://redis:6379]",
	"redis.status":               "redis.status[tcp://redis:6379]",
	"redis.cluster.get":          "redis.cluster.get[tcp://node:6379]",
	"redis.sentinel.get":         "redis.sentinel.get[tcp://sentinel:26379]",
	"redis.sessions.discovery":   "redis.sessions.discovery",
	"redis.instances.discovery":  "redis.instances.discovery",
	"redis.instances.get":        "redis.instances.get",
	"redis.pool.get":             "redis.pool.get",
	"redis.slowlog.get":          "redis.slowlog.get[tcp://redis:6379]",
	"redis.latency.get":          "redis.latency.get[tcp://redis:6379]",
	"redis.clients.get":          "redis.clients.get[tcp://redis:6379]",
	"redis.key.get":              "redis.key.get[tcp://redis:6379/10,,,queue:mails]",
	"redis.key.length":           "redis.key.length[tcp://redis:6379/10,,,queue:mails]",
	"redis.key.ttl":              "redis.key.ttl[tcp://redis:6379/10,,,lock:nightly]",
	"redis.key.value":            "redis.key.value[tcp://redis:6379/10,,,lock:nightly]",
	"redis.keys.count":           "redis.keys.count[tcp://redis:6379/10,,,storm:job:*]",
	"redis.keyspace.sample":      "redis.keyspace.sample[tcp://redis:6379/10]",
	"redis.stream.get":           "redis.stream.get[tcp://redis:6379/9,,,orders]",
	"redis.search.get":           "redis.search.get[tcp://search:6379]",
	"redis.command":              "redis.command[Docs,,,SCARD,storm:jobs]",
	"job.get":                    "job.get[tcp://redis:6379/13]",
	"job.queue.get":              "job.queue.get[tcp://redis:6379/13,,,sidekiq,unserved]",
	"storm.job.status":           "storm.job.status[tcp://redis:6379/10,,,wordcount]",
	"storm.job.get":              "storm.job.get[tcp://redis:6379/10,,,wordcount]",
	"storm.jobs.get":             "storm.jobs.get[tcp://redis:6379/10]",
	"storm.job.discovery":        "storm.job.discovery[tcp://redis:6379/10]",
}

// TestDocs holds the documents to the program, with one world of servers for all
// that is run: docs/keys.md, and the examples of every document.
func TestDocs(t *testing.T) {
	t.Parallel()
	world := newDocsWorld(t)
	t.Run("keys", func(t *testing.T) { keyReference(t, world) })
	t.Run("examples", func(t *testing.T) { runExamples(t, world) })
	t.Run("paths", func(t *testing.T) { findPaths(t, world) })
	t.Run("messages", func(t *testing.T) { meetMessages(t, world) })
}

// keyReference holds docs/keys.md to the metrics: parameters and meaning come
// from the code, and every member that an example shows must be in a real answer.
func keyReference(t *testing.T, world *docsWorld) {
	old, err := os.ReadFile("docs/keys.md")
	require.True(t, err == nil || *update, "run: go test . -run TestDocs/keys -update")
	shown := shownExamples(string(old))
	texts := metricComments(t)
	var b strings.Builder
	b.WriteString(keysIntro)
	for _, m := range metrics.All() {
		if strings.HasPrefix(m.Key, "redis.test.") {
			continue // only in the build for end-to-end tests
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", m.Key, m.Description)
		writeParams(&b, m)
		b.WriteString(texts[m.Key])
		if len(m.Commands) > 0 {
			fmt.Fprintf(&b, "\nIt sends: `%s`.\n", strings.Join(m.Commands, "`, `"))
		}
		example, ok := examples[m.Key]
		if !ok {
			continue
		}
		answer := abridged(t, world.answer(t, example))
		if !*update && answer != "" {
			requireShown(t, m.Key, shown[example], answer)
			answer = shown[example]
		}
		language := "json"
		if !strings.ContainsAny(answer[:1], "[{") {
			language = "text"
		}
		fmt.Fprintf(&b, "\nExample: `%s`\n\n```%s\n%s\n```\n", example, language, answer)
	}
	if *update {
		require.NoError(t, os.WriteFile("docs/keys.md", []byte(b.String()), 0o644))
		return
	}
	require.Equal(t, b.String(), string(old), "run: go test . -run TestDocs/keys -update")
}

const keysIntro = `# Item keys

<!-- Written by: go test . -run TestDocs/keys -update -->

Every key, its parameters and its answer. The first parameter of most keys is the name of a session of the agent's
configuration, or a URI; see the [README](../README.md#item-keys). Examples are real answers, cut short: a member "…"
says how much was left out. What is not known is left out of an answer, never 0.
`

func writeParams(b *strings.Builder, m *metrics.Metric) {
	if len(m.Params) == 0 {
		b.WriteString("It has no parameters.\n")
		return
	}
	b.WriteString("| | parameter | default | meaning |\n|---:|---|---|---|\n")
	for i, p := range m.Params {
		def := p.Default
		if p.Required {
			def = "required"
		}
		fmt.Fprintf(b, "| %d | %s | %s | %s |\n", i+1, p.Name, cell(def), cell(p.Description))
	}
}

const (
	left    = document.Left // stands for members that were left out
	atMost  = 5             // members of an object below the first level
	longest = 90            // characters of a text
)

// abridged is a document as the reference shows it, or a single value.
func abridged(t *testing.T, value string) string {
	t.Helper()
	if value == "" || !strings.ContainsAny(value[:1], "[{") {
		return value
	}
	dec := json.NewDecoder(strings.NewReader(value))
	dec.UseNumber()
	var b bytes.Buffer
	shorten(t, dec, &b, 0)
	var out bytes.Buffer
	require.NoError(t, json.Indent(&out, b.Bytes(), "", "  "))
	return out.String()
}

// shorten copies one value, with the first members of each object and list.
func shorten(t *testing.T, dec *json.Decoder, b *bytes.Buffer, depth int) {
	t.Helper()
	token, err := dec.Token()
	require.NoError(t, err)
	delim, nested := token.(json.Delim)
	if !nested {
		if s, ok := token.(string); ok && len([]rune(s)) > longest {
			token = string([]rune(s)[:longest]) + left
		}
		raw, err := json.Marshal(token)
		require.NoError(t, err)
		b.Write(raw)
		return
	}
	b.WriteString(delim.String())
	n, most := 0, 1
	if delim == '{' {
		if most = atMost; depth == 0 {
			most = 1000
		}
	}
	for ; dec.More(); n++ {
		dst := b
		if n >= most {
			dst = &bytes.Buffer{}
		} else if n > 0 {
			b.WriteString(",")
		}
		if delim == '{' {
			name, err := dec.Token()
			require.NoError(t, err)
			fmt.Fprintf(dst, "%q:", name)
		}
		shorten(t, dec, dst, depth+1)
	}
	if n > most {
		more := fmt.Sprintf("%d more", n-most)
		if delim == '{' {
			fmt.Fprintf(b, ",%q:%q", left, more)
		} else {
			fmt.Fprintf(b, ",%q", left+" "+more)
		}
	}
	end, err := dec.Token()
	require.NoError(t, err)
	b.WriteString(end.(json.Delim).String())
}

// shownExamples are the answers in the reference, by item key.
func shownExamples(text string) map[string]string {
	out := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)Example: `([^`]*)`\n\n```[a-z]+\n(.*?)\n```").FindAllStringSubmatch(text, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// requireShown fails when the reference shows a member that a real answer has
// not, or of another type, or when it lacks one on the first level.
func requireShown(t *testing.T, key, shown, answer string) {
	t.Helper()
	require.NotEmpty(t, shown, "%s has no example: run: go test . -run TestDocs/keys -update", key)
	if !strings.ContainsAny(answer[:1], "[{") {
		return // a single value
	}
	var a, b any
	require.NoError(t, json.Unmarshal([]byte(shown), &a), key)
	require.NoError(t, json.Unmarshal([]byte(answer), &b), key)
	requireShape(t, key, a, b, true)
}

// mayVary are members that depend on the moment or on the machine.
var mayVary = []string{"last_tried", "failures_in_a_row", "latency_events", "events", "sample", "progress"}

func requireShape(t *testing.T, path string, shown, real any, whole bool) {
	t.Helper()
	switch shown := shown.(type) {
	case map[string]any:
		members, ok := real.(map[string]any)
		require.True(t, ok, "%s is no object", path)
		for name, v := range shown {
			if name == left || slices.Contains(mayVary, name) {
				continue
			}
			if r, ok := members[name]; ok {
				requireShape(t, path+"."+name, v, r, false)
			} else {
				require.False(t, whole, "no answer has %s.%s any more", path, name)
			}
		}
		for name := range members {
			if whole && !slices.Contains(mayVary, name) {
				require.Contains(t, shown, name, "%s.%s is new: run: go test . -run TestDocs/keys -update", path, name)
			}
		}
	case []any:
		list, ok := real.([]any)
		require.True(t, ok, "%s is no list", path)
		if len(shown) > 0 && len(list) > 0 {
			requireShape(t, path+"[]", shown[0], list[0], false)
		}
	default:
		require.IsType(t, shown, real, path)
	}
}

// TestConfigurationReference holds docs/configuration.md to the options.
func TestConfigurationReference(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(configurationIntro)
	for _, o := range conf.Table() {
		if strings.HasPrefix(o.Name, "Default.") {
			continue // as in a session
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", strings.ReplaceAll(o.Name, "*", "&lt;name&gt;"), o.Doc)
		def := o.DefaultNote
		if def == "" && o.Default != "" {
			def = "`" + o.Default + "`"
		}
		if def == "" {
			def = "nothing"
		}
		fmt.Fprintf(&b, "Default: %s.", def)
		if o.Range != "" {
			fmt.Fprintf(&b, " Range: %s.", o.Range)
		}
		fmt.Fprintf(&b, "\n\n```conf\nPlugins.RedisJobs.%s=%s\n```\n", strings.ReplaceAll(o.Name, "*", "Prod"), o.Example)
	}
	if *update {
		require.NoError(t, os.WriteFile("docs/configuration.md", []byte(b.String()), 0o644))
	}
	old, err := os.ReadFile("docs/configuration.md")
	require.NoError(t, err)
	require.Equal(t, b.String(), string(old), "run: go test . -run TestConfigurationReference -update")
}

const configurationIntro = `# Configuration

<!-- Written by: go test . -run TestConfigurationReference -update -->

The options stand in the agent's configuration, by default in
` + "`/etc/zabbix/zabbix_agent2.d/plugins.d/redisjobs.conf`" + `, each in a line ` + "`Plugins.RedisJobs.<option>=<value>`" + `. The agent
reads them when it starts, and at ` + "`zabbix_agent2 -R userparameter_reload`" + ` no more: restart it. An unknown option, a
value out of range or a file that cannot be read keeps the agent from starting, with a message that names the line.
` + "`zabbix-agent2-plugin-redisjobs doctor`" + ` says beforehand what is wrong.

Each field of a connection is taken from the first that has it: item key, session, ` + "`Default.…`" + `, built-in default.
` + "`Default.`" + ` takes every field of a session.

Times are seconds, or have a unit: ` + "`90`, `90s`, `5m`, `1h`" + `. Sizes are bytes, or have one: ` + "`64K`, `1M`" + `.
`
