package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/document"
	"redisjobs/metrics"
	"redisjobs/plugin"
)

// program begins the lines of examples that are run.
const program = "zabbix-agent2-plugin-redisjobs"

// notRun are the blocks whose language is shell, each by its first line, with
// why the test does not run them.
var notRun = map[string]string{
	"apt install ./dist/zabbix-agent2-plugin-redisjobs_*_amd64.deb":       "installs a package; test/package does so in a throw-away root",
	"install -m 0640 -g zabbix /dev/null /etc/zabbix/redis-prod.password": "makes a file of the machine's, which layNamed does in the test's folder",
	"systemctl restart zabbix-agent2":                                     "restarts the machine's agent",
	"apt install git make":                                                "installs on the machine; test/package does so in a throw-away root",
	"zabbix_agent2 -R log_level_increase":                                 "asks the machine's running agent",
}

// documents are the files that readers see, README.md first.
func documents(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	return append([]string{"README.md", "CONTRIBUTING.md"}, names...)
}

// runExamples runs every block of every document by its language.
func runExamples(t *testing.T, world *docsWorld) {
	rule, err := plugin.ACL("")
	require.NoError(t, err)
	rule, _, _ = strings.Cut(rule, "\n")
	world.redis.Do(t, strings.Fields(strings.Replace(rule, ">PASSWORD", ">"+password, 1))...)
	seen := map[string]bool{}
	for _, file := range documents(t) {
		world.configure(t, "")
		blocks, _ := document.Read(t, file)
		for _, b := range blocks {
			switch b.Language {
			case "conf":
				world.runConf(t, b)
			case "sh":
				for _, command := range commandLines(t, b) {
					code, stdout, stderr := world.runLine(t, b, command)
					require.Zero(t, code, "%s: %s\n%s%s", b.At(), command, stdout, stderr)
				}
			case "console":
				b.Console(t, func(command string) string {
					_, stdout, stderr := world.runLine(t, b, command)
					return stdout + stderr
				})
			case "redis":
				world.redis.Do(t, "SELECT", "0")
				for _, command := range strings.Split(strings.TrimSpace(b.Text), "\n") {
					_, err := world.redis.TryDo(words(t, b, command)...)
					require.NoError(t, err, "%s: %s", b.At(), command)
				}
			case "valkey":
				// What Valkey alone knows; metrics/acl_test.go proves that it is enough.
				require.Equal(t, metrics.ACL{User: "zabbix", Purposes: metrics.AllACLPurposes()}.RuleValkey(), strings.TrimSpace(b.Text), b.At())
			case "search":
				// What servers with search indexes know; metrics/search_find_test.go has a real one.
				require.Equal(t, metrics.ACL{User: "zabbix", Purposes: metrics.AllACLPurposes()}.RuleSearch(), strings.TrimSpace(b.Text), b.At())
			case "json":
				require.True(t, json.Valid([]byte(b.Text)), "%s is no JSON", b.At())
			case "text":
				// Answers in docs/keys.md, which TestDocs/keys compares, and drawings.
			case "keys":
				for line := range strings.Lines(b.Text) {
					key, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
					requireKey(t, b.At(), key)
				}
			case "shell":
				first, _, _ := strings.Cut(b.Text, "\n")
				require.Contains(t, notRun, first, "%s: language sh is for what a test can run; say in notRun why this is not", b.At())
				seen[first] = true
			default:
				if b.File != "CONTRIBUTING.md" {
					require.Fail(t, "unknown language", "%s: %q", b.At(), b.Language)
				}
			}
		}
	}
	for first := range notRun {
		require.True(t, seen[first], "no document has the block %q any more", first)
	}
}

// agentOptions are the agent's own options that examples may have.
var agentOptions = []string{"Alias", "AllowKey", "DenyKey", "UserParameter", "Timeout", "DebugLevel"}

// runConf has a block of configuration read as the plugin reads it, with the
// files that it names, and leaves it for the commands that follow.
func (w *docsWorld) runConf(t *testing.T, b document.Block) {
	t.Helper()
	for line := range strings.Lines(b.Text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		require.True(t, ok, "%s: %s", b.At(), line)
		switch {
		case name == "Alias":
			alias := regexp.MustCompile(`^[a-z.]+(?:\[[^\]]*\])?:(.+)$`).FindStringSubmatch(value)
			require.NotNil(t, alias, "%s: %s", b.At(), line)
			requireKey(t, b.At(), strings.TrimSuffix(alias[1], "[*]"))
		case slices.Contains(agentOptions, name), strings.HasPrefix(name, "Plugins.Redis."):
		default:
			require.True(t, strings.HasPrefix(name, "Plugins.RedisJobs."), "%s: %s", b.At(), line)
			if strings.HasPrefix(value, "/") && !strings.HasSuffix(name, "Uri") {
				w.layNamed(t, name, value)
			}
		}
	}
	text := b.Text
	if b.File == "docs/configuration.md" {
		text += w.companion(t, b.Text)
	}
	file := w.configure(t, text)
	_, err := conf.LoadFile(file)
	require.NoError(t, err, b.At())
}

