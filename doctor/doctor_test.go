package doctor

import (
	"bytes"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics"
)

// tree is a configuration as packages install it, in a folder of the test's.
type tree struct {
	t   testing.TB
	dir string
}

// newTree makes one without a fault, with the shipped configuration and lines
// added to it.
func newTree(t testing.TB, lines ...string) *tree {
	t.Helper()
	// Not t.TempDir: every user may pass through the folders above it.
	dir, err := os.MkdirTemp("", "doctor")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	tr := &tree{t, dir}
	tr.write("zabbix_agent2.conf", "# the agent's own\nServer=127.0.0.1\nHostname=h\nPluginSocket="+dir+"/run/plugin.sock\n"+
		"Include=./zabbix_agent2.d/plugins.d/*.conf\nInclude="+dir+"/zabbix_agent2.d/*.conf\n")
	shipped, err := os.ReadFile("../packaging/redisjobs.conf")
	require.NoError(t, err)
	aliases, err := os.ReadFile("../packaging/redisjobs-aliases.conf") // in the same file, as an operator may have it
	require.NoError(t, err)
	shipped = append(shipped, aliases...)
	tr.write("bin/zabbix-agent2-plugin-redisjobs", "#!/bin/sh\n")
	require.NoError(t, os.Chmod(tr.path("bin/zabbix-agent2-plugin-redisjobs"), 0o755))
	tr.write("zabbix_agent2.d/plugins.d/redisjobs.conf", strings.Replace(string(shipped), "\n"+pathOption+"=",
		"\n"+pathOption+"="+dir+"/bin/zabbix-agent2-plugin-redisjobs\n#", 1)+strings.Join(lines, "\n"))
	require.NoError(t, os.Mkdir(tr.path("run"), 0o777))
	require.NoError(t, os.Chmod(tr.path("run"), 0o777))
	return tr
}

// groupOf is the name of a user's primary group, which is not that of the user
// everywhere.
func groupOf(t testing.TB, name string) string {
	t.Helper()
	u, err := user.Lookup(name)
	require.NoError(t, err)
	g, err := user.LookupGroupId(u.Gid)
	require.NoError(t, err)
	return g.Name
}

func (tr *tree) path(name string) string { return filepath.Join(tr.dir, name) }

func (tr *tree) write(name, text string) {
	tr.t.Helper()
	require.NoError(tr.t, os.MkdirAll(filepath.Dir(tr.path(name)), 0o755))
	require.NoError(tr.t, os.WriteFile(tr.path(name), []byte(text), 0o644))
}

// change replaces a text in a file.
func (tr *tree) change(name, old, new string) {
	tr.t.Helper()
	text, err := os.ReadFile(tr.path(name))
	require.NoError(tr.t, err)
	require.Contains(tr.t, string(text), old)
	tr.write(name, strings.Replace(string(text), old, new, 1))
}

// examine runs the doctor and returns its report, in which the folder is DIR.
func (tr *tree) examine(code int, args ...string) string {
	tr.t.Helper()
	var stdout, stderr bytes.Buffer
	got := Main(append([]string{"-c", tr.path("zabbix_agent2.conf"), "--user", "nobody"}, args...), &stdout, &stderr)
	require.Equal(tr.t, code, got, "%s%s", &stdout, &stderr)
	require.Empty(tr.t, stderr.String())
	return strings.ReplaceAll(stdout.String(), tr.dir, "DIR")
}

const ownFile = "zabbix_agent2.d/plugins.d/redisjobs.conf"

func TestAHealthyConfiguration(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	tr := newTree(t, "Plugins.RedisJobs.Sessions.Prod.Uri=tcp://"+s.Addr)
	out := tr.examine(0)
	require.Contains(t, out, "problems: 0, warnings: 0\nthe agent starts with this configuration: yes\n")
	require.Contains(t, out, "DIR/zabbix_agent2.conf and the 1 file that it includes were read")
	require.Contains(t, out, "the agent starts DIR/bin/zabbix-agent2-plugin-redisjobs")
	require.Contains(t, out, "8 names lead to this plugin")
	require.Contains(t, out, "Prod (tcp://"+s.Addr+"): the user default has the rights that this plugin needs")
	require.NotContains(t, out, "->")
}

