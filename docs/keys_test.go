package docs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/document"
	"redisjobs/metrics"
)

// examples are the item keys whose answers docs/keys.md shows, by metric, where
// they are not those of exampleOf. The hosts in them are those of docsWorld.
var examples = map[string]string{
	"redis.server.info":     "redis.server.info[tcp://redis:6379,,clients]",
	"redis.server.config":   "redis.server.config[tcp://redis:6379,,maxmem*]",
	"redis.cluster.get":     "redis.cluster.get[tcp://node:6379]",
	"redis.sentinel.get":    "redis.sentinel.get[tcp://sentinel:26379]",
	"redis.key.get":         "redis.key.get[tcp://redis:6379/10,,,queue:mails]",
	"redis.key.length":      "redis.key.length[tcp://redis:6379/10,,,queue:mails]",
	"redis.key.ttl":         "redis.key.ttl[tcp://redis:6379/10,,,lock:nightly]",
	"redis.key.value":       "redis.key.value[tcp://redis:6379/10,,,lock:nightly]",
	"redis.keys.count":      "redis.keys.count[tcp://redis:6379/10,,,storm:job:*]",
	"redis.keyspace.sample": "redis.keyspace.sample[tcp://redis:6379/10]",
	"redis.keys.discovery":  "redis.keys.discovery[tcp://redis:6379/10,,,queue:*]",
	"redis.streams.get":     "redis.streams.get[tcp://redis:6379/9,,,orders*]",
	"redis.stream.get":      "redis.stream.get[tcp://redis:6379/9,,,orders]",
	"redis.search.get":      "redis.search.get[tcp://search:6379]",
	"redis.pubsub.get":      "redis.pubsub.get[tcp://redis:6379,,,news weather]",
	"redis.group.get":       "redis.group.get[Main Replica]",
	"redis.command":         "redis.command[Docs,,,SCARD,storm:jobs]",
	"job.get":               "job.get[tcp://redis:6379/13]",
	"job.queue.get":         "job.queue.get[tcp://redis:6379/13,,,sidekiq,unserved]",
	"job.failures.get":      "job.failures.get[tcp://redis:6379/13]",
	"storm.job.status":      "storm.job.status[tcp://redis:6379/10,,,wordcount]",
	"storm.job.get":         "storm.job.get[tcp://redis:6379/10,,,wordcount]",
	"storm.jobs.get":        "storm.jobs.get[tcp://redis:6379/10]",
	"storm.job.discovery":   "storm.job.discovery[tcp://redis:6379/10]",
	"storm.cluster.get":     "", // the documents' servers have no Storm UI
}

// exampleOf is the item key whose answer docs/keys.md shows; "" for none: a new
// key that needs more than a server is without until it has a row in examples.
func exampleOf(m keyOf) string {
	if key, ok := examples[m.key]; ok {
		return key
	}
	if len(m.params) == 0 {
		return m.key
	}
	if slices.ContainsFunc(m.params, func(p param) bool { return p.required }) {
		return ""
	}
	if m.params[0].name == "ConnString" {
		return m.key + "[tcp://redis:6379]"
	}
	return m.key
}

// keyOf is an item key as the documents need it.
type keyOf struct {
	key, description string
	params           []param
	commands         []string
}

type param struct {
	name, preset, description string
	required                  bool
}

// testKeys begins the keys that only the build for end-to-end tests has.
const testKeys = "redis.test."

// allKeys are the item keys, in the order of the documents.
func allKeys() []keyOf {
	var out []keyOf
	for _, m := range metrics.All() {
		if strings.HasPrefix(m.Key, testKeys) {
			continue
		}
		k := keyOf{key: m.Key, description: m.Description, commands: m.Commands}
		for _, p := range m.Params {
			k.params = append(k.params, param{p.Name, p.Default, p.Description, p.Required})
		}
		out = append(out, k)
	}
	return out
}

