package docs_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

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
	"apt install ./zabbix-agent2-plugin-redisjobs_*_amd64.deb":            "installs a package; test/package does so in a throw-away root",
	"install -m 0640 -g zabbix /dev/null /etc/zabbix/redis-prod.password": "makes a file of the machine's, which layNamed does in the test's folder",
	"systemctl restart zabbix-agent2":                                     "restarts the machine's agent",
	"apt install git make":                                                "installs on the machine; test/package does so in a throw-away root",
	"#!/usr/bin/env python3":                                              "asks AWS, of which the test has none",
	"zabbix_get -s 127.0.0.1 -k redis.pool.get":                           "asks the machine's running agent",
	"zabbix_agent2 -R log_level_increase":                                 "asks the machine's running agent",
	"make deb":                                                            "takes minutes; make test-package does so",
	"sha256sum --check --ignore-missing SHA256SUMS":                       "needs a release that was downloaded",
	"cp company-ca.crt /usr/local/share/ca-certificates/":                 "changes the certificates of the machine",
	"make package": "needs Docker",
	"docker compose exec agent zabbix-agent2-plugin-redisjobs -t 'redis.status[Prod]'":     "needs Docker",
	"zabbix-agent2-plugin-redisjobs -t 'redis.get[Cloud]'":                                 "needs a managed service",
	"setsebool -P zabbix_can_network on":                                                   "needs SELinux",
	"ausearch -m avc -c zabbix_agent2 -c zabbix-agent2-p --raw | audit2allow -M redisjobs": "needs SELinux",
	"semanage permissive -a zabbix_agent_t":                                                "needs SELinux",
}

// runExamples runs every block of every document by its language.
func runExamples(t *testing.T, world *docsWorld) {
	world.redis.Do(t, strings.Fields(strings.Replace(rights(t)[0], ">PASSWORD", ">"+password, 1))...)
	seen := map[string]bool{}
	for _, file := range documents(t) {
		world.configure(t, "")
		blocks, _ := readDocument(t, file)
		for _, b := range blocks {
			switch b.Language {
			case "conf":
				world.runConf(t, b)
			case "sh":
				for _, command := range commandLines(t, b) {
					code, stdout, stderr := world.runLine(t, b, command)
					if code != 0 {
						t.Errorf("%s: %s ends with code %d: %s", b.At(), command, code, oneLine(stdout+stderr))
					}
				}
			case "console":
				b.Console(t, func(command string) string {
					_, stdout, stderr := world.runLine(t, b, command)
					return stdout + stderr
				})
			case "redis":
				world.redis.Do(t, "SELECT", "0")
				for _, command := range strings.Split(strings.TrimSpace(b.Text), "\n") {
					if _, err := world.redis.TryDo(words(t, b, command)...); err != nil {
						t.Errorf("%s: Redis refuses %.80s: %v", b.At(), command, err)
					}
				}
			case "valkey", "search":
				// Rules that this server does not know, which TestGenerated writes.
			case "json":
				if !json.Valid([]byte(b.Text)) {
					t.Errorf("%s: this block is no JSON", b.At())
				}
			case "yaml":
				world.runManifests(t, b)
			case "python":
				// The script of docs/hosts.md, which test/zabbix runs.
			case "text":
				// Answers in docs/keys.md, which TestDocs/keys compares, and drawings.
			case "keys":
				for line := range strings.Lines(b.Text) {
					key, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
					requireKey(t, b.At(), key)
				}
			case "shell":
				first, _, _ := strings.Cut(b.Text, "\n")
				if seen[first] = true; notRun[first] == "" {
					t.Errorf("%s: call the language sh, for a test to run it, or add to notRun in docs/examples_test.go why none can: %s", b.At(), first)
				}
			default:
				if b.File != "CONTRIBUTING.md" {
					t.Errorf("%s: no test knows blocks of the language %q; CONTRIBUTING.md has the list", b.At(), b.Language)
				}
			}
		}
	}
	for first := range notRun {
		if !seen[first] {
			t.Errorf("docs/examples_test.go: remove from notRun, no document has it any more: %s", first)
		}
	}
}

