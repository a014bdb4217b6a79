package doctor

import (
	"encoding/json"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/agentconf"
	"redisjobs/internal/redistest"
)

const mainFile = "zabbix_agent2.conf"

// agentOf makes a program that says that it is an agent of a version.
func (tr *tree) agentOf(version string) string {
	tr.t.Helper()
	tr.write("bin/zabbix_agent2", "#!/bin/sh\n[ \"$1\" = -V ] && echo 'zabbix_agent2 (Zabbix) "+version+"'\n")
	require.NoError(tr.t, os.Chmod(tr.path("bin/zabbix_agent2"), 0o755))
	return tr.path("bin/zabbix_agent2")
}

// TestWhatWasMeant: faults that keep no agent from starting, and make no error
// anywhere.
func TestWhatWasMeant(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		plant func(tr *tree)
		code  int
		want  []string
	}{
		"a prefix with a letter less": {func(tr *tree) {
			tr.write("zabbix_agent2.d/s.conf", "Plugins.RedisJob.Sessions.A.Uri=tcp://a\nPlugins.RedisJob.Sessions.A.Password=s3cret-marker\n")
		}, 1, []string{"DIR/zabbix_agent2.d/s.conf:1: no plugin is called Plugins.RedisJob, so that its 2 lines have no effect: did you mean Plugins.RedisJobs?",
			"-> Plugins.RedisJobs.Sessions.A.Uri=..."}},
		"a prefix in other capitals": {func(tr *tree) { tr.write("zabbix_agent2.d/s.conf", "Plugins.Redisjobs.Timeout=3\n") },
			1, []string{"no plugin is called Plugins.Redisjobs"}},
		"one line": {func(tr *tree) { tr.write("zabbix_agent2.d/s.conf", "Plugins.RedisJob.Timeout=3\n") },
			1, []string{"so that its 1 line has no effect"}},
		"a misspelt session": {func(tr *tree) {
			tr.write("zabbix_agent2.d/s.conf", "Plugins.RedisJobs.Sessions.Prod.Uri=tcp://a\nPlugins.RedisJobs.Sessions.Pord.User=u\n")
		}, 0, []string{"Plugins.RedisJobs.Sessions.Pord.Uri is not set, so that this session leads to tcp://localhost:6379; did you mean Prod?"}},
		"a misspelt first word": {func(tr *tree) { tr.write("zabbix_agent2.d/s.conf", "Plugin.RedisJobs.Timeout=3\n") },
			1, []string{"no plugin is called Plugin.RedisJobs"}},
		"a session that the aliases hide": {func(tr *tree) { tr.write("zabbix_agent2.d/s.conf", "Plugins.Redis.Sessions.Old.Uri=tcp://a\n") },
			1, []string{"DIR/zabbix_agent2.d/s.conf:1: the session Old is the built-in plugin's, and the aliases send redis.ping[Old] and the like to this plugin",
				"-> zabbix-agent2-plugin-redisjobs migrate --apply"}},
		"the same session here too": {func(tr *tree) {
			tr.write("zabbix_agent2.d/s.conf", "Plugins.Redis.Sessions.Old.Uri=tcp://a\nPlugins.RedisJobs.Sessions.Old.Uri=tcp://a\n")
		}, 0, []string{"problems: 0, warnings: 0"}},
		"another program with the same keys": {func(tr *tree) {
			tr.write("bin/copy", strings.Repeat("x", 1<<20-10)+ownKey+"\n")
			tr.change(mainFile, "Hostname=h", "Plugins.Mine.System.Path="+tr.path("bin/copy"))
		}, 1, []string{"DIR/zabbix_agent2.conf:3: Plugins.Mine.System.Path starts a program with the item keys of this plugin: the agent will not start"}},
		"another program with other keys": {func(tr *tree) {
			tr.write("bin/copy", "mongodb.ping")
			tr.change(mainFile, "Hostname=h", "Plugins.Mine.System.Path="+tr.path("bin/copy"))
		}, 0, []string{"problems: 0, warnings: 0"}},
		"no System.Path, and more": {func(tr *tree) {
			tr.change(ownFile, "\n"+pathOption+"=", "\n#")
			tr.write("zabbix_agent2.d/s.conf", "Plugins.RedisJobs.Timeoutt=3\nDenyKey=redis.get[*]\nAlias=redis.ping:agent.ping\n")
		}, 1, []string{"the agent does not know this plugin", "Plugins.RedisJobs.Timeoutt", "DenyKey=redis.get[*] forbids redis.get", "has an alias already"}},
		"a byte order mark": {func(tr *tree) { tr.change(mainFile, "# the agent's own", "\ufeff# the agent's own") },
			1, []string{"DIR/zabbix_agent2.conf:1: the file begins with a byte order mark", "-> save the file as UTF-8 without BOM"}},
		"an option twice": {func(tr *tree) {
			tr.write("zabbix_agent2.d/s.conf", "Plugins.RedisJobs.KeepAlive=60\nPlugins.RedisJobs.KeepAlive=70\n")
		}, 0, []string{"Plugins.RedisJobs.KeepAlive is set twice with different values, in the lines 1 and 2", "warnings: 1"}},
		"a session without a Uri": {func(tr *tree) { tr.write("zabbix_agent2.d/s.conf", "Plugins.RedisJobs.Sessions.A.User=u\n") },
			0, []string{"Plugins.RedisJobs.Sessions.A.Uri is not set, so that this session leads to tcp://localhost:6379"}},
		"options that contradict each other": {func(tr *tree) {
			tr.write("zabbix_agent2.d/s.conf", "Plugins.RedisJobs.Sessions.A.TLSConnect=verify_ca\n")
		},
			1, []string{"DIR/zabbix_agent2.d/s.conf: Plugins.RedisJobs.Sessions.A.TLSConnect (line 1): verify_ca needs TLSCAFile: items of the session A are errors, all others work"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTree(t)
			c.plant(tr)
			out := tr.examine(c.code, "--offline")
			for _, want := range c.want {
				require.Contains(t, out, want)
			}
			require.NotContains(t, out, "s3cret")
		})
	}
}

