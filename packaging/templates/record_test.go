package templates

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/ports"
	"redisjobs/internal/redistest"
	"redisjobs/plugin"
)

var record = flag.Bool("record", false, "write testdata/*.json anew from real servers")

// TestRecord writes the answers that the contract is tested against: those of
// real servers in every state that the templates tell apart.
func TestRecord(t *testing.T) {
	if !*record {
		t.Skip("the recorded answers are kept; -record writes them anew")
	}
	r := recorder{t}
	master := redistest.Start(t, redistest.Config{Args: []string{
		"--appendonly", "yes", "--maxmemory", "256mb", "--slowlog-log-slower-than", "1",
		"--latency-tracking-info-percentiles", "50 99 99.9",
	}})
	replica := redistest.Start(t, redistest.Config{Args: []string{"--replicaof", replicaOf(master.Addr)}})
	for i := range 200 {
		master.Do(t, "SET", fmt.Sprint("key", i), strings.Repeat("x", 100))
	}
	master.Do(t, "SET", "session", "x", "EX", "900")
	master.Do(t, "GET", "session")
	master.Do(t, "GET", "nothing")
	_, err := master.TryDo("LPUSH", "session", "x")
	require.Error(t, err)
	master.Do(t, "SELECT", "3")
	master.Do(t, "HSET", "it's", "a", "1")
	master.Do(t, "HGETALL", "it's")
	master.Do(t, "SELECT", "0")
	r.until(func() bool { return replica.InfoField(t, "replication", "master_link_status") == "up" })
	master.Do(t, "WAIT", "1", "5000")
	r.until(func() bool { return strings.Contains(master.InfoField(t, "replication", "slave0"), "online") })
	r.until(func() bool { return !strings.HasSuffix(master.InfoField(t, "replication", "slave0"), "offset=0,lag=0") })
	r.twice("redis_get_master", master.Addr, func() {
		for i := range 50 {
			master.Do(t, "SET", fmt.Sprint("more", i), strings.Repeat("x", 1000))
			master.Do(t, "GET", fmt.Sprint("more", 2*i))
		}
	})
	r.document("redis_get_replica", "redis.get", replica.Addr)
	master.Stop(t)
	r.until(func() bool { return replica.InfoField(t, "replication", "master_link_status") == "down" })
	r.document("redis_get_link_down", "redis.get", replica.Addr)
	replica.Do(t, "CONFIG", "SET", "replica-serve-stale-data", "no")
	r.document("redis_get_masterdown", "redis.get", replica.Addr)
	r.document("redis_get_down", "redis.get", master.Addr)
	r.document("storm_jobs_down", "storm.jobs.get", master.Addr)

	guarded := redistest.Start(t, redistest.Config{
		Password: "secret",
		Users:    []string{"reader on >reader ~* -@all +@connection +info", "pinger on >pinger ~* -@all +@connection"},
	})
	r.document("redis_get_auth", "redis.get", guarded.Addr)
	r.document("redis_get_acl", "redis.get", guarded.Addr, "reader", "reader")
	r.document("redis_get_only_ping", "redis.get", guarded.Addr, "pinger", "pinger")

	plain := redistest.Start(t, redistest.Config{TLS: true})
	r.document("redis_get_empty", "redis.get", plain.Addr)
	conf := r.config("Sessions.Secure.Uri=rediss://"+plain.TLSAddr, "Sessions.Secure.TLSCAFile="+plain.CAFile)
	r.configured("redis_get_tls", "redis.get[Secure]", conf)
	r.configured("sessions", "redis.sessions.discovery[redis]", r.config(
		"Sessions.Prod.Uri=tcp://redis.example.com:6379", "Sessions.Jobs.Uri=rediss://jobs.example.com:6380/2", "Sessions.Storm.Uri=http://storm.example.com:8080"))
	r.configured("storm_jobs_ui", "storm.jobs.get["+r.stormUI()+"]", "")
	r.document("storm_jobs_empty", "storm.jobs.get", plain.Addr)
	node := redistest.Start(t, redistest.Config{Args: []string{"--cluster-enabled", "yes"}})
	r.document("redis_get_cluster", "redis.get", node.Addr)
	r.document("redis_get_sentinel", "redis.get", r.sentinel())

	watched := redistest.NewWatched(t, "", "", "")
	r.document("redis_sentinel_ok", "redis.sentinel.get", watched.Sentinels[0].Addr)
	watched.Sentinels[1].Kill(t)
	watched.Sentinels[2].Kill(t)
	r.document("redis_sentinel_alone", "redis.sentinel.get", watched.Sentinels[0].Addr)
	r.document("redis_sentinel_down", "redis.sentinel.get", watched.Sentinels[1].Addr)

	jobs := redistest.Start(t, redistest.Config{})
	r.jobs(jobs)
	r.document("storm_jobs", "storm.jobs.get", jobs.Addr)
	for i := range 1003 {
		jobs.Do(t, "SADD", "storm:jobs", fmt.Sprintf("extra%04d", i))
	}
	r.document("storm_jobs_truncated", "storm.jobs.get", jobs.Addr)
	jobs.Do(t, "DEL", "storm:jobs")
	for i := range 3000 {
		jobs.Do(t, "SET", fmt.Sprint("other", i), "x")
	}
	r.configured("storm_jobs_partial", "storm.jobs.get[tcp://"+jobs.Addr+"]", r.config("Storm.ScanBudget=1"))

	// What real job systems left, see metrics/jobs/testdata/README.md.
	dump, err := os.ReadFile("../../metrics/jobs/testdata/job-systems.rdb")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dump.rdb"), dump, 0o600))
	queues := redistest.Start(t, redistest.Config{Args: []string{"--dir", dir}})
	queues.Do(t, "HSET", "host:1:abc", "beat", fmt.Sprintf("%d.5", time.Now().Unix()), "busy", "1", "quiet", "false", "rss", "100", "rtt_us", "100",
		"info", `{"hostname":"host","started_at":1700000000.1,"pid":1,"tag":"","concurrency":5,"queues":["default"],"labels":[],"identity":"host:1:abc"}`)
	queues.Do(t, "SADD", "processes", "host:1:abc")
	r.document("jobs_sidekiq", "job.get", queues.Addr+"/0")
	r.document("jobs_resque", "job.get", queues.Addr+"/1")
	r.document("jobs_bullmq", "job.get", queues.Addr+"/5")
	r.document("jobs_asynq", "job.get", queues.Addr+"/7")
	r.document("jobs_none", "job.get", queues.Addr+"/10")
	r.document("jobs_down", "job.get", master.Addr)
	between := startAgent(t)
	for range 2 {
		between.ask(t, "job.get[tcp://"+queues.Addr+"/0]")
		queues.Do(t, "RPUSH", "queue:default", `{"class":"Job","jid":"1","enqueued_at":`+fmt.Sprint(time.Now().Unix())+`}`)
	}
	r.write("jobs_growing", between.ask(t, "job.get[tcp://"+queues.Addr+"/0]"))

	asked := startAgent(t)
	r.write("redis_pool_idle", asked.ask(t, "redis.pool.get"))
	for _, addr := range []string{jobs.Addr, jobs.Addr, replica.Addr, master.Addr, master.Addr} {
		asked.ask(t, "redis.get[tcp://"+addr+"]")
	}
	r.write("redis_pool", asked.ask(t, "redis.pool.get"))
}

