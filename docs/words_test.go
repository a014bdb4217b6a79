package docs_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics"
)

var (
	spanRE    = regexp.MustCompile("`([^`\n]+)`")
	linkRE    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headingRE = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	// listMacroRE is a macro of a template behind the first parameter, whose value is for the key to judge on a host.
	listMacroRE = regexp.MustCompile(`,"\{\$[A-Z.]+\}"`)
	firstColumn = regexp.MustCompile("(?m)^\\| `[^`]+`")
	keyRE       = regexp.MustCompile(`^(?:redis|job|storm)\.[a-z.*]+(?:\[.*\])?$`)
)

// noKeys look like item keys and are none.
var noKeys = map[string]bool{"redis.conf": true, "redis.example.com": true}

// TestDocumentedKeys holds every item key in the running text to the metrics.
func TestDocumentedKeys(t *testing.T) {
	t.Parallel()
	found := 0
	for _, file := range documents(t) {
		_, prose := readDocument(t, file)
		if file == exportersFile {
			prose = firstColumn.ReplaceAllString(prose, "") // others' names
		}
		for _, m := range spanRE.FindAllStringSubmatch(withoutOldKeys(prose), -1) {
			key := m[1]
			if !keyRE.MatchString(key) || noKeys[key] {
				continue
			}
			found++
			name, _, _ := strings.Cut(key, "[")
			if family, ok := strings.CutSuffix(name, "*"); ok {
				if !anyKey(family) {
					t.Errorf("%s: no item key begins with %s", at(t, file, m[0]), family)
				}
				continue
			}
			key = strings.Replace(key, "["+left+"]", "", 1)
			key = listMacroRE.ReplaceAllStringFunc(key, func(macro string) string {
				if strings.HasSuffix(macro, `.WATCH}"`) {
					return `,"*"` // a pattern must be one
				}
				return `,""`
			})
			key = strings.Replace(key, "{$GROUP.SESSIONS}", "Main Replica", 1)
			requireKey(t, at(t, file, m[0]), key)
		}
	}
	require.Greater(t, found, 100)
}

// withoutOldKeys leaves out what docs/keys.md has of keys that are gone: that it is
// stale is for TestDocs/keys to say.
func withoutOldKeys(prose string) string {
	return ofKey.ReplaceAllStringFunc(prose, func(part string) string {
		m := ofKey.FindStringSubmatch(part)
		if _, known := metrics.Lookup(m[1] + m[2]); known {
			return part
		}
		return ""
	})
}

// ofKey is a row of the table of keys, or a key's heading with the line of its example.
var ofKey = regexp.MustCompile("(?m)^\\| \\[`([a-z.]+)`\\]\\(#[a-z]+\\)<br>.*$|(?s:\n## ([a-z]+\\.[a-z.]+)\n.*?\nExample: `[^\n]*`\n)")

func anyKey(prefix string) bool {
	for _, m := range metrics.All() {
		if strings.HasPrefix(m.Key, prefix) {
			return true
		}
	}
	return false
}

// TestTheReadmeIsShort: what a page of docs/ can say does not stand in README.md.
func TestTheReadmeIsShort(t *testing.T) {
	t.Parallel()
	require.Less(t, strings.Count(readFile(t, "README.md"), "\n"), 150)
}

// TestTheReadmeHasEveryKey, by its name or by that of its family.
func TestTheReadmeHasEveryKey(t *testing.T) {
	t.Parallel()
	_, table, found := strings.Cut(readFile(t, "README.md"), "\n## Item keys\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n## ")
	var names []string
	for _, m := range spanRE.FindAllStringSubmatch(table, -1) {
		names = append(names, m[1])
	}
	for _, m := range metrics.All() {
		if !slices.ContainsFunc(names, func(name string) bool {
			family, ok := strings.CutSuffix(name, "*")
			return name == m.Key || ok && strings.HasPrefix(m.Key, family)
		}) {
			t.Errorf("README.md: the table of item keys lacks %s", m.Key)
		}
	}
}