// TestDocs holds the documents to the program, with one world of servers for all
// that is run: docs/keys.md, and the examples of every document.
func TestDocs(t *testing.T) {
	t.Parallel()
	world := newDocsWorld(t)
	t.Run("keys", func(t *testing.T) { keyReference(t, world) })
	t.Run("examples", func(t *testing.T) { runExamples(t, world) })
	t.Run("paths", func(t *testing.T) { findPaths(t, world) })
	t.Run("exporters", func(t *testing.T) { findExporters(t, world) })
	t.Run("messages", func(t *testing.T) { meetMessages(t, world) })
}

// keyReference holds docs/keys.md to the metrics: parameters and meaning come
// from the code, and every member that an example shows must be in a real answer.
// A section is written anew only when one of these has changed: the values in the
// examples of the others stay.
func keyReference(t *testing.T, world *docsWorld) {
	const file = "docs/keys.md"
	shown := shownSections(readFile(t, file))
	texts := metricComments(t)
	var b strings.Builder
	stale := "" // by what a real answer has
	b.WriteString(keysIntro)
	writeKeyTable(&b)
	for _, m := range allKeys() {
		var words strings.Builder
		fmt.Fprintf(&words, "## %s\n\n%s\n\n", m.key, m.description)
		writeParams(&words, m.params)
		words.WriteString(texts[m.key])
		if len(m.commands) > 0 {
			fmt.Fprintf(&words, "\nIt sends: `%s`.\n", strings.Join(m.commands, "`, `"))
		}
		old, example := shown[m.key], ""
		if key := exampleOf(m); key != "" {
			answer := abridged(t, world.answer(t, key))
			unfit := misfit(m.key, old.answer(key), answer)
			if unfit != "" && stale == "" {
				stale = unfit
			}
			if example = old.example; unfit != "" || *update && old.words != words.String() {
				example = exampleText(key, answer)
			}
		}
		b.WriteString("\n" + words.String() + example)
	}
	if stale != "" && !*update {
		t.Errorf("run make generate: %s is stale (%s)", file, stale)
		return
	}
	current(t, file, b.String())
}

const keysIntro = `# Item keys

<!-- Written by make generate, from the comments in metrics/ and real answers. -->

Every item key, its parameters and its answer. The examples are real answers, shortened: a member "…" says how much was
left out. A value that is not known is left out of the answer and is never 0.

The first parameter of most keys is the server:

| first parameter | server |
|---|---|
| ` + "`Prod`" + ` | the session ` + "`Prod`" + ` of the agent's configuration, with its user and password |
| empty | ` + "`Default.Uri`" + ` of the configuration, or ` + "`tcp://localhost:6379`" + ` |
| ` + "`tcp://host:6379/2`, `redis://host:6379/2`, `host:6379`, `host`" + ` | a TCP port; the path is the number of the database |
| ` + "`rediss://host:6380`" + ` | a TCP port with TLS |
| ` + "`unix:/run/redis/redis.sock`, `/run/redis/redis.sock`" + ` | a Unix socket |
| ` + "`sentinel://s1:26379,s2:26379/mymaster`" + ` | the primary that these sentinels name |
| ` + "`http://host:8080`, `https://host`" + ` | a Storm UI, for the keys that begin with ` + "`storm.`" + ` |

A key that returns a single value returns text such as ` + "`1`" + `. All other keys return JSON, also when the server is down.

## All keys

A parameter in bold is required; a default follows its name.

`

// writeKeyTable writes the table of all keys.
func writeKeyTable(b *strings.Builder) {
	b.WriteString("| key | value |\n|---|---|\n")
	for _, m := range allKeys() {
		var params []string
		for _, p := range m.params {
			name := p.name
			switch {
			case p.required:
				name = "**" + name + "**"
			case p.preset != "":
				name += "=" + p.preset
			}
			params = append(params, name)
		}
		anchor := strings.ReplaceAll(m.key, ".", "")
		fmt.Fprintf(b, "| [`%s`](#%s)<br>[%s] | %s |\n", m.key, anchor, strings.Join(params, ", "), cell(m.description))
	}
}

