package migrate

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/agentconf"
	"redisjobs/internal/redistest"
)

const marker = "s3cret-marker"

// tree is an agent's configuration as packages lay it, in a folder of the test's.
type tree struct {
	t   testing.TB
	dir string
}

func newTree(t testing.TB, mainLines ...string) *tree {
	t.Helper()
	tr := &tree{t, t.TempDir()}
	require.NoError(t, os.MkdirAll(tr.path("zabbix_agent2.d/plugins.d"), 0o755))
	tr.write("zabbix_agent2.conf", "Server=127.0.0.1\n"+strings.Join(mainLines, "\n")+"\nInclude=./zabbix_agent2.d/plugins.d/*.conf\n")
	tr.write("zabbix_agent2.d/plugins.d/redisjobs.conf", prefix+"System.Path=/x\n")
	return tr
}

func (tr *tree) path(name string) string { return filepath.Join(tr.dir, name) }

func (tr *tree) write(name, text string) {
	tr.t.Helper()
	require.NoError(tr.t, os.WriteFile(tr.path(name), []byte(text), 0o640))
}

func (tr *tree) read(name string) string {
	tr.t.Helper()
	data, err := os.ReadFile(tr.path(name))
	require.NoError(tr.t, err)
	return string(data)
}

// run runs the command; the folder is DIR in what it prints.
func (tr *tree) run(code int, args ...string) string {
	tr.t.Helper()
	var stdout, stderr bytes.Buffer
	got := Main(append([]string{"-c", tr.path("zabbix_agent2.conf")}, args...), &stdout, &stderr)
	out := strings.ReplaceAll(stdout.String()+stderr.String(), tr.dir, "DIR")
	require.Equal(tr.t, code, got, out)
	require.NotContains(tr.t, out, marker)
	return out
}

// on reports whether the agent would send the built-in plugin's keys to this one.
func (tr *tree) on() bool {
	c := agentconf.Read(tr.path("zabbix_agent2.conf"), nil)
	require.Empty(tr.t, c.Problems)
	ours, others := builtinAliases(c)
	require.Empty(tr.t, others)
	if len(ours) > 0 {
		require.Len(tr.t, ours, 8)
	}
	return len(ours) > 0
}

const (
	aliasesFile  = "zabbix_agent2.d/plugins.d/" + aliasesName
	sessionsFile = "zabbix_agent2.d/plugins.d/" + sessionsName
)

func TestThereAndBack(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: marker})
	tr := newTree(t, "Plugins.Redis.Timeout=5", "Plugins.Redis.System.Capacity=9", "Plugins.Redis.Sessions.Old.Uri=tcp://"+s.Addr,
		"Plugins.Redis.Sessions.Old.Password="+marker, "Plugins.Redis.Default.Uri=tcp://"+s.Addr, "Plugins.Redis.Default.Password="+marker)
	before := tr.read("zabbix_agent2.conf")

	shown := tr.run(0)
	require.Contains(t, shown, "DIR/"+sessionsFile+": the built-in plugin's settings, copied\n    (mode 0640, for the group of the agent's user alone: it may hold passwords)\n    Plugins.RedisJobs.Timeout=5   (from DIR/zabbix_agent2.conf:2)\n")
	require.Contains(t, shown, "    Plugins.RedisJobs.Sessions.Old.Password=***   (from DIR/zabbix_agent2.conf:5)\n")
	require.Contains(t, shown, "DIR/"+aliasesFile+": the aliases, switched on\n    Alias=redis.info:redis.server.info\n")
	require.Contains(t, shown, "ok       Old (tcp://"+s.Addr+") answers\n")
	require.Contains(t, shown, "Plugins.Redis.System.Capacity is not copied")
	require.Contains(t, shown, "Nothing was changed. The same command with --apply does it.")
	require.NoFileExists(t, tr.path(aliasesFile))
	require.NoFileExists(t, tr.path(sessionsFile))
	require.False(t, tr.on())

	require.Contains(t, tr.run(0, "--apply"), "Done. Restart the agent")
	require.True(t, tr.on())
	require.Equal(t, before, tr.read("zabbix_agent2.conf"), "the operator's files are left alone")
	require.Contains(t, tr.read(sessionsFile), "\nPlugins.RedisJobs.Sessions.Old.Password="+marker+"\n")
	st, err := os.Stat(tr.path(sessionsFile))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), st.Mode().Perm(), "as closed as the file that the password comes from")

	again := tr.run(0)
	require.Contains(t, again, "There is nothing to change.")
	require.Contains(t, again, "Plugins.RedisJobs.Sessions.Old is there already, and leads to the same server")

	require.Contains(t, tr.run(0, "--back"), "Nothing was changed. The same command with --apply does it.")
	require.True(t, tr.on())
	require.Contains(t, tr.run(0, "--back", "--apply"), "Done.")
	require.False(t, tr.on())
	require.Contains(t, tr.read(aliasesFile), "\n#Alias=redis.ping[*]:redis.server.ping[*]\n")
	require.Contains(t, tr.run(0, "--back"), "the aliases are off already")
	require.Contains(t, tr.run(0, "--apply"), "Done.")
	require.True(t, tr.on())
}

