package docs_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// docsWorld is what the documents speak of: servers behind the names of hosts,
// and the files of a machine that has the plugin.
type docsWorld struct {
	hosts   map[string]string // the documents' host:port, to the real ones
	redis   *redistest.Server
	root    string // stands for / in the paths of movedPaths
	program string // the plugin's
	// answers are those that were seen, whole.
	answers []string
}

// movedPaths are the paths of the documents that are looked for below root, with
// what stands before each, which must not be a path.
var movedPaths = regexp.MustCompile(`(^|[^A-Za-z0-9_./-])(/(?:etc|run|usr/local/bin|usr/sbin)/[A-Za-z0-9_./-]*[A-Za-z0-9_])`)

// password is that of every password file, and of the users that the documents'
// ACL SETUSER lines make.
const password = "PASSWORD"

// newDocsWorld starts the servers and lays the files.
func newDocsWorld(t *testing.T) *docsWorld {
	t.Helper()
	dir := t.TempDir()
	rdb := readFile(t, "metrics/jobs/testdata/job-systems.rdb")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dump.rdb"), []byte(rdb), 0o600))
	redis := redistest.Start(t, redistest.Config{
		TLS:   true,
		Args:  []string{"--latency-monitor-threshold", "1"},
		Lines: []string{"dir " + strconv.Quote(dir), "dbfilename dump.rdb", "slowlog-log-slower-than 0", "enable-debug-command local"},
	})
	now := strconv.FormatInt(time.Now().Unix(), 10)
	for _, cmd := range [][]string{
		{"SELECT", "10"}, {"RPUSH", "queue:mails", "1", "2", "3"}, {"SET", "lock:nightly", "host-7", "EX", "600"},
		{"SADD", "storm:jobs", "wordcount", "backup"},
		{"HSET", "storm:job:wordcount", "status", "ACTIVE", "updated_at", now, "interval", "30", "processed", "1200", "failed", "3"},
		{"HSET", "storm:job:backup", "status", "SUCCESS", "updated_at", now, "last_success_at", now, "duration_ms", "52000", "type", "batch"},
		{"SELECT", "13"}, {"SADD", "cron_jobs:default", "cron_job:default:nightly"},
		{"HSET", "cron_job:default:nightly", "name", "nightly", "cron", "0 3 * * *", "status", "enabled", "message", `{"queue":"low"}`,
			"last_enqueue_time", time.Now().UTC().Format("2006-01-02 15:04:05 -0700")},
		{"DEBUG", "SLEEP", "0.01"}, {"CONFIG", "SET", "slowlog-log-slower-than", "-1"},
	} {
		redis.Do(t, cmd...)
	}
	replica := redistest.Start(t, redistest.Config{})
	host, port, _ := strings.Cut(redis.Addr, ":")
	replica.Do(t, "REPLICAOF", host, port)
	node := redistest.Start(t, redistest.Config{Args: []string{"--cluster-enabled", "yes"}})
	node.Do(t, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	search := redistest.Start(t, redistest.Config{Args: redistest.RediSearch(t)})
	search.Do(t, "FT.CREATE", "products", "SCHEMA", "name", "TEXT", "SORTABLE", "price", "NUMERIC")
	search.Do(t, "FT.ADD", "products", "p1", "1.0", "FIELDS", "name", "red shoes", "price", "59")
	sentinel := redistest.Start(t, redistest.Config{Args: []string{"--sentinel"}, Lines: []string{
		"sentinel monitor mymaster " + host + " " + port + " 1",
	}})
	await(t, "a replica and a cluster", func() bool {
		return strings.Contains(redis.Do(t, "INFO", "replication"), "state=online") &&
			strings.Contains(node.Do(t, "CLUSTER", "INFO"), "cluster_state:ok") &&
			strings.Contains(sentinel.Do(t, "INFO", "sentinel"), "slaves=1")
	})
	w := &docsWorld{redis: redis, root: t.TempDir(), program: buildProgram(t), hosts: map[string]string{
		"redis:6379": redis.Addr, "redis:6380": redis.TLSAddr,
		"replica:6379": replica.Addr, "node:6379": node.Addr, "sentinel:26379": sentinel.Addr, "search:6379": search.Addr,
	}}
	w.layFiles(t)
	return w
}

// await waits for what real servers do in their own time.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the servers of the documents did not become %s", what)
		}
	}
}