// TestTheAgentsVersionDecides what becomes of ${NAME}, and whether there are plugins
// at all.
func TestTheAgentsVersionDecides(t *testing.T) {
	t.Setenv("RJ_DOCTOR_URI", "tcp://by.variable:7")
	s := []string{"Plugins.RedisJobs.Sessions.A.Uri=${RJ_DOCTOR_URI}", "Plugins.RedisJobs.Sessions.B.Uri=tcp://b", "Plugins.RedisJobs.Sessions.B.Password=${RJ_DOCTOR_UNSET}"}
	for version, want := range map[string]struct {
		code  int
		lines []string
	}{
		"7.4.3": {0, []string{"has version 7.4.3", "Sessions.B.Password: the environment variable RJ_DOCTOR_UNSET is not set here", "they are valid"}},
		"7.0.22": {1, []string{"Sessions.B.Password: agents before 7.2 do not replace environment variables, and this one has version 7.0.22",
			"Plugins.RedisJobs.Sessions.A.Uri (line ", "the agent will not start"}},
		"5.0.8": {1, []string{"has version 5.0.8, and agents load plugins from 6.0 on"}},
	} {
		tr := newTree(t, s...)
		require.NoError(t, os.Chmod(tr.path(ownFile), 0o640))
		out := tr.examine(want.code, "--offline", "--agent", tr.agentOf(version), "--user", "root")
		for _, l := range want.lines {
			require.Contains(t, out, l, version)
		}
	}
	tr := newTree(t)
	require.Contains(t, tr.examine(0, "--offline", "--agent", "/absent"), "its version is not known")
}

func TestTheReportForMachines(t *testing.T) {
	t.Parallel()
	tr := newTree(t, "Plugins.RedisJobs.KeepAlive=60", "Plugins.RedisJobs.KeepAlive=61")
	tr.write("zabbix_agent2.d/u.conf", "UserParameter=redis.get[*],<&>\n")
	var report struct {
		Problems, Warnings int
		Findings           []struct{ Level, Subject, Text, Fix string }
	}
	require.NoError(t, json.Unmarshal([]byte(tr.examine(1, "--offline", "--json")), &report))
	require.Equal(t, 1, report.Problems)
	require.Equal(t, 1, report.Warnings)
	first := report.Findings[0]
	require.Equal(t, []string{"problem", "keys", "remove the line, or give it another name"}, []string{first.Level, first.Subject, first.Fix})
	require.Contains(t, first.Text, "DIR/zabbix_agent2.d/u.conf:1")
	require.Equal(t, "warning", report.Findings[1].Level)
	require.Equal(t, "ok", report.Findings[2].Level)
}

