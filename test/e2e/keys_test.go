//go:build e2e && linux

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"

	"redisjobs/metrics"
	"redisjobs/metrics/item"
	"redisjobs/test/agent"
)

// way is one way to say in an item key which server is meant.
type way struct {
	conn, password, user string

	server *redistest.Server
	shown  string // what the answers call it
	tls    bool
	three  bool // database 3
}

// ways are all that lead to a server which is up.
func (w *world) ways() map[string]way {
	plain, secured := w.plain, w.secured
	return map[string]way{
		"nothing but Default":       {server: plain, shown: "tcp://" + plain.Addr},
		"a full URI":                {conn: "tcp://" + plain.Addr, server: plain, shown: "tcp://" + plain.Addr},
		"host and port":             {conn: plain.Addr, server: plain, shown: "tcp://" + plain.Addr},
		"a redis URI":               {conn: "redis://" + plain.Addr + "/3", server: plain, shown: "tcp://" + plain.Addr + "/3", three: true},
		"a URI and a password":      {conn: secured.Addr, password: secretInKey, server: secured, shown: "tcp://" + secured.Addr},
		"a URI, password and user":  {conn: secured.Addr, password: secretInKey, user: "reader", server: secured, shown: "tcp://" + secured.Addr},
		"a path and a password":     {conn: secured.Socket, password: secretInKey, server: secured, shown: "unix://" + secured.Socket},
		"a session":                 {conn: "Plain", server: plain, shown: "Plain (tcp://" + plain.Addr},
		"a session, password":       {conn: "Secret", server: secured, shown: "Secret ("},
		"a session, ACL user":       {conn: "Reader", server: secured, shown: "Reader ("},
		"a session, password file":  {conn: "ByFile", server: secured, shown: "ByFile ("},
		"a session, unix socket":    {conn: "Socket", server: secured, shown: "Socket (unix://"},
		"a session, verify_ca":      {conn: "TlsCa", server: secured, shown: "TlsCa (rediss://", tls: true},
		"a session, verify_full":    {conn: "TlsFull", server: secured, shown: "TlsFull (rediss://", tls: true},
		"a session, client cert":    {conn: "TlsClient", server: secured, shown: "TlsClient (rediss://", tls: true},
		"a session, database":       {conn: "ThreeOption", server: secured, shown: "ThreeOption (tcp://" + secured.Addr + "/3", three: true},
		"a session, database (URI)": {conn: "ThreeInUri", server: plain, shown: "/3", three: true},
	}
}

// itemKey writes a metric's item key, its own parameters by their names.
func itemKey(m *item.Metric, conn, password, user string, own map[string]string) string {
	var params []string
	for _, p := range m.Params {
		value := own[p.Name]
		switch p.Kind {
		case item.ParamConn:
			value = conn
		case item.ParamPassword:
			value = password
		case item.ParamUser:
			value = user
		}
		params = append(params, value)
	}
	if len(params) == 0 {
		return m.Key
	}
	return m.Key + "[" + strings.TrimRight(strings.Join(params, ","), ",") + "]"
}

// keyRow is how a key is asked for and what a sensible value of it is. A key
// without a row is asked without parameters of its own; see checkAnswer.
type keyRow struct {
	own   map[string]string
	check func(t *testing.T, w *world, by way, value string)
}