// TestCopiedPasswordsAreNotForAll, whoever may read the file that they come from.
func TestCopiedPasswordsAreNotForAll(t *testing.T) {
	t.Parallel()
	tr := newTree(t, "Plugins.Redis.Sessions.A.Uri=tcp://127.0.0.1:1", "Plugins.Redis.Sessions.A.Password="+marker)
	require.NoError(t, os.Chmod(tr.path("zabbix_agent2.conf"), 0o644))
	tr.run(0, "--offline", "--apply")
	mode := func(name string) os.FileMode {
		st, err := os.Stat(tr.path(name))
		require.NoError(t, err)
		return st.Mode().Perm()
	}
	require.Equal(t, os.FileMode(0o640), mode(sessionsFile))
	require.Equal(t, os.FileMode(0o644), mode("zabbix_agent2.conf"), "the operator's files are left alone")
	require.Equal(t, os.FileMode(0o644), mode(aliasesFile), "there is no secret in it")
	require.NoError(t, os.Chmod(tr.path("zabbix_agent2.conf"), 0o600))
	require.NoError(t, os.Remove(tr.path(sessionsFile)))
	tr.run(0, "--offline", "--apply")
	require.Equal(t, os.FileMode(0o600), mode(sessionsFile), "what is more closed stays so")
}

// TestWhatStandsInTheWay: nothing is changed before it is corrected, and each line
// says how.
func TestWhatStandsInTheWay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines []string
		own   string // more of the plugin's own file
		args  []string
		want  string
	}{
		"a rule that would lose its effect": {[]string{"DenyKey=redis.config[*]"}, "", nil,
			"DIR/zabbix_agent2.conf:2: DenyKey=redis.config[*] is about redis.config, which the agent will know by another name: add the line DenyKey=redis.server.config[*] next to it"},
		"a rule with a pattern": {[]string{"AllowKey=redis.p*[Prod]", "DenyKey=*"}, "", nil,
			"add the line AllowKey=redis.server.ping[Prod] next to it"},
		"another server by the same name": {[]string{"Plugins.Redis.Sessions.A.Uri=tcp://one"}, prefix + "Sessions.A.Uri=tcp://two\n", []string{"--offline"},
			"Plugins.Redis.Sessions.A leads to tcp://one:6379, and Plugins.RedisJobs.Sessions.A to tcp://two:6379"},
		"an alias of the operator's": {[]string{"Alias=redis.ping:agent.ping"}, "", nil, "redis.ping is an alias of agent.ping: remove the line"},
		"a session that does not answer": {[]string{"Plugins.Redis.Sessions.A.Uri=tcp://127.0.0.1:1", "Plugins.Redis.Sessions.A.Password=" + marker}, "", nil,
			"the session A (tcp://127.0.0.1:1) does not answer now: "},
		"a CA file that is absent": {[]string{"Plugins.Redis.Sessions.A.Uri=tcp://a", "Plugins.Redis.Sessions.A.TLSConnect=verify_ca", "Plugins.Redis.Sessions.A.TLSCAFile=/absent"}, "", nil,
			"Plugins.RedisJobs.Sessions.A.TLSCAFile: the file cannot be read"},
		"a setting that this plugin refuses": {[]string{"Plugins.Redis.Sessions.A.Uri=tcp://u:" + marker + "@h"}, "", nil, "an address takes no password"},
		"a configuration that is not read":   {[]string{"Nonsense"}, "", nil, "the line is not of the form Name=Value"},
		"a rule, on the way back":            {[]string{"DenyKey=redis.server.config[*]"}, "", []string{"--back"}, "add the line DenyKey=redis.config[*] next to it"},
		"aliases in another file": {[]string{"Alias=redis.ping:redis.server.ping"}, "", []string{"--back"},
			"DIR/zabbix_agent2.conf:2: put a # before Alias=redis.ping:redis.server.ping"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTree(t, c.lines...)
			tr.write("zabbix_agent2.d/plugins.d/redisjobs.conf", prefix+"System.Path=/x\n"+c.own)
			out := tr.run(1, append(c.args, "--apply")...)
			require.Contains(t, out, "PROBLEM  ")
			require.Contains(t, out, c.want)
			require.Contains(t, out, "Nothing was changed. Problems in the way: 1.")
			require.NoFileExists(t, tr.path(aliasesFile))
			require.NoFileExists(t, tr.path(sessionsFile))
		})
	}
	tr := newTree(t, "Plugins.Redis.Sessions.A.Uri=tcp://127.0.0.1:1")
	require.Contains(t, tr.run(0, "--offline", "--apply"), "Done.")
	tr = newTree(t, "DenyKey=redis.config[*]", "DenyKey=redis.server.config[*]", "DenyKey=*.info[*]")
	require.Contains(t, tr.run(0, "--apply"), "Done.", "each rule has its counterpart")
}