func writeParams(b *strings.Builder, params []param) {
	if len(params) == 0 {
		b.WriteString("It has no parameters.\n")
		return
	}
	b.WriteString("| | parameter | default | meaning |\n|---:|---|---|---|\n")
	for i, p := range params {
		def := p.preset
		if p.required {
			def = "required"
		}
		fmt.Fprintf(b, "| %d | %s | %s | %s |\n", i+1, p.name, cell(def), cell(p.description))
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
	if !isDocument(value) {
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

// shownSection is what the reference has of one key.
type shownSection struct{ words, example string }

// shownSections are the sections of the reference, by key.
func shownSections(text string) map[string]shownSection {
	out := map[string]shownSection{}
	for _, part := range strings.Split(text, "\n## ")[1:] {
		name, _, _ := strings.Cut(part, "\n")
		s := shownSection{words: "## " + part}
		if at := strings.Index(part, "\nExample: `"); at >= 0 {
			s = shownSection{"## " + part[:at], strings.TrimRight(part[at:], "\n") + "\n"}
		}
		out[name] = s
	}
	return out
}

// exampleText shows the answer to an item key.
func exampleText(key, answer string) string {
	language := "json"
	if !isDocument(answer) {
		language = "text"
	}
	return fmt.Sprintf("\nExample: `%s`\n\n```%s\n%s\n```\n", key, language, answer)
}

// answer is the one that the section shows to an item key.
func (s shownSection) answer(key string) string {
	m := regexp.MustCompile("(?s)^\nExample: `([^`]*)`\n\n```[a-z]+\n(.*)\n```\n$").FindStringSubmatch(s.example)
	if m == nil || m[1] != key {
		return ""
	}
	return m[2]
}

func isDocument(answer string) bool {
	return strings.HasPrefix(answer, "{") || strings.HasPrefix(answer, "[")
}

// misfit says what a shown answer has that a real one has not, or of another type,
// and what it lacks on the first level; "" when it fits.
func misfit(key, shown, answer string) string {
	if shown == "" || isDocument(shown) != isDocument(answer) {
		return key + " lacks its example"
	}
	if !isDocument(answer) {
		return "" // a single value
	}
	var a, b any
	if err := errors.Join(json.Unmarshal([]byte(shown), &a), json.Unmarshal([]byte(answer), &b)); err != nil {
		return key + ": " + err.Error()
	}
	return differentShape(key, a, b, true)
}

// mayVary are members that depend on the moment or on the machine.
var mayVary = []string{"last_tried", "failures_in_a_row", "latency_events", "events", "sample", "progress", left}

func differentShape(path string, shown, real any, whole bool) string {
	switch shown := shown.(type) {
	case map[string]any:
		members, ok := real.(map[string]any)
		if !ok {
			return path + " is no object"
		}
		for _, name := range slices.Sorted(maps.Keys(shown)) {
			if slices.Contains(mayVary, name) {
				continue
			}
			if r, ok := members[name]; ok {
				if found := differentShape(path+"."+name, shown[name], r, false); found != "" {
					return found
				}
			} else if whole {
				return "no answer has " + path + "." + name + " any more"
			}
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if _, ok := shown[name]; whole && !ok && !slices.Contains(mayVary, name) {
				return path + "." + name + " is new"
			}
		}
	case []any:
		list, ok := real.([]any)
		if !ok {
			return path + " is no list"
		}
		if len(shown) > 0 && len(list) > 0 {
			return differentShape(path+"[]", shown[0], list[0], false)
		}
	default:
		if reflect.TypeOf(shown) != reflect.TypeOf(real) {
			return fmt.Sprintf("%s is a %T and was a %T", path, real, shown)
		}
	}
	return ""
}