var keyRows = map[string]keyRow{
	"redis.server.info":          {check: checkInfo},
	"redis.server.config":        {check: checkConfig},
	"redis.server.ping":          {check: func(t *testing.T, _ *world, _ way, value string) { require.Equal(t, "1", value) }},
	"redis.server.slowlog.count": {check: checkSlowlogCount},
	"redis.get":                  {check: checkGet},
	"redis.status":               {check: checkStatus},
	"redis.cluster.get":          {check: checkNoCluster},
	"redis.sentinel.get":         {check: checkNoSentinel},
	"redis.command":              {own: map[string]string{"Command": "SCARD", "Arg1": "storm:jobs"}, check: checkCommand},
	"redis.slowlog.get":          {check: checkSlowlogGet},
	"redis.latency.get":          {check: checkLatency},
	"redis.clients.get":          {check: checkClients},
	"redis.key.get":              {own: map[string]string{"Key": "storm:job:wordcount"}, check: checkKey},
	"redis.key.length":           {own: map[string]string{"Key": "storm:job:wordcount"}, check: answers("5")},
	"redis.key.ttl":              {own: map[string]string{"Key": "storm:job:wordcount"}, check: answers("-1")},
	"redis.key.value": {
		own:   map[string]string{"Key": "storm:job:wordcount", "Member": "status"},
		check: answers("ACTIVE"),
	},
	"redis.keys.count":          {own: map[string]string{"Pattern": "storm:job:*"}, check: checkKeysCount},
	"redis.keyspace.sample":     {check: checkKeyspace},
	"redis.keys.discovery":      {own: map[string]string{"Pattern": "storm:job:*"}, check: checkKeysDiscovery},
	"redis.streams.get":         {own: map[string]string{"Pattern": "*"}, check: checkStreams},
	"redis.stream.get":          {own: map[string]string{"Key": "storm:job:stream"}, check: checkNoStream},
	"redis.search.get":          {check: checkNoSearch},
	"redis.hot.get":             {check: checkNothingHot},
	"redis.group.get":           {own: map[string]string{"Sessions": "Plain Secret"}, check: checkGroup},
	"redis.instances.discovery": {check: checkInstances},
	"redis.instances.get":       {check: checkInstancesGet},
	"redis.sessions.discovery":  {check: checkSessions},
	"redis.pool.get":            {check: checkPool},
	"storm.job.status": {
		own:   map[string]string{"Job": "wordcount"},
		check: func(t *testing.T, _ *world, _ way, value string) { require.Equal(t, "1", value) },
	},
	"storm.job.get":       {own: map[string]string{"Job": "export"}, check: checkJob},
	"storm.jobs.get":      {check: checkJobs},
	"storm.job.discovery": {check: checkJobDiscovery},
	"job.get":             {check: checkJobSystems},
	"job.failures.get":    {check: checkJobFailures},
	"job.queue.get":       {own: map[string]string{"System": "sidekiq", "Queue": "default"}, check: checkJobQueue},
}

// webRows are the keys that read a Storm UI alone.
var webRows = map[string]keyRow{
	"storm.cluster.get": {check: checkStormCluster},
}

// TestEveryKeyCanBeAsked fails for a key that no test here can ask an agent for.
func TestEveryKeyCanBeAsked(t *testing.T) {
	for _, m := range metrics.All() {
		if m.Web == item.WebOnly {
			_, ok := webRows[m.Key]
			assert.True(t, ok, "test/e2e/keys_test.go: %s needs a row in webRows: it reads a Storm UI alone", m.Key)
			continue
		}
		for _, p := range m.Params {
			assert.True(t, !p.Required || keyRows[m.Key].own[p.Name] != "",
				"test/e2e/keys_test.go: %s needs a row in keyRows: its parameter %s is required", m.Key, p.Name)
		}
	}
	for key := range keyRows {
		_, ok := metrics.Lookup(key)
		assert.True(t, ok, "test/e2e/keys_test.go: the row %s of keyRows has no key", key)
	}
}

// testedMetrics are those that read a Redis.
func testedMetrics() []*item.Metric {
	return slices.DeleteFunc(metrics.All(), func(m *item.Metric) bool { return m.Web == item.WebOnly })
}

// rowOf is the row of a key, or what stands for one.
func rowOf(key string) keyRow {
	row := keyRows[key]
	if row.check == nil {
		row.check = checkAnswer
	}
	return row
}

// checkAnswer wants a value, and of a document that nothing is missing.
func checkAnswer(t *testing.T, _ *world, by way, value string) {
	require.NotEmpty(t, value)
	if strings.HasPrefix(value, "{") {
		checkHead(t, by, parse(t, value))
	}
}

// checkGroup: the two servers have nothing to do with each other.
func checkGroup(t *testing.T, _ *world, _ way, value string) {
	o := parse(t, value)
	require.Equal(t, 2.0, o["answered"], "%s", value)
	require.Equal(t, 2.0, o["primaries"])
	require.Contains(t, o["summary"], "2 primaries (Plain, Secret): they have no history of writes in common")
}

func checkInfo(t *testing.T, w *world, by way, value string) {
	o := parse(t, value)
	require.Equal(t, w.runID(t, by.server), o.in(t, "Server")["run_id"])
	require.Equal(t, "master", o.in(t, "Replication")["role"])
	require.Contains(t, o.in(t, "Keyspace"), "db3")
	require.NotContains(t, o, "Commandstats", "it is no part of the section default")
}