// TestAnIncludeThatDoesNotReachTheFiles: all or nothing.
func TestAnIncludeThatDoesNotReachTheFiles(t *testing.T) {
	t.Parallel()
	tr := newTree(t, "Plugins.Redis.Sessions.A.Uri=tcp://127.0.0.1:1")
	tr.write("zabbix_agent2.conf", strings.Replace(tr.read("zabbix_agent2.conf"), "*.conf", "redisjobs.conf", 1))
	out := tr.run(1, "--apply", "--offline")
	require.Contains(t, out, "is not among the files that DIR/zabbix_agent2.conf includes: nothing was changed; add a line Include=DIR/zabbix_agent2.d/plugins.d/*.conf")
	require.NoFileExists(t, tr.path(aliasesFile))
	require.NoFileExists(t, tr.path(sessionsFile))
}

// TestInstallingChangesNoAnswer: the aliases are on only where the built-in plugin
// has no settings that an item may depend on.
func TestInstallingChangesNoAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines []string
		on    bool
		want  string
	}{
		"nothing of the built-in plugin": {[]string{"# Plugins.Redis.Timeout=3", "Plugins.Memcached.Timeout=3", "Plugins.RedisJobs.Timeout=3"}, true, "this plugin answers redis.ping"},
		"an empty setting":               {[]string{"Plugins.Redis.Sessions.A.Uri="}, true, "this plugin answers redis.ping"},
		"a session":                      {[]string{"Plugins.Redis.Sessions.Old.Uri=tcp://h"}, false, "DIR/zabbix_agent2.conf:2: the built-in plugin Redis is configured (1 line)"},
		"a session by a variable":        {[]string{"Plugins.Redis.Sessions.Old.Uri=${NOT_SET_HERE}"}, false, "the built-in plugin Redis is configured"},
		"any setting":                    {[]string{"Plugins.Redis.KeepAlive=300"}, false, "zabbix-agent2-plugin-redisjobs migrate"},
		"a rule":                         {[]string{"DenyKey=redis.config[*]"}, false, "DenyKey=redis.config[*] is about a key of the built-in plugin"},
		"a rule for all":                 {[]string{"DenyKey=*"}, true, "this plugin answers"},
		"an alias":                       {[]string{"Alias=redis.ping:redis.server.ping"}, false, "there is an alias of redis.ping"},
		"a line that is none":            {[]string{"Nonsense"}, false, "the line is not of the form Name=Value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTree(t, c.lines...)
			require.Contains(t, tr.run(0, "--on-install"), c.want)
			active := "#Alias="
			if c.on {
				active = "Alias="
			}
			require.Contains(t, tr.read(aliasesFile), "\n"+active+"redis.info:redis.server.info\n")
		})
	}
}

// TestTheOrderOfTheAliases: an agent stops at the first [*] name that is longer than
// the key.
func TestTheOrderOfTheAliases(t *testing.T) {
	t.Parallel()
	longest, n := 0, 0
	for line := range strings.Lines(AliasFile(true)) {
		require.LessOrEqual(t, len(line), 2048)
		name, _, _ := strings.Cut(line, ":")
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		n++
		if strings.HasSuffix(name, "[*]") {
			require.GreaterOrEqual(t, len(name), longest)
			longest = len(name)
		}
	}
	require.Equal(t, 8, n)
	require.Equal(t, AliasFile(true), strings.ReplaceAll(AliasFile(false), "#Alias=", "Alias="))
}

