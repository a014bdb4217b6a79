//go:build e2e && linux

package e2e

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
)

// downRow is a target that cannot be asked.
type downRow struct {
	conn, password, user string

	reason string
	target string // as the answers call it
	cause  string // what they say
}

func (w *world) down() map[string]downRow {
	return map[string]downRow{
		"a closed port":                {conn: "Closed", reason: "tcp", target: "Closed (tcp://" + w.closed + ")", cause: "connection refused"},
		"a closed port in a URI":       {conn: "tcp://" + w.closed, reason: "tcp", target: "tcp://" + w.closed, cause: "connection refused"},
		"a socket that is not there":   {conn: "unix:/nonexistent/redis.sock", reason: "tcp", target: "unix:///nonexistent/redis.sock", cause: "no such file"},
		"a wrong password":             {conn: "Wrong", reason: "auth", target: "Wrong (tcp://" + w.secured.Addr + ")", cause: "WRONGPASS"},
		"a wrong password in the key":  {conn: w.secured.Addr, password: wrongInKey, reason: "auth", target: "tcp://" + w.secured.Addr, cause: "WRONGPASS"},
		"a wrong password for a user":  {conn: "ByFile", password: wrongInKey, reason: "auth", target: "ByFile (", cause: "WRONGPASS"},
		"a missing password":           {conn: w.secured.Addr, reason: "auth", target: "tcp://" + w.secured.Addr, cause: "NOAUTH"},
		"a database that is not there": {conn: w.plain.Addr + "/99", reason: "database", target: "tcp://" + w.plain.Addr + "/99", cause: "out of range"},
		"a cut reply":                  {conn: "Cut", reason: "protocol", target: "Cut (tcp://" + w.cut.Addr + ")", cause: "within a reply"},
		"an HTTP server":               {conn: "Http", reason: "protocol", target: "Http (tcp://" + w.http.Addr + ")", cause: "not a Redis reply"},
		"a server that does not answer": {
			conn: "Stalled", reason: "timeout", target: "Stalled (tcp://" + w.stalled.Addr + ")", cause: "no answer"},
		"a name that does not resolve":    {conn: "Nowhere", reason: "dns", target: "Nowhere (tcp://redis.invalid:6379)", cause: "no such host"},
		"a certificate of another name":   {conn: "TlsName", reason: "tls", target: "TlsName (rediss://", cause: "redis.example.com"},
		"a certificate of somebody":       {conn: "TlsOther", reason: "tls", target: "TlsOther (rediss://", cause: "unknown authority"},
		"TLS to a port that speaks plain": {conn: "rediss://" + w.plain.Addr, reason: "timeout", target: "rediss://" + w.plain.Addr, cause: "TLS: "},
	}
}