func (w *world) runID(t *testing.T, s *redistest.Server) string {
	return s.InfoField(t, "server", "run_id")
}

func checkConfig(t *testing.T, w *world, by way, value string) {
	o := parse(t, value)
	require.Greater(t, len(o), 150)
	require.Equal(t, "10000", o["maxclients"])
	password := ""
	if by.server == w.secured {
		password = "***"
	}
	require.Equal(t, password, o["requirepass"])
}

func checkSlowlogCount(t *testing.T, w *world, by way, value string) {
	require.Equal(t, w.slowlog[by.server], value)
}

// checkHead wants a document of a target that is up, with nothing missing.
func checkHead(t *testing.T, by way, o object) {
	t.Helper()
	require.EqualValues(t, 1, o["schema_version"])
	require.EqualValues(t, 1, o["up"], "%v", o)
	require.Equal(t, "", o["reason"])
	require.Equal(t, "", o["error"])
	require.Contains(t, o["target"], by.shown)
	require.Empty(t, o.in(t, "unavailable"), "the documented rights are enough")
}

func checkGet(t *testing.T, w *world, by way, value string) {
	o := parse(t, value)
	checkHead(t, by, o)
	require.Equal(t, "master", o["role"])
	require.Equal(t, w.runID(t, by.server), o.in(t, "server")["run_id"])
	require.Positive(t, o.in(t, "memory").number(t, "used_memory"))
	require.Positive(t, o.in(t, "clients").number(t, "connected_clients"))
	require.Positive(t, o.in(t, "stats").number(t, "total_connections_received"))
	require.GreaterOrEqual(t, o.in(t, "cpu").number(t, "used_cpu_user"), 0.0)
	require.Zero(t, o.in(t, "persistence").number(t, "loading"))
	require.Zero(t, o.in(t, "replication").number(t, "connected_slaves"))
	require.Empty(t, o.in(t, "replication").rows(t, "replicas"))
	keyspace := o.rows(t, "keyspace")
	require.EqualValues(t, 7, row(t, keyspace, "db", "db0").number(t, "keys"))
	require.EqualValues(t, 8, row(t, keyspace, "db", "db3").number(t, "keys"))
	require.Positive(t, row(t, o.rows(t, "commandstats"), "command", "info").number(t, "calls"))
	require.NotEmpty(t, o.rows(t, "latencystats"))
	require.Contains(t, o, "errorstats")
	require.EqualValues(t, 10000, o.in(t, "config").number(t, "maxclients"))
	require.Zero(t, o.in(t, "config").number(t, "maxmemory"))
	slowlog := o.in(t, "slowlog")
	require.GreaterOrEqual(t, slowlog.number(t, "length"), 5.0)
	require.Equal(t, w.slowlog[by.server], fmt.Sprint(slowlog.number(t, "last_id")+1))
}

func checkStatus(t *testing.T, w *world, by way, value string) {
	o := parse(t, value)
	checkHead(t, by, o)
	require.Equal(t, "master", o["role"])
	require.Equal(t, "standalone", o["mode"])
	require.Equal(t, "redis", o["flavour"])
	require.Equal(t, by.server.InfoField(t, "server", "redis_version"), o["version"])
	require.Positive(t, o.in(t, "time").number(t, "round_trip"))
	require.Less(t, o.in(t, "time").number(t, "round_trip"), 3.0)
	require.Positive(t, o.in(t, "time").number(t, "connect"))
	if by.tls {
		require.InDelta(t, 30, o.in(t, "tls").number(t, "cert_days_left"), 0.1)
	} else {
		require.NotContains(t, o, "tls")
	}
}

func checkNoCluster(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	checkHead(t, by, o)
	require.Zero(t, o.number(t, "cluster_enabled"))
}

// checkNoSentinel wants a server that is no sentinel to be told so; test/topology
// has real ones.
func checkNoSentinel(t *testing.T, _ *world, _ way, value string) {
	o := parse(t, value)
	require.Zero(t, o.number(t, "up"))
	require.Contains(t, o["error"], "this is a server, not a sentinel")
}

// answers wants a single value.
func answers(want string) func(t *testing.T, w *world, by way, value string) {
	return func(t *testing.T, _ *world, _ way, value string) { require.Equal(t, want, value) }
}