const (
	agentFile  = "/etc/zabbix/zabbix_agent2.conf"
	pluginFile = "/etc/zabbix/zabbix_agent2.d/plugins.d/redisjobs.conf"
)

// layFiles makes an installation as the package does, and a command for record.
func (w *docsWorld) layFiles(t *testing.T) {
	t.Helper()
	w.write(t, agentFile, "Server=127.0.0.1\nHostname=docs\nPluginSocket="+w.root+"/run/zabbix/agent.plugin.sock\n"+
		"Include=./zabbix_agent2.d/plugins.d/*.conf\n", 0o644)
	w.write(t, "/run/zabbix/.keep", "", 0o644)
	w.write(t, "/usr/sbin/zabbix-agent2-plugin/zabbix-agent2-plugin-redisjobs", "#!/bin/sh\n", 0o755)
	w.write(t, "/usr/local/bin/backup", "#!/bin/sh\nexit 0\n", 0o755)
	w.write(t, "/etc/zabbix/blank", "\n", 0o600)
	w.configure(t, "")
}

// configure makes the plugin's file of the shipped one and lines of an example.
func (w *docsWorld) configure(t *testing.T, lines string) string {
	t.Helper()
	w.write(t, pluginFile, w.there(readFile(t, shippedFile)+"\n"+lines), 0o640)
	return w.root + pluginFile
}

func (w *docsWorld) write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(w.root+path), 0o755))
	require.NoError(t, os.WriteFile(w.root+path, []byte(text), mode))
}

// there makes the documents' hosts and paths real ones.
func (w *docsWorld) there(text string) string {
	for host, addr := range w.hosts {
		text = regexp.MustCompile(`\b`+regexp.QuoteMeta(host)+`\b`).ReplaceAllString(text, addr)
	}
	return movedPaths.ReplaceAllString(text, "${1}"+w.root+"${2}")
}

// here is the other way round.
func (w *docsWorld) here(text string) string {
	for host, addr := range w.hosts {
		text = strings.ReplaceAll(text, addr, host)
	}
	text = regexp.MustCompile(`"config_file":"[^"]*"`).ReplaceAllString(text, `"config_file":"/etc/redis/redis.conf"`)
	return strings.ReplaceAll(text, w.root, "")
}

// answer asks the plugin as -t does.
func (w *docsWorld) answer(t *testing.T, key string) string {
	t.Helper()
	file := w.configure(t, "Plugins.RedisJobs.CustomCommands=1\nPlugins.RedisJobs.Sessions.Docs.Uri=tcp://redis:6379/10\n"+
		"Plugins.RedisJobs.Sessions.Main.Uri=tcp://redis:6379\nPlugins.RedisJobs.Sessions.Replica.Uri=tcp://replica:6379\n")
	code, stdout, stderr := w.run(nil, "-t", key, "-c", file)
	if code != 0 {
		t.Fatalf("docs/keys_test.go: the example %s gets an error: %s", key, oneLine(stderr))
	}
	value := strings.TrimSuffix(stdout, "\n")
	w.answers = append(w.answers, value)
	return value
}

// buildProgram builds the program and returns its path.
func buildProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), program)
	c := exec.Command("go", "build", "-buildvcs=false", "-o", path, ".")
	c.Dir = top(".")
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	readFile(t, "main.go") // so that the go command knows that it matters, as sourceWords does for the packages
	return path
}

// run runs the program with variables of its own.
func (w *docsWorld) run(environment []string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	for i := range args {
		args[i] = w.there(args[i])
	}
	c := exec.Command(w.program, args...)
	c.Env, c.Stdout, c.Stderr = append(os.Environ(), environment...), &out, &errs
	if err := c.Run(); c.ProcessState == nil {
		return -1, "", err.Error()
	}
	return c.ProcessState.ExitCode(), w.here(out.String()), w.here(errs.String())
}