func badInput(t *testing.T, w *world, r *asked) {
	for name, d := range w.down() {
		t.Run(name, func(t *testing.T) {
			for _, m := range testedMetrics() {
				if m.TakesConn() {
					checkDown(t, r, m.Key, itemKey(m, d.conn, d.password, d.user, keyRows[m.Key].own), d)
				}
			}
		})
	}
	for conn, want := range map[string]string{
		"Plian":    "no session named Plian; did you mean Plain?; sessions: ",
		"NoFile":   "Plugins.RedisJobs.Sessions.NoFile.PasswordFile: the file cannot be read: no such file or directory",
		"NoCA":     "Plugins.RedisJobs.Sessions.NoCA.TLSCAFile: the file cannot be read: no such file or directory",
		"NoKey":    "Plugins.RedisJobs.Sessions.NoKey.TLSKeyFile: the file cannot be read: no such file or directory",
		"NoCALine": "Plugins.RedisJobs.Sessions.NoCALine.TLSConnect (line ",
	} {
		t.Run("no session: "+conn, func(t *testing.T) {
			for _, m := range testedMetrics() {
				if m.TakesConn() && m.Web != item.WebOnly {
					require.Contains(t, r.refused(t, itemKey(m, conn, "", "", keyRows[m.Key].own)), want, m.Key)
				}
			}
		})
	}
	t.Run("a server that is loading", func(t *testing.T) {
		d := downRow{reason: "loading", target: "Loading (tcp://" + w.loading.Addr + ")", cause: "LOADING"}
		require.Equal(t, "0", r.value(t, "redis.ping[Loading]"))
		for _, key := range []string{"redis.get[Loading]", "redis.status[Loading]", "storm.jobs.get[Loading]", "storm.job.get[Loading,,,wordcount]",
			"storm.job.status[Loading,,,wordcount]", "storm.job.discovery[Loading]"} {
			name, _, _ := strings.Cut(key, "[")
			checkDown(t, r, name, key, d)
		}
		require.Equal(t, "1", parse(t, r.value(t, "redis.info[Loading,,persistence]")).in(t, "Persistence")["loading"],
			"what it does answer is no error")
		require.EqualValues(t, 1, r.document(t, "redis.get[Loading]").in(t, "persistence").number(t, "loading"))
	})
	t.Run("a refused command", func(t *testing.T) {
		d := downRow{reason: "acl", target: "Pinger (tcp://" + w.secured.Addr + ")", cause: "NOPERM"}
		require.Equal(t, "1", r.value(t, "redis.ping[Pinger]"))
		for _, key := range []string{"redis.info[Pinger]", "redis.config[Pinger]", "redis.slowlog.count[Pinger]",
			"storm.jobs.get[Pinger]", "storm.job.status[Pinger,,,wordcount]"} {
			name, _, _ := strings.Cut(key, "[")
			checkDown(t, r, name, key, d)
		}
		for _, key := range []string{"redis.status[Pinger]", "redis.get[Pinger]"} { // it serves commands
			o := r.document(t, key)
			require.EqualValues(t, 1, o["up"])
			require.Contains(t, o.in(t, "unavailable")["info"], "NOPERM")
		}
		require.Contains(t, r.document(t, "storm.job.get[Pinger,,,wordcount]").in(t, "unavailable")["record"], "NOPERM")
	})
	for name, c := range map[string]struct{ key, want string }{
		"too many parameters":             {"redis.get[Plain,,,one]", "oo many parameters: redis.get takes at most 3"},
		"too many parameters of a ping":   {"redis.ping[Plain,,,one]", "oo many parameters"},
		"a parameter to a key without":    {"redis.pool.get[Plain]", "oo many parameters"},
		"a missing job":                   {"storm.job.status[Plain]", "(Job) is required"},
		"a job that has no name":          {`storm.job.get[Plain,,,""]`, "(Job) is required"},
		"an age that is none":             {"storm.job.get[Plain,,,wordcount,soon]", "(MaxAge)"},
		"a port out of range":             {"redis.get[127.0.0.1:99999]", "port must be a number"},
		"an unknown scheme":               {"redis.status[ftp://127.0.0.1]", "unknown scheme: known are tcp"},
		"a password in the URI":           {"redis.ping[redis://user:" + secretInURI + "@127.0.0.1]", "password in a URI"},
		"a database that is none":         {"redis.get[127.0.0.1/two]", "database in the path"},
		"a word that cannot be a host":    {"redis.get[2024]", "no session named 2024; sessions: "},
		"a command that writes":           {"redis.command[Plain,,,DEL,storm:jobs]", `redis.command does not run "del"`},
		"an unknown INFO section":         {"redis.info[Plain,,nosuch]", `no INFO section "nosuch"`},
		"an unknown config parameter":     {"redis.config[Plain,,nosuch]", `no configuration parameter matches "nosuch"`},
		"a config pattern without match":  {"redis.config[Plain,,nosuch*]", `no configuration parameter matches "nosuch*"`},
		"a key that the plugin has not":   {"redis.nosuch[Plain]", "nknown metric redis.nosuch"},
		"a key whose bracket is not shut": {"redis.get[Plain", ""},
	} {
		t.Run(name, func(t *testing.T) { require.Contains(t, r.refused(t, c.key), c.want) })
	}
	require.Equal(t, "9", r.value(t, "storm.job.status[Plain,,,no such job]"), "a job without a record is a status")
}

// checkDown wants of a key what it answers for a target that is down: "0" from
// ping, a document that says so from documents, an error from all others. It
// names the target and the cause.
func checkDown(t *testing.T, r *asked, name, key string, d downRow) {
	t.Helper()
	switch {
	case name == "redis.server.ping":
		require.Equal(t, "0", r.value(t, key))
	case name == "redis.status", name == "redis.keys.count", name == "redis.keyspace.sample", name == "redis.keys.discovery",
		strings.HasSuffix(name, ".get"):
		o := r.document(t, key)
		require.EqualValues(t, 0, o["up"], "%s: %v", key, o)
		require.Equal(t, d.reason, o["reason"], "%s: %v", key, o)
		require.Contains(t, o["error"], d.target, key)
		require.Contains(t, o["error"], d.cause, key)
		require.Contains(t, o["target"], d.target, key)
		require.LessOrEqual(t, utf8.RuneCountInString(o["error"].(string)), 255)
		require.NotContains(t, o["error"], "\n")
	default:
		text := r.refused(t, key)
		require.Contains(t, text, d.target, key)
		require.Contains(t, text, d.cause, key)
	}
}
