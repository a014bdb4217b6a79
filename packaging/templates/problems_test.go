package templates

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// problems are the triggers that would fire when the items had these answers
// for long: last values by item key; change is what differs from them.
func problems(t *testing.T, d *document, texts map[string]string, now float64, change, macros map[string]string) []string {
	t.Helper()
	type scope struct {
		rule *rule
		row  map[string]string
	}
	value := func(key string, row map[string]string) (string, bool) {
		i := d.byKey[key]
		for name, v := range row {
			key = strings.ReplaceAll(key, name, v)
		}
		if v, ok := change[key]; ok {
			return v, true
		}
		text, ok := texts[d.root(t, i)]
		if !ok || i.Type == "CALCULATED" {
			return "", false
		}
		o := d.value(i, text, row)
		require.NoError(t, o.err, key)
		if slices.Contains(stepKinds(i.Preprocessing), "CHANGE_PER_SECOND") {
			return "0", !o.discarded // nothing changes
		}
		return o.value, !o.discarded
	}
	scopes := []scope{{}}
	for _, r := range d.Rules {
		master := texts[r.Key]
		if r.Type == "DEPENDENT" {
			master = texts[d.root(t, d.byKey[r.MasterItem.Key])]
		}
		if master == "" {
			continue
		}
		rows, _ := r.discovered(t, master)
		for _, row := range rows {
			scopes = append(scopes, scope{r, row})
		}
	}
	var out []string
	for _, s := range scopes {
		for _, tr := range d.triggers {
			if tr.rule != s.rule {
				continue
			}
			macro := func(name string) string { return cmp.Or(macros[name], d.macroValue(name)) }
			result, _ := evaluate(t, tr.Expression, macro, func(c call) any {
				if c.fn == "now" {
					return now
				}
				if len(c.args) > 0 && strings.HasSuffix(c.args[0], `:"gone"}`) {
					return 1.0 // it was there before
				}
				v, known := value(c.key, s.row)
				for i, a := range c.args {
					if strings.HasPrefix(a, "{$") {
						c.args[i] = d.macroValue(a)
					}
				}
				got, ok := constant(c, v, known, now)
				require.True(t, ok, c.fn)
				return got
			})
			if math.IsNaN(result) || result == 0 {
				continue
			}
			name := tr.Name
			for m, v := range s.row {
				name = strings.ReplaceAll(name, m, v)
			}
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// TestProblems gives recorded answers to the triggers and says which of them
// must fire; a dependency would hide those below another.
func TestProblems(t *testing.T) {
	t.Parallel()
	texts := map[string]string{}
	for _, list := range answers(t) {
		for _, a := range list {
			texts[a.name] = a.text
		}
	}
	docs := map[string]*document{}
	for _, d := range load(t) {
		docs[d.Name] = d
	}
	var secure struct {
		TLS struct {
			NotAfter float64 `json:"cert_not_after"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(texts["redis_get_tls"]), &secure))
	ends := secure.TLS.NotAfter
	const redis, jobs, pool, sentinel = "Redis by RedisJobs", "Storm jobs by RedisJobs", "RedisJobs plugin health", "Redis Sentinel by RedisJobs"
	const day = 86400
	restarted := "Redis: Server was restarted" // every recorded server had just been started
	var replica string
	rows, _ := docs[redis].rule(t, "rj.redis.replica.discovery").discovered(t, texts["redis_get_master"])
	require.Len(t, rows, 1)
	replica = rows[0]["{#IP}"] + ":" + rows[0]["{#PORT}"]
	for _, tt := range []struct {
		name     string
		template string
		get      string
		now      float64
		change   map[string]string
		macros   map[string]string
		want     []string
	}{
		{name: "a healthy master", template: redis, get: "redis_get_master", want: []string{restarted}},
		{name: "a healthy replica", template: redis, get: "redis_get_replica", want: []string{restarted}},
		{name: "an empty server without a limit, of great fragmentation", template: redis, get: "redis_get_empty", want: []string{restarted}},
		{name: "a node of a cluster", template: redis, get: "redis_get_cluster", want: []string{restarted}},
		{name: "a sentinel, which does not have all commands", template: redis, get: "redis_get_sentinel", want: []string{restarted}},
		{name: "a server that is down", template: redis, get: "redis_get_down", want: []string{"Redis: Server is down"}},
		{name: "a wrong password", template: redis, get: "redis_get_auth", want: []string{"Redis: Server is down"}},
		{name: "no answer at all", template: redis, want: []string{"Redis: No data from the plugin"}},
		{name: "a server that answers only PING", template: redis, get: "redis_get_only_ping", want: []string{"Redis: Some metrics are unavailable"}},
		{name: "a replica that serves nothing without its master", template: redis, get: "redis_get_masterdown",
			want: []string{"Redis: Link to the master is down", "Redis: Server is down", restarted}},
		{name: "a user without all permissions", template: redis, get: "redis_get_acl",
			want: []string{restarted, "Redis: Some metrics are unavailable"}},
		{name: "a replica without its master", template: redis, get: "redis_get_link_down",
			want: []string{"Redis: Link to the master is down", restarted}},
		{name: "a former replica whose link's last value was broken", template: redis, get: "redis_get_link_down",
			change: map[string]string{"rj.redis.role": "master"}, want: []string{restarted}},
		{name: "a lost replica", template: redis, get: "redis_get_master",
			change: map[string]string{`rj.redis.replica.online["` + replica + `"]`: "0"},
			want:   []string{"Redis: Replica " + replica + " is lost or out of sync", restarted}},
		{name: "a former master whose replicas went elsewhere", template: redis, get: "redis_get_master",
			change: map[string]string{`rj.redis.replica.online["` + replica + `"]`: "0", "rj.redis.role": "replica"}, want: []string{restarted}},
		{name: "a replica that lags", template: redis, get: "redis_get_master",
			change: map[string]string{`rj.redis.replica.lag["` + replica + `"]`: "31", `rj.redis.replica.lag_bytes["` + replica + `"]`: "67108865"},
			want:   []string{"Redis: Replica " + replica + " is behind", "Redis: Replica " + replica + " lags", restarted}},
		{name: "a full memory", template: redis, get: "redis_get_master",
			change: map[string]string{"rj.redis.memory.pused": "97"},
			want:   []string{"Redis: Memory is near its limit", "Redis: Memory limit is reached", restarted}},
		{name: "a memory without a limit that fills the machine", template: redis, get: "redis_get_empty",
			change: map[string]string{"rj.redis.memory.pused": "90"},
			want:   []string{"Redis: Memory has no limit and the host is running out of memory", restarted}},
		{name: "a fragmented memory of some size", template: redis, get: "redis_get_master",
			change: map[string]string{"rj.redis.memory.frag.ratio": "2", "rj.redis.memory.frag.bytes": "1073741824"},
			want:   []string{"Redis: Memory is fragmented", restarted}},
		{name: "a fragmented memory of no size", template: redis, get: "redis_get_master",
			change: map[string]string{"rj.redis.memory.frag.ratio": "9", "rj.redis.memory.frag.bytes": "10000000"}, want: []string{restarted}},
		{name: "failed saves and writes", template: redis, get: "redis_get_master",
			change: map[string]string{"rj.redis.rdb.ok": "0", "rj.redis.aof.write_ok[]": "0", "rj.redis.aof.rewrite_ok[]": "0"},
			want:   []string{"Redis: AOF rewrite failed", "Redis: AOF write failed", "Redis: RDB save failed", restarted}},
		{name: "counters that stand high and still", template: redis, get: "redis_get_master",
			change: map[string]string{"rj.redis.connections.rejected": "1000", "rj.redis.fork": "9"}, want: []string{restarted}},
		{name: "a cache that is full", template: redis, get: "redis_get_master",
			change: map[string]string{"rj.redis.memory.pused": "100", "rj.redis.memory.policy": "allkeys-lru", "rj.redis.evicted.rate": "100"}, want: []string{restarted}},
		{name: "a full memory whose problem is switched off", template: redis, get: "redis_get_master",
			change: map[string]string{"rj.redis.memory.pused": "97"}, macros: map[string]string{`{$REDIS.CHECK:"Memory limit is reached"}`: "0"},
			want: []string{"Redis: Memory is near its limit", restarted}},
		{name: "load", template: redis, get: "redis_get_master", macros: map[string]string{"{$REDIS.EVICTED.RATE.MAX.WARN}": "0.5"},
			change: map[string]string{"rj.redis.evicted.rate": "1", "rj.redis.clients.pused": "81", "rj.redis.slowlog.rate": "0.2", "rj.redis.time.round_trip": "0.2",
				`rj.redis.error.rate["OOM"]`: "1"},
			want: []string{"Redis: Response time is high", "Redis: Number of clients is near the limit", "Redis: Keys are evicted", restarted, "Redis: Too many slow commands"}},
		{name: "a main thread and a disk that cannot keep up", template: redis, get: "redis_get_master",
			change: map[string]string{"rj.redis.cpu.main": "86", "rj.redis.rdb.running_for": "3601", "rj.redis.aof.rewriting_for[]": "3601", "rj.redis.aof.fsync_delayed[]": "0.1"},
			want:   []string{"Redis: AOF fsyncs are delayed", "Redis: AOF rewrite takes too long", "Redis: Main thread is busy", "Redis: RDB save takes too long", restarted}},
		{name: "a save and a rewrite as they should be", template: redis, get: "redis_get_saving", want: []string{restarted}},
		{name: "a server that loads its data", template: redis, get: "redis_get_loading",
			want: []string{"Redis: Link to the master is down", "Redis: Server is down", restarted}},
		{name: "a certificate for long", template: redis, get: "redis_get_tls", now: ends - 20*day, want: []string{restarted}},
		{name: "a certificate not for long", template: redis, get: "redis_get_tls", now: ends - 13*day,
			want: []string{"Redis: TLS certificate expires soon", restarted}},
		{name: "a certificate of the past", template: redis, get: "redis_get_tls", now: ends + 1,
			want: []string{"Redis: TLS certificate expires soon", "Redis: TLS certificate has expired", restarted}},

		{name: "jobs in every status", template: jobs, get: "storm_jobs", want: []string{
			"Storm: Job backup failed", "Storm: Job broken has an unreadable record",
			"Storm: Job gone is missing", "Storm: Job moving has been rebalancing for too long", `Storm: Job it's "quoted"\ makes no progress`,
			"Storm: Job paused is stopped but should be active", "Storm: Job stale has an unreadable record", "Storm: Job stale is stale",
			"Storm: Job wordcount makes no progress"}},
		{name: "jobs at work", template: jobs, get: "storm_jobs_empty"},
		{name: "a topology of a Storm UI", template: jobs, get: "storm_jobs_ui"},
		{name: "no record store", template: jobs, get: "storm_jobs_down", want: []string{"Storm: Job records cannot be read"}},
		{name: "no answer about jobs", template: jobs, want: []string{"Storm: No data from the plugin"}},
		{name: "too many keys to search", template: jobs, get: "storm_jobs_partial", want: []string{"Storm: Search for jobs is incomplete"}},
		{name: "too many jobs", template: jobs, get: "storm_jobs_truncated", want: []string{
			"Storm: Job backup failed", "Storm: Job broken has an unreadable record", "Storm: Some jobs are truncated"}},

		{name: "sentinels at work", template: sentinel, get: "redis_sentinel_ok"},
		{name: "the last server after a failover", template: sentinel, get: "redis_sentinel_failed_over",
			want: []string{"Sentinel: Master mymaster has too few replicas", "Sentinel: Replicas of mymaster are unreachable"}},
		{name: "an old master that stays away, with a replica left", template: sentinel, get: "redis_sentinel_failed_over",
			change: map[string]string{`rj.sentinel.master.replicas["mymaster"]`: "1"}, want: []string{"Sentinel: Replicas of mymaster are unreachable"}},

		{name: "an idle plugin", template: pool, get: "redis_pool_idle", want: []string{"RedisJobs: Plugin was restarted"}},
		{name: "a failing target", template: pool, get: "redis_pool", want: []string{"RedisJobs: Plugin was restarted", "RedisJobs: Targets are failing"}},
		{name: "no plugin", template: pool, want: []string{"RedisJobs: No data from the plugin"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			given := map[string]string{}
			root := map[string]string{redis: "redis.get", jobs: "storm.jobs.get", pool: "redis.pool.get", sentinel: "redis.sentinel.get"}[tt.template]
			if tt.get != "" {
				require.NotEmpty(t, texts[tt.get])
				given[root] = texts[tt.get]
			}
			got := problems(t, docs[tt.template], given, tt.now, tt.change, tt.macros)
			slices.Sort(tt.want)
			require.Equal(t, tt.want, got)
		})
	}
}

func (d *document) rule(t *testing.T, key string) *rule {
	t.Helper()
	for _, r := range d.Rules {
		if r.Key == key {
			return r
		}
	}
	require.Fail(t, "no rule "+key)
	return nil
}
