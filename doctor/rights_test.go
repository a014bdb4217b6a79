package doctor

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics"
)

// allProbes are all that may be tried on a server.
func allProbes(s *metrics.Server) []probe {
	own, keyed, rare := s.Needs()
	patterns := patternProbes(metrictest.DefaultStorm(), metrictest.DefaultJobs())
	return slices.Concat(commandProbes(slices.Concat(own, keyed, rare), "storm:job:redisjobs-doctor"), slices.Concat(patterns...))
}

// eachKind runs a test with each server that has users, alone and as a node of a
// cluster.
func eachKind(t *testing.T, test func(t *testing.T, s *redistest.Server, cluster bool)) {
	for _, f := range redistest.Flavours(t) {
		for _, cluster := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s cluster=%v", f.Name, cluster), func(t *testing.T) {
				t.Parallel()
				f.Need(t)
				if f.Name == "redis-5.0" {
					t.Skip("it has no users")
				}
				cfg := redistest.Config{Bin: f.Bin}
				if cluster {
					cfg.Args = []string{"--cluster-enabled", "yes"}
				}
				s := redistest.Start(t, cfg)
				if cluster {
					add := []string{"CLUSTER", "ADDSLOTS"}
					for slot := range 16384 {
						add = append(add, fmt.Sprint(slot))
					}
					s.Do(t, add...)
				}
				test(t, s, cluster)
			})
		}
	}
}

// TestWhatIsTriedIsThereOnEachServer: a right for what a server has not is of no use,
// and a probe with a wrong number of words would see no missing right.
func TestWhatIsTriedIsThereOnEachServer(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, s *redistest.Server, cluster bool) {
		probes := allProbes(metrics.ReadServer([]byte(s.Do(t, "INFO", "everything") + s.Do(t, "INFO") + s.Do(t, "INFO", "modules"))))
		for _, p := range probes {
			_, err := s.TryDo(p.send...)
			if err == nil || strings.Contains(err.Error(), "CLUSTERDOWN") {
				continue
			}
			said := strings.ToLower(err.Error())
			require.NotContains(t, said, "unknown", "%q is not there: metrics/acl_server.go says that it is", p.send)
			require.NotContains(t, said, "wrong number", "%q needs a row in the table own", p.send)
		}
		s.Do(t, "ACL", "SETUSER", "none", "on", "nopass", "~*", "-@all")
		s.Do(t, "AUTH", "none", "any")
		for _, p := range probes {
			_, err := s.TryDo(p.send...)
			require.ErrorContains(t, err, "NOPERM", "%q", p.send)
			require.Equal(t, cluster || !strings.HasPrefix(p.command, "cluster|"), true, "%q on a server that is no node", p.send)
		}
	})
}

var granting = regexp.MustCompile(`-> (?:if it was not taken on purpose: )?(ACL SETUSER .*)`)