// checkSlowlogGet cannot know whether its poll is the first of the target.
func checkSlowlogGet(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	checkHead(t, by, o)
	require.GreaterOrEqual(t, o.number(t, "length"), 5.0)
	entries := o.rows(t, "entries")
	require.EqualValues(t, len(entries), o["count"])
	if o["first"] == true {
		require.Equal(t, "ping", row(t, entries, "command", "ping")["command"])
	}
	require.NotContains(t, value, `"args"`)
}

func checkLatency(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	checkHead(t, by, o)
	require.Positive(t, row(t, o.rows(t, "commands"), "command", "hset").number(t, "p99"))
}

func checkClients(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	checkHead(t, by, o)
	require.Positive(t, o.number(t, "total"))
	require.Positive(t, row(t, o.rows(t, "by_name"), "name", "zabbix_redisjobs").number(t, "count"))
}

func checkKey(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	checkHead(t, by, o)
	require.Equal(t, true, o["exists"])
	require.Equal(t, "hash", o["type"])
	require.EqualValues(t, 5, o.number(t, "length"))
	require.Positive(t, o.number(t, "memory"))
}

func checkKeysCount(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	checkHead(t, by, o)
	jobs := 3
	if by.three {
		jobs = 4
	}
	require.EqualValues(t, jobs, o.number(t, "count"))
	require.Equal(t, true, o["complete"])
}

// checkKeyspace cannot know whether a pass has been finished yet; the tests of
// the plugin wait for one.
func checkKeyspace(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	require.EqualValues(t, 1, o["up"], "%v", o)
	require.Contains(t, o["target"], by.shown)
	if _, finished := o["finished"]; !finished {
		require.Contains(t, o.in(t, "pass")["state"], "ing")
		require.Contains(t, o.in(t, "unavailable")["keys"], "the first pass over the keys")
		return
	}
	require.Empty(t, o.in(t, "unavailable"))
	require.Positive(t, o.number(t, "keys"))
}

// checkKeysDiscovery waits for no pass: a small database is searched by the first
// check, unless the machine is busy.
func checkKeysDiscovery(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	require.EqualValues(t, 1, o["up"], "%v", o)
	require.Contains(t, o["target"], by.shown)
	if _, finished := o["finished"]; !finished {
		require.Contains(t, o.in(t, "unavailable")["keys"], "the first pass over the keys")
		return
	}
	require.Empty(t, o.in(t, "unavailable"))
	jobs := 3
	if by.three {
		jobs = 4
	}
	require.EqualValues(t, jobs, o.number(t, "count"))
	require.Len(t, o["keys"], jobs)
}

func checkStreams(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	require.EqualValues(t, 1, o["up"], "%v", o)
	require.Contains(t, o["target"], by.shown)
	if _, finished := o["finished"]; !finished {
		require.Contains(t, o.in(t, "unavailable")["streams"], "the first pass over the keys")
		return
	}
	require.Empty(t, o.in(t, "unavailable"))
	require.Zero(t, o.number(t, "count"))
	require.Empty(t, o["streams"])
}

func checkNoStream(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	checkHead(t, by, o)
	require.Equal(t, false, o["exists"])
	require.Zero(t, o.number(t, "length"))
}

func checkNoSearch(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	unavailable := o.in(t, "unavailable")
	require.Contains(t, unavailable["indexes"], "there are no search commands here")
	delete(unavailable, "indexes")
	checkHead(t, by, o)
	require.Equal(t, "server", o["view"])
	require.NotContains(t, o, "indexes")
}

// checkNothingHot: the servers are older than Redis 8.6, and in no cluster.
func checkNothingHot(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	unavailable := o.in(t, "unavailable")
	require.Contains(t, unavailable["keys"], "does not track hot keys")
	require.Contains(t, unavailable["slots"], "no node of a cluster")
	delete(unavailable, "keys")
	delete(unavailable, "slots")
	checkHead(t, by, o)
}

func checkCommand(t *testing.T, _ *world, by way, value string) {
	jobs := "3"
	if by.three {
		jobs = "4"
	}
	require.Equal(t, jobs, value)
}

func checkSessions(t *testing.T, w *world, _ way, value string) {
	var names []string
	for _, r := range parseRows(t, value) {
		names = append(names, r["{#SESSION}"].(string))
		require.Regexp(t, `^(tcp|unix|rediss)://`, r["{#URI}"])
	}
	require.Equal(t, w.names, names)
}