// TestDocumentedLinks follows the links between documents and to files.
func TestDocumentedLinks(t *testing.T) {
	t.Parallel()
	for _, file := range append(documents(t), "CHANGELOG.md") {
		_, prose := readDocument(t, file)
		for _, m := range linkRE.FindAllStringSubmatch(prose, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			target := file
			if path != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(file), path))
				if _, err := os.Stat(top(target)); err != nil {
					t.Errorf("%s: the link leads to %s, which does not exist", at(t, file, m[0]), target)
					continue
				}
			}
			if anchor != "" && !slices.Contains(anchors(t, target), anchor) {
				t.Errorf("%s: the link leads to #%s, and %s has no such heading", at(t, file, m[0]), anchor, target)
			}
		}
	}
}

// anchors are those that GitHub gives the headings of a document.
func anchors(t *testing.T, file string) []string {
	t.Helper()
	_, prose := readDocument(t, file)
	var out []string
	for _, m := range headingRE.FindAllStringSubmatch(prose, -1) {
		word := regexp.MustCompile(`[^\p{L}\p{N}\- _]`).ReplaceAllString(strings.ToLower(m[1]), "")
		out = append(out, strings.ReplaceAll(word, " ", "-"))
	}
	return out
}

// notOnThisServer are paths to what the servers of the test do not answer, with
// the reason.
var notOnThisServer = map[string]string{}

// findPaths looks for each JSONPath of the documents in real answers.
func findPaths(t *testing.T, world *docsWorld) {
	_, err := world.redis.TryDo("NOSUCH") // for errorstats
	require.Error(t, err)
	for _, key := range []string{"redis.get[tcp://redis:6379]", "redis.get[tcp://replica:6379]", "redis.get[tcp://node:6379]"} {
		world.answer(t, key)
	}
	var answers []any
	for _, text := range world.answers {
		var v any
		if json.Unmarshal([]byte(text), &v) == nil {
			answers = append(answers, v)
		}
	}
	require.NotEmpty(t, answers)
	seen := map[string]bool{}
	for _, file := range documents(t) {
		if file == exportersFile {
			continue // findExporters looks there
		}
		_, prose := readDocument(t, file)
		for _, m := range spanRE.FindAllStringSubmatch(prose, -1) {
			path := m[1]
			if !strings.HasPrefix(path, "$.") && !strings.HasPrefix(path, "$[") {
				continue
			}
			if _, ok := notOnThisServer[path]; ok {
				seen[path] = true
				continue
			}
			steps := pathSteps(path)
			found := false
			for _, answer := range answers {
				found = found || hasPath(answer, steps)
			}
			if !found {
				t.Errorf("%s: no answer has %s", at(t, file, m[0]), path)
			}
		}
	}
	for path := range notOnThisServer {
		if !seen[path] {
			t.Errorf("docs/words_test.go: remove from notOnThisServer, no document has it any more: %s", path)
		}
	}
}

// pathSteps are the names of members in a JSONPath; "[]" is a step into a list
// or over the members of an object, whatever the condition.
func pathSteps(path string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`\[\?\([^)]*\)\]|\[\*\]|\[\d+\]|\['[^']*'\]|\.[A-Za-z0-9_]+`).FindAllString(path, -1) {
		switch {
		case strings.HasPrefix(m, "."):
			out = append(out, m[1:])
		case strings.HasPrefix(m, "['"):
			out = append(out, m[2:len(m)-2])
		default:
			out = append(out, "[]")
		}
	}
	return out
}

func hasPath(v any, steps []string) bool {
	if len(steps) == 0 {
		return true
	}
	var next []any
	switch v := v.(type) {
	case map[string]any:
		if steps[0] == "[]" {
			for _, member := range v {
				next = append(next, member)
			}
		} else if member, ok := v[steps[0]]; ok {
			next = append(next, member)
		}
	case []any:
		if steps[0] == "[]" {
			next = v
		}
	}
	for _, v := range next {
		if hasPath(v, steps[1:]) {
			return true
		}
	}
	return false
}