// TestTheRuleAndTheDoctorAgree: what the doctor finds missing of a user with the rule's
// first line is among the additions that -acl prints, as the one line for that server;
// with that line nothing is missing, and nothing is refused that would be logged.
func TestTheRuleAndTheDoctorAgree(t *testing.T) {
	t.Parallel()
	wanted := map[string]string{ // what is more than the first line
		"redis-8.6 cluster=false":  "+hotkeys|get",
		"redis-8.6 cluster=true":   "+cluster|migration +cluster|slot-stats +hotkeys|get",
		"redis-8.2 cluster=true":   "+cluster|slot-stats",
		"valkey-8.0 cluster=true":  "+cluster|slot-stats",
		"valkey-8.1 cluster=false": "+commandlog|get +commandlog|len",
		"valkey-8.1 cluster=true":  "+cluster|slot-stats +commandlog|get +commandlog|len",
		"valkey-9.1 cluster=false": "+commandlog|get +commandlog|len",
		"valkey-9.1 cluster=true":  "+cluster|getslotmigrations +cluster|slot-stats +commandlog|get +commandlog|len",
	}
	eachKind(t, func(t *testing.T, s *redistest.Server, _ bool) {
		p := metrics.AllACLPurposes()
		acl := metrics.ACL{User: "zabbix", Purposes: p, Storm: metrictest.DefaultStorm(), Jobs: metrictest.DefaultJobs()}
		rule := acl.Rule()
		if strings.Contains(s.Do(t, "INFO", "server"), "redis_version:6.") {
			rule = acl.RuleRedis6()
		}
		s.Do(t, strings.Fields(strings.Replace(rule, ">PASSWORD", "nopass", 1))...)
		const session = "Plugins.RedisJobs.Sessions.Prod."
		tr := newTree(t, session+"Uri=tcp://"+s.Addr, session+"User=zabbix")
		_, name, _ := strings.Cut(t.Name(), "/")
		want := wanted[strings.ReplaceAll(name, "_", " ")]
		out := tr.examine(0)
		if strings.HasPrefix(name, "redis-8.") && want == "" {
			require.Contains(t, out, "has the rights that this plugin needs; not tried, since a refusal would be logged: vcard, "+
				"for the length of keys of such types, which ACL SETUSER zabbix +vcard permits\n")
		}
		fixes := granting.FindAllStringSubmatch(out, -1)
		if want == "" {
			require.Empty(t, fixes, out)
			require.Contains(t, out, "warnings: 0")
			require.NotContains(t, s.Do(t, "INFO", "errorstats"), "NOPERM", "nothing was tried that is not permitted")
			require.Empty(t, strings.TrimSpace(s.Do(t, "ACL", "LOG")))
			return
		}
		require.Len(t, fixes, 1, out)
		require.Equal(t, "ACL SETUSER zabbix "+want, fixes[0][1])
		for right := range strings.FieldsSeq(want) {
			require.Contains(t, acl.Text(), right)
		}
		s.Do(t, strings.Fields(fixes[0][1])...)
		s.Do(t, "ACL", "LOG", "RESET")
		s.Do(t, "CONFIG", "RESETSTAT")
		require.Contains(t, tr.examine(0), "warnings: 0")
		require.NotContains(t, s.Do(t, "INFO", "errorstats"), "NOPERM")
		require.Empty(t, strings.TrimSpace(s.Do(t, "ACL", "LOG")))
	})
}

// examined are the findings about one user's session, and what the server counted.
func examined(t *testing.T, s *redistest.Server, code int, user string) (report string, refusals int) {
	t.Helper()
	s.Do(t, "ACL", "LOG", "RESET")
	s.Do(t, "CONFIG", "RESETSTAT")
	const session = "Plugins.RedisJobs.Sessions.Prod."
	tr := newTree(t, session+"Uri=tcp://"+s.Addr, session+"User="+user)
	report = tr.examine(code)
	if _, count, found := strings.Cut(s.Do(t, "INFO", "errorstats"), "errorstat_NOPERM:count="); found {
		_, err := fmt.Sscan(count, &refusals)
		require.NoError(t, err)
	}
	return report, refusals
}

// TestARightThatWasTakenOnPurposeIsAWarning, with the items that are without a value for
// it: docs/security.md says how to take CONFIG GET.
func TestARightThatWasTakenOnPurposeIsAWarning(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{})
	acl := metrics.ACL{User: "zabbix", Purposes: metrics.AllACLPurposes(), Storm: metrictest.DefaultStorm(), Jobs: metrictest.DefaultJobs()}
	s.Do(t, strings.Fields(strings.Replace(acl.Rule(), ">PASSWORD", "nopass", 1))...)
	s.Do(t, strings.Fields(acl.RuleNoConfig())...)
	out, _ := examined(t, s, 0, "zabbix")
	require.Contains(t, out, "warning  session        Prod (tcp://"+s.Addr+"): the user zabbix may not run config|get, which docs/security.md lets you take away; this concerns ")
	for _, key := range []string{"redis.server.config", "redis.get", "redis.config.get", "redis.advice.get", "redis.group.get", "redis.hot.get"} {
		require.Contains(t, out, key, "none is left out of the list")
	}
	require.Contains(t, out, "-> if it was not taken on purpose: ACL SETUSER zabbix +config|get\n")
	require.Contains(t, out, "problems: 0, warnings: 1")

	s.Do(t, "ACL", "SETUSER", "zabbix", "-info")
	out, _ = examined(t, s, 1, "zabbix")
	require.Contains(t, out, "PROBLEM  session        Prod (tcp://"+s.Addr+"): the user zabbix may not run info; this concerns ")
	require.Contains(t, out, "-> ACL SETUSER zabbix +info\n")
}