func TestDatabasesAndQueuesThatDoNotExist(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{})
	s.Do(t, "SADD", "queues", "critical", "default")
	s.Do(t, "LPUSH", "queue:critical", `{"class":"A","enqueued_at":1}`)
	tr := newTree(t, "Plugins.RedisJobs.Jobs.Queues=sidekiq:critcal,sidekiq:default,celery:nothing",
		"Plugins.RedisJobs.Sessions.Zero.Uri=tcp://"+s.Addr, "Plugins.RedisJobs.Sessions.Five.Uri=tcp://"+s.Addr+"/5", "Plugins.RedisJobs.Sessions.NoSuch.Uri=tcp://"+s.Addr+"/99")
	out := tr.examine(1)
	require.Contains(t, out, "Five (tcp://"+s.Addr+"/5): the database 5 has no keys; these have: 0 (2 keys)")
	require.Contains(t, out, "DB index is out of range")
	require.Contains(t, out, "-> correct the number behind the slash in Plugins.RedisJobs.Sessions.NoSuch.Uri")
	require.Contains(t, out, "Jobs.Queues: no session has a queue critcal of sidekiq; did you mean critical?; there are: critical, default")
	require.Contains(t, out, "no session has a queue nothing of celery")
	require.NotContains(t, out, "queue default of")
}

// TestWhatMayStandInAFileThatIsNotReadable: its absence is no finding.
func TestWhatMayStandInAFileThatIsNotReadable(t *testing.T) {
	t.Parallel()
	for _, unreadable := range []bool{false, true} {
		tr := newTree(t)
		tr.write(ownFile, "")
		d := &doctor{config: agentconf.Read(tr.path(mainFile), nil), selinux: systemSELinux}
		if unreadable {
			d.config.Problems = append(d.config.Problems, agentconf.Problem{Text: "x may not be read", Err: fs.ErrPermission})
		}
		d.examine()
		var out strings.Builder
		d.report(&out)
		for _, text := range []string{"the agent does not know this plugin", "no Alias leads to this plugin", "none is configured"} {
			require.Equal(t, !unreadable, strings.Contains(out.String(), text), "%s\n%s", text, &out)
		}
	}
}

// TestABrokenSessionIsReportedOnce: its server is not asked.
func TestABrokenSessionIsReportedOnce(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{})
	tr := newTree(t, "Plugins.RedisJobs.Sessions.Bad.Uri=tcp://"+s.Addr, "Plugins.RedisJobs.Sessions.Bad.PasswordFile=/absent", "Plugins.RedisJobs.Sessions.Good.Uri=tcp://"+s.Addr)
	out := tr.examine(1)
	require.Regexp(t, `redisjobs\.conf:\d+: Plugins.RedisJobs.Sessions.Bad.PasswordFile: `, out, "the value may be a password; its place is shown")
	require.Contains(t, out, "Plugins.RedisJobs.Sessions.Bad.PasswordFile: the file cannot be read: no such file or directory: items of the session Bad are errors, all others work")
	require.Contains(t, out, "Good (tcp://"+s.Addr+"): the user default has the rights")
	require.Contains(t, out, "problems: 1, warnings: 0")
}

func TestSELinux(t *testing.T) {
	t.Parallel()
	look := func(enforce, audit string) []finding {
		tr := newTree(t)
		tr.write("enforce", enforce)
		d := &doctor{selinux: selinux{tr.path("enforce"), tr.path("audit.log")}}
		if audit != "" {
			tr.write("audit.log", audit)
		}
		d.denials()
		return d.findings
	}
	// As the audit daemon of RHEL 9 writes them.
	const others = `type=AVC msg=audit(1700000000.1:1): avc:  denied  { read } for  pid=1 comm="httpd" name="x" dev="dm-0" ino=1 scontext=system_u:system_r:httpd_t:s0 tcontext=system_u:object_r:etc_t:s0 tclass=file permissive=0` + "\n"
	const ours = `type=AVC msg=audit(1700000000.2:2): avc:  denied  { name_connect } for  pid=2 comm="zabbix-agent2-p" dest=6379 scontext=system_u:system_r:zabbix_agent_t:s0 tcontext=system_u:object_r:redis_port_t:s0 tclass=tcp_socket permissive=0` + "\n"
	require.Empty(t, look("0", ours), "nothing is enforced")
	require.Equal(t, fine, look("1\n", others)[0].level)
	require.Equal(t, warning, look("1\n", "")[0].level)
	found := look("1\n", others+strings.Repeat(ours, 3))
	require.Len(t, found, 1)
	require.Equal(t, problem, found[0].level)
	require.Equal(t, "SELinux has denied the agent or this plugin something 3 times; the last: name_connect dest=6379 scontext=system_u:system_r:zabbix_agent_t:s0 "+
		"tcontext=system_u:object_r:redis_port_t:s0 tclass=tcp_socket", found[0].text)
	require.Contains(t, found[0].fix, "setsebool -P zabbix_can_network on")
	d := &doctor{selinux: selinux{"/absent", "/absent"}}
	d.denials()
	require.Empty(t, d.findings)
}