// provoked are checks that fail, with what the configuration has for them. Each
// error must have a row in docs/troubleshooting.md.
var provoked = []struct{ key, conf string }{
	{"redis.server.info[tcp://127.0.0.1:1]", ""},
	{"redis.server.info[tcp://prod.invalid]", ""},
	{"redis.server.info[tcp://redis:6379,wrong,,zabbix]", ""},
	{"redis.key.length[tcp://redis:6379,PASSWORD,zabbix,private]", ""},
	{"redis.server.config[tcp://redis:6379,PASSWORD,,recorder]", ""},
	{"redis.server.info[tcp://redis:6379/99]", ""},
	{"redis.server.info[tcp://redis:6379,,nosuch]", ""},
	{"redis.server.config[tcp://redis:6379,,nosuch]", ""},
	{"redis.server.info[tcp://:pw@redis:6379]", ""},
	{"redis.server.info[tcp://redis:6379]", "SessionsOnly=1"},
	{"redis.server.info[rediss://redis:6380]", ""},
	{"redis.server.info[tcp://replica:6379,bad]", ""},
	{"redis.server.info[tcp://redis:6380]", ""},
	{"redis.server.info[sentinel://redis:6379/mymaster]", ""},
	{"redis.server.info[sentinel://sentinel:26379/other]", ""},
	{"redis.server.info[tcp://redis:x]", ""},
	{"redis.server.info[tcp://redis:6379/x]", ""},
	{"redis.server.info[http:]", ""},
	{"redis.server.info[sentinel://sentinel:26379]", ""},
	{"redis.server.info[mysql://redis]", ""},
	{"redis.server.info[unix:redis.sock]", ""},
	{"redis.server.info[tcp://redis:6379?db=1]", ""},
	{"redis.server.info[::1]", ""},
	{"redis.command[tcp://redis:6379,,,GET,nokey]", "CustomCommands=1"},
	{"redis.key.value[tcp://redis:6379,,,nokey]", ""},
	{"redis.stream.get[tcp://redis:6379/10,,,queue:mails]", ""},
	{"redis.key.length[tcp://redis:6379]", ""},
	{"redis.server.ping[a,b,c,d]", ""},
	{"redis.command[tcp://redis:6379,,,GET,x]", ""},
	{"redis.command[tcp://redis:6379,,,DEL,x]", "CustomCommands=1"},
	{"redis.nosuch", ""},
	{"redis.info[x]", ""},
	{"redis.get[http://redis:8080]", ""},
	{"storm.cluster.get[tcp://redis:6379]", ""},
	{"job.get[tcp://redis:6379,,,sidekik]", ""},
	{"redis.advice.get[tcp://redis:6379,,,no_maxmemori]", ""},
	{"redis.get[Wrong.Uri]", "Sessions.Wrong.Ur=tcp://redis"},
	{"redis.get[A]", "KeepAlive=5"},
	{"redis.get[A]", "SessionsOnly=maybe"},
	{"redis.get[A]", "Sessions.A.PasswordFile=secret"},
	{"redis.get[A]", "Sessions.A.Uri=rediss://redis\nPlugins.RedisJobs.Sessions.A.TLSConnect=disabled"},
	{"redis.get[A]", "Sessions.A.Uri=tcp://redis\nPlugins.RedisJobs.Sessions.A.TLSServerName=redis"},
	{"redis.get[A]", "Sessions.A.Uri=tcp://redis\nPlugins.RedisJobs.Sessions.A.TLSCertFile=/etc/zabbix/blank"},
	{"redis.get[A]", "Jobs.Queues=sidekik:mails"},
	{"redis.get[A]", "Keyspace.Groups=("},
	{"redis.get[A]", "Storm.KeyPattern=storm"},
	{"redis.get[A]", "Sessions.A.Uri=tcp://redis\nPlugins.RedisJobs.Sessions.A.TLSConnect=verify_ca"},
	{"redis.server.info[A]", "Sessions.A.Uri=tcp://redis:6379\nPlugins.RedisJobs.Sessions.A.PasswordFile=/etc/zabbix/absent"},
	{"redis.server.info[A]", "Sessions.A.Uri=tcp://redis:6379\nPlugins.RedisJobs.Sessions.A.PasswordFile=/etc/zabbix/blank"},
}