func TestTheCommandLine(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	require.Equal(t, 0, Main([]string{"-h"}, &stdout, &stderr))
	require.Contains(t, stdout.String(), "migrate [-c <file>]")
	require.Equal(t, 2, Main([]string{"x"}, &stdout, &stderr))
	require.Equal(t, 2, Main([]string{"--on-install", "--apply"}, &stdout, &stderr))
}

// TestAServerThatIsDownNeedNotStandInTheWay: the others are asked all the same.
func TestAServerThatIsDownNeedNotStandInTheWay(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: marker})
	lines := []string{
		"Plugins.Redis.Sessions.Up.Uri=tcp://" + s.Addr, "Plugins.Redis.Sessions.Up.Password=" + marker,
		"Plugins.Redis.Sessions.Down.Uri=tcp://127.0.0.1:1", "Plugins.Redis.Sessions.Gone.Uri=tcp://127.0.0.1:1", "Plugins.Redis.Sessions.Gone.User=u",
	}
	out := newTree(t, lines...).run(1, "--apply")
	require.Contains(t, out, "ok       Up (tcp://"+s.Addr+") answers\n")
	require.Contains(t, out, "PROBLEM  the session Down (tcp://127.0.0.1:1) does not answer now: connect: 127.0.0.1:1: connection refused")
	require.Contains(t, out, "; correct it, or go on without its check with --allow-down\n")

	tr := newTree(t, lines...)
	out = tr.run(0, "--apply", "--allow-down")
	require.Contains(t, out, "ok       Up (tcp://"+s.Addr+") answers\n")
	require.Contains(t, out, "down     Down (tcp://127.0.0.1:1): connect: ")
	require.Contains(t, out, "note     not checked, because the server does not answer now: Down, Gone\n")
	require.Contains(t, out, "Done.")
	require.True(t, tr.on())

	out = newTree(t, append(lines, "Plugins.Redis.Sessions.Wrong.Uri=tcp://"+s.Addr, "Plugins.Redis.Sessions.Wrong.Password=no")...).run(1, "--apply", "--allow-down")
	require.Contains(t, out, "PROBLEM  the session Wrong (tcp://"+s.Addr+") does not work: auth: WRONGPASS")
	require.Contains(t, out, "or leave out the check of all sessions with --offline")
}

// TestATimeoutThatTheAgentDoesNotWaitForIsNotCopied: doctor would blame the line.
func TestATimeoutThatTheAgentDoesNotWaitForIsNotCopied(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version string
		lines   []string
		copied  bool
		note    string
	}{
		"6.0":                        {"6.0.14", []string{"Plugins.Redis.Timeout=5"}, false, "DIR/zabbix_agent2.conf:2: Plugins.Redis.Timeout=5 is not copied: this agent, which has version 6.0.14, waits no longer for this plugin than its own Timeout of 3 s: to allow 5 s, set Timeout=5 in DIR/zabbix_agent2.conf"},
		"6.0 with patience":          {"6.0.14", []string{"Plugins.Redis.Timeout=5", "Timeout=5"}, true, ""},
		"7.0":                        {"7.0.29", []string{"Plugins.Redis.Timeout=5"}, true, ""},
		"one that is not known":      {"", []string{"Plugins.Redis.Timeout=5"}, true, "should this agent be older than 7.0, it waits no longer for this plugin than its own Timeout of 3 s: set Timeout=5 in DIR/zabbix_agent2.conf then"},
		"not known, within patience": {"", []string{"Plugins.Redis.Timeout=3"}, true, ""},
	} {
		tr := newTree(t, append(c.lines, "Plugins.Redis.Sessions.A.Uri=tcp://127.0.0.1:1")...)
		agent := "/absent"
		if c.version != "" {
			agent = tr.path("agent")
			require.NoError(t, os.WriteFile(agent, []byte("#!/bin/sh\necho 'zabbix_agent2 (Zabbix) "+c.version+"'\n"), 0o700))
		}
		out := tr.run(0, "--offline", "--apply", "--agent", agent)
		require.Equal(t, c.copied, strings.Contains(tr.read(sessionsFile), "Plugins.RedisJobs.Timeout="), name)
		if c.note == "" {
			require.NotContains(t, out, "Timeout of", name)
		} else {
			require.Contains(t, out, "note     ", name)
			require.Contains(t, out, c.note, name)
		}
	}
}