// TestEachFaultHasItsMend plants one fault at a time.
func TestEachFaultHasItsMend(t *testing.T) {
	t.Parallel()
	const main = "zabbix_agent2.conf"
	for name, c := range map[string]struct {
		plant func(tr *tree)
		lines []string // in the report
		mild  bool     // only a warning
	}{
		"the agent's file is absent": {func(tr *tree) { require.NoError(tr.t, os.Remove(tr.path(main))) },
			[]string{"PROBLEM  configuration  DIR/zabbix_agent2.conf does not exist", "-> name the agent's configuration: -c <file>"}, false},
		"an Include of nothing": {func(tr *tree) { tr.change(main, "Include=./", "Include=./absent.conf\nInclude=./") },
			[]string{"DIR/zabbix_agent2.conf:5: the agent cannot include this: DIR/absent.conf does not exist"}, false},
		"a pattern for folders": {func(tr *tree) { tr.change(main, "plugins.d/*.conf", "*/x.conf") },
			[]string{"a pattern may stand only in the name of the file"}, false},
		"a file that includes itself": {func(tr *tree) { tr.change(ownFile, "Alias=", "Include="+tr.path(ownFile)+"\nAlias=") },
			[]string{"too many Includes within Includes"}, false},
		"a line without =": {func(tr *tree) { tr.change(main, "Hostname=h", "Hostname h") },
			[]string{"DIR/zabbix_agent2.conf:3: the line is not of the form Name=Value"}, false},
		"a name with a dash": {func(tr *tree) { tr.change(ownFile, "Alias=", "Plugins.RedisJobs.Sessions.a-b.Uri=h\nAlias=") },
			[]string{`redisjobs.conf:`, `"Plugins.RedisJobs.Sessions.a-b.Uri" is not a valid name: the name of a session takes letters, digits and underscores: a_b`,
				"-> Plugins.RedisJobs.Sessions.a_b.Uri=...\n"}, false},
		"a name with a dot": {func(tr *tree) { tr.change(ownFile, "Alias=", "Plugins.RedisJobs.Sessions.a.b.Uri=h\nAlias=") },
			[]string{"Plugins.RedisJobs.Sessions.a.b (line ", "unknown option; the name of a session takes letters, digits and underscores: the agent will not start"}, false},
		"a misspelt option of a session": {func(tr *tree) { tr.change(ownFile, "Alias=", "Plugins.RedisJobs.Sessions.A.Usr=h\nAlias=") },
			[]string{"unknown option; did you mean User? The agent will not start\n"}, false},
		"the plugin's file is not included": {func(tr *tree) { tr.change(main, "Include=./", "#Include=./") },
			[]string{"the agent does not know this plugin: no line sets Plugins.RedisJobs.System.Path",
				"-> Include=./zabbix_agent2.d/plugins.d/*.conf", "-> in DIR/zabbix_agent2.conf: it includes DIR/zabbix_agent2.d/plugins.d/redisjobs.conf"}, false},
		"no path": {func(tr *tree) { require.NoError(tr.t, os.Remove(tr.path(ownFile))) },
			[]string{"the agent does not know this plugin", "-> Plugins.RedisJobs.System.Path=/"}, false},
		"a relative path": {func(tr *tree) { tr.change(ownFile, pathOption+"="+tr.dir, pathOption+"=x") },
			[]string{"Plugins.RedisJobs.System.Path must be an absolute path"}, false},
		"a path to nothing": {func(tr *tree) { require.NoError(tr.t, os.Remove(tr.path("bin/zabbix-agent2-plugin-redisjobs"))) },
			[]string{"redisjobs.conf:", "stat DIR/bin/zabbix-agent2-plugin-redisjobs: no such file or directory: the agent will not start"}, false},
		"a path to a folder": {func(tr *tree) { tr.change(ownFile, "bin/zabbix-agent2-plugin-redisjobs", "bin") },
			[]string{"DIR/bin is not a file"}, false},
		"no executable bit": {func(tr *tree) {
			require.NoError(tr.t, os.Chmod(tr.path("bin/zabbix-agent2-plugin-redisjobs"), 0o644))
		}, []string{"is not executable: the agent will not start", "-> chmod 0755 DIR/bin/zabbix-agent2-plugin-redisjobs"}, false},
		"the agent's user may not run it": {func(tr *tree) { require.NoError(tr.t, os.Chmod(tr.path("bin"), 0o700)) },
			[]string{"the user nobody may not run DIR/bin/zabbix-agent2-plugin-redisjobs"}, false},
		"started under two names": {func(tr *tree) {
			tr.change(main, "Hostname=h", "Plugins.Other.System.Path="+tr.path("bin/zabbix-agent2-plugin-redisjobs"))
		}, []string{"zabbix_agent2.conf:3: Plugins.Other.System.Path starts this plugin under another name", "redisjobs.conf:"}, false},
		"no folder for the socket": {func(tr *tree) { tr.change(main, "/run/", "/absent/") },
			[]string{"DIR/zabbix_agent2.conf:4: the folder of PluginSocket=DIR/absent/plugin.sock", "-> create the folder for the agent's user: install -d -o nobody DIR/absent"}, false},
		"a socket's path that is too long": {func(tr *tree) { tr.change(main, "/run/", "/"+strings.Repeat("x", 90)+"/") },
			[]string{"a socket may have 107", "-> PluginSocket=/run/zabbix/agent.plugin.sock"}, false},
		"a socket's folder that is closed": {func(tr *tree) { require.NoError(tr.t, os.Chmod(tr.path("run"), 0o755)) },
			[]string{"the user nobody may not create the socket DIR/run/plugin.sock", "-> chown nobody DIR/run"}, false},
		"an alias twice": {func(tr *tree) { tr.write("zabbix_agent2.d/z.conf", "\nAlias=redis.ping:agent.ping\n") },
			[]string{`DIR/zabbix_agent2.d/z.conf:2: "redis.ping" has an alias already, at DIR/zabbix_agent2.d/plugins.d/redisjobs.conf:`}, false},
		"a longer alias before ours": {func(tr *tree) {
			tr.change(main, "Include=./", "Alias=a.very.long.name.of.mine[*]:agent.ping\nInclude=./")
		}, []string{"short keys of redis.ping[*] do not reach this plugin: the longer name at DIR/zabbix_agent2.conf:5 stands before it",
			"-> put the lines in this order", "-> Alias=redis.info[*]:redis.server.info[*]\n"}, false},
		"no bare alias": {func(tr *tree) { tr.change(ownFile, "\nAlias=redis.ping:redis.server.ping\n", "\n") },
			[]string{"[*] does not stand for the bare key redis.ping", "-> Alias=redis.ping:redis.server.ping\n"}, true},
		"an alias of a key that is none": {func(tr *tree) { tr.change(ownFile, ":redis.server.slowlog.count\n", ":redis.server.slow\n") },
			[]string{`unknown item key "redis.server.slow"`}, false},
		"an alias without a key": {func(tr *tree) { tr.change(ownFile, "Alias=redis.info:redis.server.info\n", "Alias=redis.info\n") },
			[]string{"an alias is written as Alias=name:key"}, false},
		"a UserParameter with our key": {func(tr *tree) { tr.write("zabbix_agent2.d/u.conf", "UserParameter=redis.get[*],redis-cli get $1\n") },
			[]string{"DIR/zabbix_agent2.d/u.conf:1: the UserParameter redis.get has the name of a key of this plugin"}, false},
		"a key that is denied": {func(tr *tree) {
			tr.change(main, "Hostname=h", "AllowKey=redis.server.ping[*]\nDenyKey=redis.server.*[*]")
		},
			[]string{"DIR/zabbix_agent2.conf:4: DenyKey=redis.server.*[*] forbids redis.server.info, redis.server.config, redis.server.slowlog.count\n",
				"-> if that is not meant, put this line before it: AllowKey=redis.server.info[*]"}, true},
		"an unknown option": {func(tr *tree) { tr.change(ownFile, "Alias=", "Plugins.RedisJobs.Timeoutt=3\nAlias=") },
			[]string{"DIR/zabbix_agent2.d/plugins.d/redisjobs.conf: Plugins.RedisJobs.Timeoutt (line ", "unknown option"}, false},
		"a password that everybody can read": {func(tr *tree) {
			tr.change(ownFile, "Alias=", "Plugins.RedisJobs.Sessions.A.Password=s3cret-marker\nAlias=")
		},
			[]string{"Plugins.RedisJobs.Sessions.A.Password: every user of this machine can read this password", "-> chmod 0640 DIR/zabbix_agent2.d/plugins.d/redisjobs.conf && chown root:" + groupOf(t, "nobody")}, true},
		"a password file that is absent": {func(tr *tree) {
			tr.change(ownFile, "Alias=", "Plugins.RedisJobs.Sessions.A.PasswordFile=/absent\nAlias=")
		},
			[]string{"the file cannot be read: no such file", "-> create the file that the line names, readable for the user nobody, or correct the line"}, false},
		"a password in place of its file": {func(tr *tree) {
			tr.change(ownFile, "Alias=", "Plugins.RedisJobs.Sessions.A.PasswordFile=/s3cret-marker\nAlias=")
		},
			[]string{"Plugins.RedisJobs.Sessions.A.PasswordFile", "the file cannot be read"}, false},
		"a relative password in place of its file": {func(tr *tree) {
			tr.change(ownFile, "Alias=", "Plugins.RedisJobs.Sessions.A.TLSKeyFile=s3cret-marker\nAlias=")
		},
			[]string{"Plugins.RedisJobs.Sessions.A.TLSKeyFile (line ", "is not the absolute path of a file"}, false},
		"a password file that everybody can read": {func(tr *tree) {
			tr.write("p", "s3cret-marker\n")
			tr.change(ownFile, "Alias=", "Plugins.RedisJobs.Sessions.A.PasswordFile="+tr.path("p")+"\nAlias=")
		}, []string{"every user of this machine can read DIR/p", "-> chmod 0640 DIR/p"}, true},
		"a password file that the agent cannot read": {func(tr *tree) {
			tr.write("p", "s3cret-marker\n")
			require.NoError(tr.t, os.Chmod(tr.path("p"), 0o600))
			tr.change(ownFile, "Alias=", "Plugins.RedisJobs.Sessions.A.PasswordFile="+tr.path("p")+"\nAlias=")
		}, []string{"the user nobody may not read DIR/p", "-> chgrp " + groupOf(t, "nobody") + " DIR/p"}, false},
		"a configuration that the agent cannot read": {func(tr *tree) { require.NoError(tr.t, os.Chmod(tr.path(ownFile), 0o600)) },
			[]string{"the user nobody may not read DIR/zabbix_agent2.d/plugins.d/redisjobs.conf"}, false},
		"a timeout beyond the agent's": {func(tr *tree) { tr.change(ownFile, "Alias=", "Plugins.RedisJobs.Timeout=10\nAlias=") },
			[]string{"the plugin may take 10s, but an agent before 7.0, which this one may be, waits no longer than its own Timeout of 3 s", "-> in DIR/zabbix_agent2.conf: Timeout=10\n"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needRoot(t)
			tr := newTree(t)
			c.plant(tr)
			code, count := 1, "problems: 0"
			if c.mild {
				code, count = 0, "warnings: 0"
			}
			out := tr.examine(code, "--offline")
			for _, l := range c.lines {
				require.Contains(t, out, l)
			}
			require.NotContains(t, out, count)
			verdict := "yes"
			if strings.Contains(out, "will not start") || strings.Contains(out, "PROBLEM  configuration") {
				verdict = "no"
			}
			require.True(t, strings.HasSuffix(out, "\nthe agent starts with this configuration: "+verdict+"\n"), out)
			require.NotContains(t, out, "s3cret")
			require.Contains(t, out, "->", "a fault has its fix")
		})
	}
}