// othersWords are messages of other programs in docs/troubleshooting.md; what is
// left must stand in our source.
var othersWords = map[string]string{
	"NOAUTH": "redis src/server.c, shared.noautherr",
	"DENIED Redis is running in protected mode":       "redis src/networking.c, acceptCommonHandler",
	"LOADING Redis is loading the dataset in memory":  "redis src/server.c, shared.loadingerr",
	"max number of clients reached":                   "redis src/networking.c, acceptCommonHandler",
	"No permissions to access a key":                  "redis src/acl.c, from 7.2 on",
	"first record does not look like a TLS handshake": "Go crypto/tls, RecordHeaderError",
	"Could not find leader nimbus":                    "Storm, NimbusClient",
	"Timeout while executing a shell script":          "agent 2, UserParameter",
	"Unknown metric":                                  "agent 2, scheduler",
	"permission denied":                               "the operating system",
	"cannot register duplicate metric":                "Zabbix SDK, plugin/registry.go",
	"failed to add Alias":                             "agent 2, pkg alias",
	"unknown parameter":                               "agent 2 and agentd, configuration",

	"Get value from agent failed":                                          "Zabbix server, poller/checks_agent.c",
	"Assuming that agent dropped connection because of access permissions": "Zabbix server, poller/checks_agent.c",
}

// meetMessages holds docs/troubleshooting.md to the messages: whoever meets one
// finds its row, and no row is about a message that there is not.
func meetMessages(t *testing.T, world *docsWorld) {
	_, prose := readDocument(t, "docs/troubleshooting.md")
	var rows []string
	for _, part := range strings.Split(prose, "\n## By message")[1:] {
		part, _, _ = strings.Cut(part, "\n## ")
		for _, m := range regexp.MustCompile("(?m)^\\| `([^`\n]*)` \\|").FindAllStringSubmatch(part, -1) {
			rows = append(rows, m[1])
		}
	}
	require.Greater(t, len(rows), 30)
	met := map[string]bool{}
	for _, p := range provoked {
		lines := ""
		if p.conf != "" {
			lines = "Plugins.RedisJobs." + p.conf + "\n"
		}
		file := world.configure(t, lines)
		code, _, text := world.run(nil, "-t", p.key, "-c", file)
		if code != 1 {
			t.Errorf("docs/words_test.go: the check %s (%s) of provoked ends with code %d, and must fail", p.key, oneLine(p.conf), code)
			continue
		}
		found := false
		for _, row := range rows {
			if rowRE(row).MatchString(text) {
				found, met[row] = true, true
			}
		}
		if !found {
			t.Errorf("docs/troubleshooting.md, By message, needs a row for: %s", oneLine(text))
		}
	}
	source := sourceWords(t)
	for _, row := range rows {
		if met[row] || othersWords[row] != "" {
			continue
		}
		for _, fixed := range strings.Split(row, left) {
			if fixed = strings.Trim(fixed, " "); len(fixed) > 2 {
				if !strings.Contains(source, fixed) {
					t.Errorf("%s: the program has no message: %s", at(t, "docs/troubleshooting.md", "`"+row+"`"), row)
				}
			}
		}
	}
	for row := range othersWords {
		if !slices.Contains(rows, row) {
			t.Errorf("docs/words_test.go: remove from othersWords, docs/troubleshooting.md does not have it any more: %s", row)
		}
	}
}

// rowRE finds a row's message within a text.
func rowRE(row string) *regexp.Regexp {
	return regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(row), left, ".*"))
}

// sourceWords is all text in the program's source, with … for what is put in.
func sourceWords(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	verb := regexp.MustCompile(`%[-+#0-9.*]*[a-zA-Z]`)
	require.NoError(t, filepath.WalkDir(top("."), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains(notTheProgram, filepath.Base(path)) {
			return filepath.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				s, _ := strconv.Unquote(l.Value)
				out.WriteString(verb.ReplaceAllString(s, left) + "\n")
			}
			return true
		})
		return nil
	}))
	return out.String()
}

// notTheProgram are folders whose messages nobody meets who runs the plugin.
var notTheProgram = []string{".git", "bench", "build", "dist", "docs", "internal", "packaging", "test", "testdata"}