// runManifests parses the YAML of a block, and reads the lines of configuration in
// it as the plugin does.
func (w *docsWorld) runManifests(t *testing.T, b document.Block) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(b.Text))
	for {
		var manifest any // a map, or the list of an Ansible playbook
		err := decoder.Decode(&manifest)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err, b.At())
	}
	lines := regexp.MustCompile(`(?m)^ +(Plugins\.RedisJobs\..*\n)`).FindAllStringSubmatch(b.Text, -1)
	b.Text = ""
	for _, m := range lines {
		b.Text += m[1]
	}
	if b.Text != "" {
		w.runConf(t, b)
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
		if !ok {
			t.Fatalf("%s: this line has no =: %s", b.At(), line)
		}
		switch {
		case name == "Alias":
			alias := regexp.MustCompile(`^[a-z.]+(?:\[[^\]]*\])?:(.+)$`).FindStringSubmatch(value)
			if alias == nil {
				t.Fatalf("%s: no alias as Zabbix writes them: %s", b.At(), line)
			}
			requireKey(t, b.At(), strings.TrimSuffix(alias[1], "[*]"))
		case slices.Contains(agentOptions, name), strings.HasPrefix(name, "Plugins.Redis."):
		default:
			if !strings.HasPrefix(name, "Plugins.RedisJobs.") {
				t.Errorf("%s: no option of this plugin, and none of agentOptions in docs/examples_test.go: %s", b.At(), line)
			}
			if strings.HasPrefix(value, "/") && !strings.HasSuffix(name, "Uri") {
				value, _, _ = strings.Cut(value, " ") // a command has arguments
				w.layNamed(t, name, value)
			}
		}
	}
	text := b.Text
	if b.File == "docs/configuration.md" {
		text += w.companion(t, b.Text)
	}
	file := w.configure(t, text)
	if _, err := conf.LoadFile(file); err != nil {
		t.Errorf("%s: the plugin refuses this: %s", b.At(), w.here(oneLine(err.Error())))
	}
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
	case option == "PasswordLifetime":
		w.layNamed(t, block+"PasswordCommand", "/usr/local/bin/companion")
		return block + "PasswordCommand=/usr/local/bin/companion\n"
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
	case strings.HasSuffix(option, "PasswordCommand"):
		w.write(t, path, "#!/bin/sh\necho "+password+"\n", 0o700)
		return
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
	var environment []string
	args := words(t, b, line)
	for len(args) > 0 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(args[0]) {
		environment, args = append(environment, args[0]), args[1:]
	}
	if len(args) == 0 || args[0] != program {
		t.Fatalf("%s: the language sh is for commands of %s: %s", b.At(), program, line)
	}
	args = args[1:]
	ofAgent := slices.Contains([]string{"doctor", "migrate", "-t"}, args[0])
	if ofAgent && !slices.Contains(args, "-c") { // the agent's own, in its usual place
		args = append(args, "-c", agentFile)
	}
	if args[0] == "doctor" {
		args = append(args, "--user", "root")
	}
	if i := slices.IndexFunc(args, func(s string) bool { return s == "-t" }); i >= 0 {
		requireKey(t, b.At(), args[i+1])
	}
	return w.run(environment, args...)
}

// words splits a command as a shell does: quotes of both kinds, no variables.
func words(t *testing.T, b document.Block, line string) []string {
	t.Helper()
	var out []string
	for _, m := range regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`).FindAllString(line, -1) {
		out = append(out, regexp.MustCompile(`'([^']*)'|"([^"]*)"`).ReplaceAllString(m, "$1$2"))
	}
	if slices.Contains(out, "|") {
		t.Fatalf("%s: a test can run no pipe: %s", b.At(), line)
	}
	return out
}

// requireKey holds an item key of a document to the metrics: it exists, by its
// own name or the built-in plugin's, and takes these parameters.
func requireKey(t *testing.T, where, key string) {
	t.Helper()
	name, params, err := plugin.ParseItemKey(key)
	if err != nil {
		t.Errorf("%s: %s: %v", where, key, err)
		return
	}
	for _, pair := range metrics.BuiltinKeys() {
		if pair[0] == name {
			name = pair[1]
		}
	}
	metric, ok := metrics.Lookup(name)
	if !ok {
		t.Errorf("%s: there is no item key %s", where, name)
		return
	}
	if len(params) > 0 && !slices.Contains(params, left) {
		if _, err = metric.ParseArgs(params); err != nil {
			t.Errorf("%s: %s: %v", where, key, err)
		}
	}
}