type recorder struct{ t *testing.T }

func replicaOf(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	return host + " " + port
}

// sentinel starts one and returns its address. It never says in its log that
// it is ready, which is what redistest waits for.
func (r recorder) sentinel() string {
	addr := ports.FreeAddr(r.t)
	_, port, _ := net.SplitHostPort(addr)
	conf := filepath.Join(r.t.TempDir(), "sentinel.conf")
	require.NoError(r.t, os.WriteFile(conf, []byte("port "+port+"\nbind 127.0.0.1\n"), 0o600))
	cmd := exec.Command("redis-server", conf, "--sentinel", "--logfile", "/dev/null")
	require.NoError(r.t, cmd.Start())
	r.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	r.until(func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return addr
}

func (r recorder) until(done func() bool) {
	r.t.Helper()
	require.Eventually(r.t, done, 20*time.Second, 50*time.Millisecond)
}

// jobs writes records in every status and layout.
func (r recorder) jobs(s *redistest.Server) {
	sec, _, _ := strings.Cut(s.Do(r.t, "TIME"), "\n")
	now, err := strconv.ParseInt(sec, 10, 64)
	require.NoError(r.t, err)
	at := func(ago int64) string { return strconv.FormatInt(now-ago, 10) }
	hash := func(job string, fields ...string) {
		s.Do(r.t, "SADD", "storm:jobs", job)
		s.Do(r.t, append([]string{"HSET", "storm:job:" + job}, fields...)...)
	}
	hash("wordcount", "status", "ACTIVE", "type", "topology", "updated_at", at(10), "started_at", at(86400),
		"processed", "123456789", "failed", "17", "emitted", "130000000", "lag", "42", "interval", "30",
		"expected", "ACTIVE", "host", "worker-1", "version", "2.8.8", "message", "")
	hash("paused", "status", "INACTIVE", "type", "topology", "updated_at", at(20), "expected", "ACTIVE")
	hash("moving", "status", "REBALANCING", "type", "topology", "updated_at", at(5))
	hash("killed", "status", "KILLED", "updated_at", at(4000))
	hash("stale", "status", "RUNNING", "updated_at", at(4000), "lag", "abc")
	hash("waiting", "status", "QUEUED", "updated_at", at(1))
	hash("odd", "status", "HM", "updated_at", at(1))
	hash(`it's "quoted"\`, "status", "ACTIVE", "updated_at", at(3), "processed", "7")
	s.Do(r.t, "SADD", "storm:jobs", "backup", "report", "gone", "broken")
	s.Do(r.t, "SET", "storm:job:backup", fmt.Sprintf(
		`{"status":"FAILED","type":"batch","started_at":%s,"finished_at":%s,"last_success_at":%s,"duration_ms":61500,"progress":73.5,"error":"disk full"}`,
		at(200), at(139), at(90000)))
	s.Do(r.t, "SET", "storm:job:report", fmt.Sprintf(`{"status":"DONE","finished_at":%s,"last_success_at":%s}`, at(60), at(60)))
	s.Do(r.t, "SET", "storm:job:broken", "\x80\x04\x95")
}

// config writes a configuration file and returns its path.
func (r recorder) config(lines ...string) string {
	path := filepath.Join(r.t.TempDir(), "redisjobs.conf")
	var text strings.Builder
	for _, l := range lines {
		text.WriteString("Plugins.RedisJobs." + l + "\n")
	}
	require.NoError(r.t, os.WriteFile(path, []byte(text.String()), 0o600))
	return path
}

// twice records the second answer of a plugin that remembers the first, long
// enough before for it to reckon what happens in a second.
func (r recorder) twice(name, addr string, between func()) {
	r.t.Helper()
	r.polledTwice(name, "redis.get[tcp://"+addr+"]", between)
}

func (r recorder) polledTwice(name, key string, between func()) {
	r.t.Helper()
	a := startAgent(r.t)
	a.ask(r.t, key)
	between()
	time.Sleep(31 * time.Second) // no rate is reckoned over less, see metrics/derived_history.go
	r.write(name, a.ask(r.t, key))
}

func (r recorder) document(name, key, addr string, more ...string) {
	r.t.Helper()
	r.configured(name, key+"["+strings.Join(append([]string{"tcp://" + addr}, more...), ",")+"]", "")
}

func (r recorder) configured(name, key, conf string) {
	r.t.Helper()
	value, err := plugin.Check(key, conf, "1.0.0")
	require.NoError(r.t, err)
	r.write(name, value)
}

// stormUI serves what a real Storm UI answered, see metrics/storm/testdata/ui-1.2.4.
func (r recorder) stormUI() string {
	pages := map[string]string{
		"/api/v1/cluster/summary": "cluster-summary", "/api/v1/topology/summary": "topology-summary",
		"/api/v1/topology/orders-1-1795266310": "topology", "/api/v1/topology/orders-1-1795266310/lag": "lag",
	}
	ui := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		page, ok := pages[request.URL.Path]
		if !ok {
			http.NotFound(w, request)
			return
		}
		http.ServeFile(w, request, filepath.Join("../../metrics/storm/testdata/ui-1.2.4", page+".json"))
	}))
	r.t.Cleanup(ui.Close)
	return ui.URL
}

// machine are members that tell of the machine on which they were recorded.
var machine = []struct {
	member *regexp.Regexp
	value  string
}{
	{regexp.MustCompile(`"executable":"[^"]*"`), `"executable":"/usr/bin/redis-server"`},
	{regexp.MustCompile(`"config_file":"[^"]*"`), `"config_file":""`},
	{regexp.MustCompile(`"os":"[^"]*"`), `"os":"Linux 6.1.0 x86_64"`},
}

// extras are all rows of storm_jobs_truncated that are only there to be many.
var extras = regexp.MustCompile(`\{"job":"extra[^{}]*\{\}\},?`)

func (r recorder) write(name, text string) {
	r.t.Helper()
	for _, m := range machine {
		text = m.member.ReplaceAllString(text, m.value)
	}
	text = strings.ReplaceAll(extras.ReplaceAllString(text, ""), "},]", "}]")
	var out bytes.Buffer
	require.NoError(r.t, json.Indent(&out, []byte(text), "", " "))
	out.WriteByte('\n')
	require.NoError(r.t, os.WriteFile(filepath.Join("testdata", name+".json"), out.Bytes(), 0o644))
}