// TestAUserForTheServerAloneIsRefusedOnce: what it may not read is not tried key by key.
func TestAUserForTheServerAloneIsRefusedOnce(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{})
	purposes, err := metrics.ParseACLPurposes([]string{"server"})
	require.NoError(t, err)
	acl := metrics.ACL{User: "zabbix", Purposes: purposes}
	s.Do(t, strings.Fields(strings.Replace(acl.Rule(), ">PASSWORD", "nopass", 1))...)
	out, refusals := examined(t, s, 0, "zabbix")
	require.Contains(t, out, "the user zabbix may not run type, so that it can read no key; this concerns redis.key.get, redis.key.length")
	require.Contains(t, out, ", storm.*, job.*\n")
	require.NotContains(t, out, "redis.get")
	require.Contains(t, out, "problems: 0, warnings: 1")
	require.LessOrEqual(t, refusals, 2, "TYPE, and ACL DRYRUN")
}

// TestAServerThatTellsIsNotTried: ACL DRYRUN leaves no trace.
func TestAServerThatTellsIsNotTried(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, "redis-8.0").Bin,
		Users: []string{"keyless on nopass resetkeys +@all", "few on nopass ~* +@all -hscan -vcard"}})
	out, refusals := examined(t, s, 0, "keyless")
	require.Contains(t, out, "may not read the keys *:[0-9]*:")
	require.Contains(t, out, "%R~storm:jobs %R~storm:jobs:heartbeat")
	require.Equal(t, 1, refusals, "the first one")
	out, refusals = examined(t, s, 0, "few")
	require.Regexp(t, `the user few may not run hscan( vcard)?; this concerns `, out)
	require.Equal(t, 1, refusals)
}

// TestASystemThatMayNotBeReadIsTriedOnce, and its rights are whole in the rule.
func TestASystemThatMayNotBeReadIsTriedOnce(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{})
	purposes, err := metrics.ParseACLPurposes([]string{"server", "storm", "jobs", "celery"})
	require.NoError(t, err)
	acl := metrics.ACL{User: "zabbix", Purposes: purposes, Storm: metrictest.DefaultStorm(), Jobs: metrictest.DefaultJobs()}
	s.Do(t, strings.Fields(strings.Replace(acl.Rule(), ">PASSWORD", "nopass", 1))...)
	out, _ := examined(t, s, 0, "zabbix")
	fixes := granting.FindAllStringSubmatch(out, -1)
	require.Len(t, fixes, 1, out)
	s.Do(t, strings.Fields(fixes[0][1])...)
	out, refusals := examined(t, s, 0, "zabbix")
	require.Contains(t, out, "warnings: 0")
	require.Zero(t, refusals)
}

// TestKeysOfRedis6AreReadableWithoutASign: it refuses %R~.
func TestKeysOfRedis6AreReadableWithoutASign(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, "redis-6.2").Bin, Users: []string{"keyless on nopass resetkeys +@all"}})
	out, _ := examined(t, s, 0, "keyless")
	fixes := granting.FindAllStringSubmatch(out, -1)
	require.Len(t, fixes, 1, out)
	require.NotContains(t, fixes[0][1], "%R~")
	s.Do(t, strings.Fields(fixes[0][1])...)
	out, _ = examined(t, s, 0, "keyless")
	require.Contains(t, out, "warnings: 0")
}