// companion is what an option of the reference, which stands there alone, is
// nothing without.
func (w *docsWorld) companion(t *testing.T, line string) string {
	t.Helper()
	name, _, _ := strings.Cut(line, "=")
	block := name[:strings.LastIndexByte(name, '.')+1]
	switch option := name[len(block):]; {
	case strings.HasPrefix(option, "Token"):
		return block + "Uri=https://storm.example.com\n"
	case strings.HasPrefix(option, "SentinelP"):
		return block + "Uri=sentinel://sentinel:26379/mymaster\n"
	case option == "TLSCertFile":
		w.layNamed(t, block+"TLSKeyFile", "/etc/zabbix/companion.key")
		return block + "TLSConnect=verify_full\n" + block + "TLSKeyFile=/etc/zabbix/companion.key\n"
	case option == "TLSKeyFile":
		w.layNamed(t, block+"TLSCertFile", "/etc/zabbix/companion.crt")
		return block + "TLSConnect=verify_full\n" + block + "TLSCertFile=/etc/zabbix/companion.crt\n"
	case option == "TLSCAFile", option == "TLSServerName":
		return block + "TLSConnect=verify_full\n"
	case option == "TLSConnect":
		w.layNamed(t, block+"TLSCAFile", "/etc/zabbix/companion.ca")
		return block + "TLSCAFile=/etc/zabbix/companion.ca\n"
	}
	return ""
}

// layNamed makes the file that an option names.
func (w *docsWorld) layNamed(t *testing.T, option, path string) {
	t.Helper()
	var content []byte
	var err error
	switch {
	case strings.HasSuffix(option, "CAFile"):
		content, err = os.ReadFile(w.redis.CAFile)
	case strings.HasSuffix(option, "CertFile"):
		content, err = os.ReadFile(w.redis.CertFile)
	case strings.HasSuffix(option, "KeyFile"):
		content, err = os.ReadFile(w.redis.KeyFile)
	default:
		content = []byte(password + "\n")
	}
	require.NoError(t, err)
	w.write(t, path, string(content), 0o600)
}

// commandLines are the commands of a block without comments; a line that ends
// with a backslash goes on in the next one.
func commandLines(t *testing.T, b document.Block) []string {
	t.Helper()
	var out []string
	for line := range strings.SplitSeq(strings.ReplaceAll(b.Text, "\\\n", " "), "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// runLine runs a line of a block, which must be one of this program.
func (w *docsWorld) runLine(t *testing.T, b document.Block, line string) (code int, stdout, stderr string) {
	t.Helper()
	args := words(t, b, line)
	for len(args) > 0 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(args[0]) {
		name, value, _ := strings.Cut(args[0], "=")
		old, was := os.LookupEnv(name)
		require.NoError(t, os.Setenv(name, value))
		defer func() {
			if os.Unsetenv(name); was {
				os.Setenv(name, old)
			}
		}()
		args = args[1:]
	}
	require.NotEmpty(t, args, b.At())
	require.Equal(t, program, args[0], "%s: %s: language sh is for this program's commands", b.At(), line)
	args = args[1:]
	if slices.Contains(args, "doctor") {
		if !slices.Contains(args, "-c") {
			args = append(args, "-c", agentFile)
		}
		args = append(args, "--user", "root")
	}
	if i := slices.IndexFunc(args, func(s string) bool { return s == "-t" }); i >= 0 {
		requireKey(t, b.At(), args[i+1])
	}
	return w.run(args...)
}

// words splits a command as a shell does: quotes of both kinds, no variables.
func words(t *testing.T, b document.Block, line string) []string {
	t.Helper()
	var out []string
	for _, m := range regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`).FindAllString(line, -1) {
		out = append(out, regexp.MustCompile(`'([^']*)'|"([^"]*)"`).ReplaceAllString(m, "$1$2"))
	}
	require.NotContains(t, out, "|", "%s: %s", b.At(), line)
	return out
}

// requireKey holds an item key of a document to the metrics: it exists, by its
// own name or the built-in plugin's, and takes these parameters.
func requireKey(t *testing.T, where, key string) {
	t.Helper()
	name, params, err := plugin.ParseItemKey(key)
	require.NoError(t, err, "%s: %s", where, key)
	for _, pair := range metrics.BuiltinKeys() {
		if pair[0] == name {
			name = pair[1]
		}
	}
	metric, ok := metrics.Lookup(name)
	require.True(t, ok, "%s: there is no key %s", where, name)
	if len(params) > 0 && !slices.Contains(params, left) {
		_, err = metric.ParseArgs(params)
		require.NoError(t, err, "%s: %s", where, key)
	}
}