func checkInstances(t *testing.T, w *world, _ way, value string) {
	found := row(t, parseRows(t, value), "{#URI}", "tcp://"+w.plain.Addr)
	require.Equal(t, "redis", found["{#TYPE}"])
}

func checkInstancesGet(t *testing.T, w *world, _ way, value string) {
	found := row(t, parse(t, value).rows(t, "instances"), "uri", "tcp://"+w.plain.Addr)
	require.Equal(t, "redis", found["type"])
	require.Positive(t, found.number(t, "pid"))
}

func checkPool(t *testing.T, _ *world, _ way, value string) {
	o := parse(t, value)
	require.EqualValues(t, 2, o.in(t, "limits").number(t, "per_target"))
	require.LessOrEqual(t, o.number(t, "in_use"), o.number(t, "open"))
	require.GreaterOrEqual(t, o.in(t, "counters").number(t, "dials"), o.number(t, "open"))
	require.Positive(t, o.in(t, "process").number(t, "rss"))
	for _, r := range o.rows(t, "targets") {
		require.LessOrEqual(t, r.number(t, "open"), 2.0, "%v", r)
	}
}

func checkJob(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	checkHead(t, by, o)
	require.Equal(t, "export", o["job"])
	require.Equal(t, "storm:job:export", o["key"])
	require.EqualValues(t, 5, o["status"])
	require.Equal(t, "FAILED", o["status_text"])
	require.Equal(t, "disk full", o["message"])
	require.InDelta(t, 600, o.number(t, "age"), 300)
}

func checkJobs(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	checkHead(t, by, o)
	want := map[string]float64{"active": 1, "failed": 1, "stale": 1}
	count := 3
	if by.three {
		want["success"], count = 1, 4
	}
	require.EqualValues(t, count, o["count"])
	jobs := o.rows(t, "jobs")
	require.Len(t, jobs, count)
	require.Equal(t, "STALE", row(t, jobs, "job", "clicks")["status_text"])
	require.EqualValues(t, 184220, row(t, jobs, "job", "wordcount")["processed"])
	for name, n := range o.in(t, "by_status") {
		require.Equal(t, want[name], n, name)
	}
}

func checkJobDiscovery(t *testing.T, _ *world, by way, value string) {
	rows := parseRows(t, value)
	wordcount := row(t, rows, "{#JOB}", "wordcount")
	require.Equal(t, "topology", wordcount["{#TYPE}"])
	require.EqualValues(t, 3600, wordcount["{#INTERVAL}"])
	names := 3
	if by.three {
		names = 4
		row(t, rows, "{#JOB}", "only-in-three")
	}
	require.Len(t, rows, names)
}

func checkJobSystems(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	checkHead(t, by, o)
	require.EqualValues(t, 1, o["count"])
	sidekiq := row(t, o.rows(t, "systems"), "id", "sidekiq/")
	require.EqualValues(t, 1, sidekiq["waiting"])
	require.EqualValues(t, 0, sidekiq["workers_alive"])
	require.EqualValues(t, 1, row(t, o.rows(t, "queues"), "id", "sidekiq//default")["waiting"])
}

func checkJobFailures(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	checkHead(t, by, o)
	sidekiq := row(t, o.rows(t, "systems"), "id", "sidekiq/")
	require.EqualValues(t, 0, sidekiq["failed"])
	require.EqualValues(t, 0, sidekiq["unreadable"])
}

func checkJobQueue(t *testing.T, _ *world, by way, value string) {
	o := parse(t, value)
	checkHead(t, by, o)
	require.EqualValues(t, 1, o["waiting"])
	require.InDelta(t, 60, o.number(t, "latency"), 59)
}