// needRoot fails the tests of access where they could see nothing: the account
// nobody is not ours, and root is who runs the doctor.
func needRoot(t testing.TB) {
	t.Helper()
	me, err := user.Current()
	require.NoError(t, err)
	if me.Uid != "0" {
		t.Skip("NOT RUN: only root can look at files that another user may not read")
	}
}

func TestServersAndTheirRights(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: "s3cret-marker", Users: []string{
		"few on >s3cret-few %R~storm:* -@all +select +client|setname +ping +info +hgetall +type",
		"keyless on >s3cret-few resetkeys +@all",
		"old on >s3cret-few ~* +@all -client|list -memory",
	}})
	gone := redistest.Borrow(t)
	gone.Stop(t)
	lines := []string{}
	session := func(name, uri, user, password string) {
		p := "Plugins.RedisJobs.Sessions." + name + "."
		lines = append(lines, p+"Uri="+uri, p+"User="+user, p+"Password="+password)
	}
	session("Good", "tcp://"+s.Addr, "", "s3cret-marker")
	session("Few", "tcp://"+s.Addr, "few", "s3cret-few")
	session("Keyless", "tcp://"+s.Addr, "keyless", "s3cret-few")
	session("Old", "tcp://"+s.Addr, "old", "s3cret-few")
	session("Wrong", "tcp://"+s.Addr, "", "s3cret-wrong")
	session("Gone", "tcp://"+gone.Addr, "", "")
	session("TLS", "rediss://"+s.Addr, "", "")
	lines = append(lines, "Plugins.RedisJobs.Default.Uri=tcp://"+s.Addr)
	tr := newTree(t, lines...)
	require.NoError(t, os.Chmod(tr.path(ownFile), 0o640))
	before, err := strconv.Atoi(s.InfoField(t, "stats", "total_connections_received"))
	require.NoError(t, err)
	out := tr.examine(1)
	require.NotContains(t, out, "s3cret")
	require.Contains(t, out, "ok       session        Good (tcp://"+s.Addr+"): the user default has the rights")
	line := func(begin string) string {
		_, rest, found := strings.Cut(out, begin)
		require.True(t, found, "%s in %s", begin, out)
		text, rest, _ := strings.Cut(rest, "\n")
		fix, _, _ := strings.Cut(rest, "\n")
		return text + "\n" + fix
	}
	few := line("PROBLEM  session        Few (tcp://" + s.Addr + "): the user few may not ")
	require.Regexp(t, `, nor run (\S+ )*client\|list .*zscore; this concerns .*redis\.get`, few)
	require.NotContains(t, few, "cluster|", "it is none")
	require.Contains(t, few, "-> ACL SETUSER few %R~")
	require.Regexp(t, `\+client\|list (\S+ )*\+hget`, few)
	require.NotContains(t, few, "+hgetall")
	require.NotContains(t, few, "storm:", "which its pattern covers")
	keyless := line("session        Keyless (tcp://" + s.Addr + "): the user keyless may not ")
	require.Contains(t, keyless, "storm:job:* storm:jobs storm:jobs:heartbeat storm:jobs:state")
	require.Contains(t, keyless, "this concerns ")
	require.Contains(t, keyless, "bull:*")
	require.Contains(t, keyless, "%R~storm:job:* %R~storm:jobs %R~storm:jobs:heartbeat %R~storm:jobs:state")
	require.Contains(t, line("session        Old (tcp://"), "may not run client|list memory|usage; this concerns")
	require.Contains(t, line("PROBLEM  session        Wrong (tcp://"), "-> correct Plugins.RedisJobs.Sessions.Wrong.Password")
	require.Contains(t, line("PROBLEM  session        Gone (tcp://"), "Plugins.RedisJobs.Sessions.Gone.Uri=tcp://<host>:<port>")
	require.Contains(t, line("PROBLEM  session        TLS (rediss://"), "-> does the server have TLS at this port? if not: Plugins.RedisJobs.Sessions.TLS.Uri=tcp://"+s.Addr)
	require.Contains(t, line("PROBLEM  session        tcp://"+s.Addr), "-> set Plugins.RedisJobs.Default.Password or Plugins.RedisJobs.Default.PasswordFile")
	after, err := strconv.Atoi(s.InfoField(t, "stats", "total_connections_received"))
	require.NoError(t, err)
	require.LessOrEqual(t, after-before, 7, "one for each session")
}

func TestAProbeReadsNextToNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	for i := range 100 {
		s.Do(t, "SADD", "storm:jobs", strings.Repeat("x", 1000)+string(rune('a'+i)))
	}
	for _, p := range allProbes(metrics.ReadServer([]byte(s.Do(t, "INFO")))) {
		out, _ := s.TryDo(p.send...) // a refusal is an answer as well
		require.Less(t, len(out), 2000, "%q", p.send)
	}
}

func TestASentinelIsAskedWhatASentinelKnows(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Args: []string{"--sentinel"}})
	tr := newTree(t, "Plugins.RedisJobs.Sessions.S.Uri=tcp://"+s.Addr)
	require.Contains(t, tr.examine(0), "is a sentinel, and the user default has the rights that redis.sentinel.get needs")
}

func TestTheCommandLine(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	require.Equal(t, 0, Main([]string{"-h"}, &stdout, &stderr))
	require.Contains(t, stdout.String(), "doctor [-c <file>]")
	require.Equal(t, 2, Main([]string{"x"}, &stdout, &stderr))
	require.Contains(t, stderr.String(), `unexpected argument "x"`)
	require.Equal(t, 2, Main([]string{"--x"}, &stdout, &stderr))
}