// forms of the items that the aliases lead here.
var aliasForms = []struct {
	key   string // CONN stands for the server
	check func(t *testing.T, w *world, by way, value string)
}{
	{"redis.info", checkInfo},
	{"redis.info[]", checkInfo},
	{"redis.info[CONN]", checkInfo},
	{"redis.info[CONN,,server]", func(t *testing.T, w *world, by way, value string) {
		o := parse(t, value)
		require.Len(t, o, 1)
		require.Equal(t, w.runID(t, by.server), o.in(t, "Server")["run_id"])
	}},
	{"redis.config", checkConfig},
	{"redis.config[]", checkConfig},
	{"redis.config[CONN]", checkConfig},
	{`redis.config["CONN",,"maxmemory*"]`, func(t *testing.T, _ *world, _ way, value string) {
		require.Equal(t, "noeviction", parse(t, value)["maxmemory-policy"])
	}},
	{"redis.config[CONN,,maxclients]", func(t *testing.T, _ *world, _ way, value string) { require.Equal(t, "10000", value) }},
	{"redis.ping", keyRows["redis.server.ping"].check},
	{"redis.ping[]", keyRows["redis.server.ping"].check},
	{"redis.ping[CONN]", keyRows["redis.server.ping"].check},
	{"redis.slowlog.count", checkSlowlogCount},
	{"redis.slowlog.count[]", checkSlowlogCount},
	{"redis.slowlog.count[CONN]", checkSlowlogCount},
}

func TestEveryKeyAnswersInEveryAgent(t *testing.T) {
	w := newWorld(t)
	eachAgent(t, func(t *testing.T, a agent.Agent) {
		r := start(t, a, setup{plugin: agent.Plugin(t), lines: w.sessions, debugLevel: "4"})

		for name, by := range w.ways() {
			t.Run(name, func(t *testing.T) {
				for _, m := range testedMetrics() {
					row := rowOf(m.Key)
					row.check(t, w, by, r.value(t, itemKey(m, by.conn, by.password, by.user, row.own)))
				}
			})
		}
		t.Run("the database is the session's", func(t *testing.T) {
			require.Equal(t, "6", r.value(t, "storm.job.status[ThreeOption,,,only-in-three]"))
			require.Equal(t, "6", r.value(t, "storm.job.status[ThreeInUri,,,only-in-three]"))
			require.Equal(t, "9", r.value(t, "storm.job.status[Plain,,,only-in-three]"))
		})
		t.Run("a Storm UI", func(t *testing.T) { stormUI(t, w, r) })
		t.Run("the built-in plugin's keys", func(t *testing.T) {
			for _, form := range aliasForms {
				for _, conn := range []string{"Plain", w.plain.Addr, "tcp://" + w.plain.Addr} {
					key := strings.ReplaceAll(form.key, "CONN", conn)
					form.check(t, w, way{server: w.plain}, r.value(t, key))
				}
			}
		})
		t.Run("bad input", func(t *testing.T) { badInput(t, w, r) })
		t.Run("a bad target touches no other", func(t *testing.T) {
			targets := r.document(t, "redis.pool.get").rows(t, "targets")
			for _, name := range []string{"Plain", "Secret", "Reader", "Socket", "TlsCa", "TlsFull", "ThreeOption"} {
				i := slices.IndexFunc(targets, func(r object) bool { return strings.HasPrefix(r["target"].(string), name+" (") })
				require.GreaterOrEqual(t, i, 0, name)
				target := targets[i]
				require.EqualValues(t, 1, target["up"], "%v", target)
				counters := target.in(t, "counters")
				require.LessOrEqual(t, counters.number(t, "dials"), 2.0,
					"one connection for all, and one for what comes while the keys are looked at: %v", target)
				require.Zero(t, counters.number(t, "dial_errors"), "%v", target)
				require.Zero(t, counters.number(t, "closed_total"), "%v", target)
				require.Greater(t, counters.number(t, "reuses"), 5.0, "%v", target)
			}
		})
		r.servingPID(t)
		r.Stop(t)
		noSecrets(t, r)
	})
}

// noSecrets looks at all that the agent has answered and logged. The passwords
// in item keys are in the agent's own log lines, but must not be in ours.
func noSecrets(t *testing.T, r *asked) {
	t.Helper()
	log := r.Log()
	require.Contains(t, log, "redis.server.info", "the agent logs in detail")
	for _, secret := range []string{secretDefault, secretReader, secretPinger, secretWrong, secretToken} {
		require.False(t, strings.Contains(log, secret), "%s is in the log", secret)
	}
	require.NotEmpty(t, r.answers)
	for _, secret := range []string{secretDefault, secretReader, secretPinger, secretWrong, secretToken, secretInKey, wrongInKey, secretInURI} {
		for _, text := range append(r.pluginLines(), r.answers...) {
			require.NotContains(t, text, secret)
		}
	}
}
