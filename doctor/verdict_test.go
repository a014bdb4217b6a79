package doctor

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// TestAServerThatIsDownIsNoFaultOfTheConfiguration: of many servers one is always down,
// and the agent may be restarted all the same.
func TestAServerThatIsDownIsNoFaultOfTheConfiguration(t *testing.T) {
	t.Parallel()
	s, gone := redistest.Borrow(t), redistest.Borrow(t)
	gone.Stop(t)
	const p = "Plugins.RedisJobs.Sessions."
	tr := newTree(t, p+"Up.Uri=tcp://"+s.Addr, p+"Down.Uri=tcp://"+gone.Addr)
	out := tr.examine(3)
	require.Contains(t, out, "PROBLEM  session        Down (tcp://"+gone.Addr+"): connect: ")
	require.True(t, strings.HasSuffix(out, "problems: 1, warnings: 0\nthe agent starts with this configuration: yes\n"), out)
	var report struct {
		Problems int
		Starts   string
		Findings []struct{ Level, Text, Affects string }
	}
	require.NoError(t, json.Unmarshal([]byte(tr.examine(3, "--json")), &report))
	require.Equal(t, "yes", report.Starts)
	require.Equal(t, []string{"problem", "server"}, []string{report.Findings[0].Level, report.Findings[0].Affects})

	tr.change(ownFile, p+"Up.Uri", p+"Bad.PasswordFile=/absent\n"+p+"Up.Uri")
	out = tr.examine(1)
	require.Contains(t, out, "problems: 2")
	require.Contains(t, out, "the agent starts with this configuration: yes\n", "which costs a session")
	tr.change(ownFile, p+"Up.Uri", "Plugins.RedisJobs.Timeoutt=3\n"+p+"Up.Uri")
	require.Contains(t, tr.examine(1), "the agent starts with this configuration: no\n")
	report.Findings = nil
	require.NoError(t, json.Unmarshal([]byte(tr.examine(1, "--json")), &report))
	require.Equal(t, "no", report.Starts)
	require.Contains(t, fmt.Sprint(report.Findings), "Timeoutt (line")
	require.Contains(t, fmt.Sprint(report.Findings), " agent}")
}

// TestAUserThatDoesNotExistMayNothing: its rights to files are not known.
func TestAUserThatDoesNotExistMayNothing(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	out := tr.examine(1, "--offline", "--user", "nobodyy")
	require.Contains(t, out, "PROBLEM  user           there is no user nobodyy on this machine: what the agent may read and run was not judged")
	require.Contains(t, out, "-> name the user that the agent runs as: doctor --user <name>")
	require.Contains(t, out, "ok       options        they are valid; whether the agent may read the files that they name is not known")
	require.Contains(t, out, "the agent starts with this configuration: not known\n")

	d := &doctor{user: findAccount("nobodyy")}
	d.account()
	require.Equal(t, warning, d.findings[0].level, "the agent's usual user need not be on this machine")
}

// TestTheAgentsPatience: agents from 7.0 on wait as long as the item says.
func TestTheAgentsPatience(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"7.0.29": "",
		"7.4.0":  "",
		"6.0.14": "the plugin may take 5s, but this agent, which has version 6.0.14, waits no longer than its own Timeout of 3 s",
	} {
		tr := newTree(t, "Plugins.RedisJobs.Timeout=5")
		out := tr.examine(0, "--offline", "--agent", tr.agentOf(version))
		if want == "" {
			require.Contains(t, out, "warnings: 0", version)
			continue
		}
		require.Contains(t, out, want)
		require.Contains(t, out, "-> in DIR/zabbix_agent2.conf: Timeout=5\n")
		tr.change(mainFile, "Hostname=h", "Hostname=h\nTimeout=5")
		require.Contains(t, tr.examine(0, "--offline", "--agent", tr.agentOf(version)), "warnings: 0")
	}
}

// TestARuleThatForbidsSecretsIsMeant: docs/security.md has these lines.
func TestARuleThatForbidsSecretsIsMeant(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	tr.write("zabbix_agent2.d/d.conf", "DenyKey=redis.server.config[*]\nDenyKey=redis.command[*]\nDenyKey=redis.key.value[*]\n")
	out := tr.examine(0, "--offline")
	require.Contains(t, out, "warnings: 0")
	require.Contains(t, out, "ok       keys           DIR/zabbix_agent2.d/d.conf:1: DenyKey=redis.server.config[*] forbids redis.server.config, which shows contents or settings of a server\n")
	tr.write("zabbix_agent2.d/d.conf", "DenyKey=redis.get[*]\nDenyKey=redis.server.c*[*]\n")
	require.Contains(t, tr.examine(0, "--offline"), "warnings: 2", "a key of the template, and a pattern")
}

// TestALoginIsCuredWhereItIsWrong has the option that is in use, and the reason why there
// is no password.
func TestALoginIsCuredWhereItIsWrong(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: "s3cret", Users: []string{"app on >s3cret +@all"}})
	sentinel := redistest.Start(t, redistest.Config{Password: "s3cret", Args: []string{"--sentinel"}})
	old := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, "redis-5.0").Bin})
	const p = "Plugins.RedisJobs.Sessions.A."
	for name, c := range map[string]struct {
		lines []string
		want  []string
	}{
		"a password":             {[]string{"Uri=tcp://" + s.Addr, "Password=wrong"}, []string{"-> correct " + p + "Password\n"}},
		"a user and a password":  {[]string{"Uri=tcp://" + s.Addr, "User=app", "Password=wrong"}, []string{"-> correct " + p + "User and " + p + "Password\n"}},
		"a user in the address":  {[]string{"Uri=redis://app@" + s.Addr, "Password=wrong"}, []string{"-> correct the user before the @ in " + p + "Uri and " + p + "Password\n"}},
		"none":                   {[]string{"Uri=tcp://" + s.Addr}, []string{"-> set " + p + "Password or " + p + "PasswordFile\n"}},
		"a user without one":     {[]string{"Uri=tcp://" + s.Addr, "User=app"}, []string{"no password is set for the user app", "-> set " + p + "Password or " + p + "PasswordFile\n"}},
		"an unset variable":      {[]string{"Uri=tcp://" + s.Addr, "User=app", "Password=${RJ_DOCTOR_NOT_SET}"}, []string{"no password is set for the user app", p + "Password is ${RJ_DOCTOR_NOT_SET}, which is not set: set it for the agent, systemctl edit zabbix-agent2, Environment=RJ_DOCTOR_NOT_SET=...\n"}},
		"a user before Redis 6":  {[]string{"Uri=tcp://" + old.Addr, "User=app", "Password=x"}, []string{"-> remove " + p + "User: servers before Redis 6 have no users\n"}},
		"a password of none":     {[]string{"Uri=tcp://" + old.Addr, "Password=x"}, []string{"-> remove " + p + "Password, or name the user: " + p + "User\n"}},
		"sentinels without one":  {[]string{"Uri=sentinel://" + sentinel.Addr + "/m", "Password=x"}, []string{"-> set " + p + "SentinelPassword or " + p + "SentinelPasswordFile\n"}},
		"sentinels, a wrong one": {[]string{"Uri=sentinel://" + sentinel.Addr + "/m", "SentinelPassword=x"}, []string{"-> correct " + p + "SentinelUser and " + p + "SentinelPassword, or SentinelPasswordFile\n"}},
		"no sentinel":            {[]string{"Uri=sentinel://" + s.Addr + "/m"}, []string{"this is a server, not a sentinel", "-> name the sentinels: " + p + "Uri=sentinel://<host>:26379/m\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lines []string
			for _, l := range c.lines {
				lines = append(lines, p+l)
			}
			tr := newTree(t, lines...)
			out := tr.examine(1, "--agent", tr.agentOf("7.4.3"))
			for _, want := range c.want {
				require.Contains(t, out, want)
			}
		})
	}
}

// TestAServerThatMayNotBeAskedHasItsCure: the sentinels are right, and what they name is
// not asked.
func TestAServerThatMayNotBeAskedHasItsCure(t *testing.T) {
	t.Parallel()
	w := redistest.NewWatched(t, "", "", "")
	const p = "Plugins.RedisJobs.Sessions.A."
	out := newTree(t, p+"Uri=sentinel://"+w.Sentinels[0].Addr+"/mymaster", p+"PeersAllowed=10.0.0.0/8").examine(1)
	require.Contains(t, out, "the server named a node at \""+w.Servers[0].Addr+"\", which is not asked: PeersAllowed does not have it")
	require.Contains(t, out, "-> if the server is yours, add its address to "+p+"PeersAllowed\n")

	options, err := conf.Decode(nil, conf.Global{})
	require.NoError(t, err)
	target, err := options.Resolve(conf.Ref{Conn: "sentinel://h/mymaster"})
	require.NoError(t, err)
	f := &failure{err: &redisclient.Error{Reason: redisclient.ReasonSentinel, Err: fmt.Errorf("x, which %w", conf.ErrPeerHere)}, target: target, option: p}
	require.Equal(t, advice{"let the sentinels watch an address that leads there from every machine: sentinel monitor mymaster <address> <port> <quorum>\n" +
		"or say where it leads to from here: " + p + "AddressMap=<named address>:<port>=<host>:<port>", false}, f.cure())
}

// TestABrokenSessionIsCuredWhereItIsBroken: in the file, in the line, or by a file.
func TestABrokenSessionIsCuredWhereItIsBroken(t *testing.T) {
	t.Parallel()
	const p = "Plugins.RedisJobs.Sessions.A."
	for name, c := range map[string]struct{ text, line, want string }{
		"an empty password":       {"", "PasswordFile=FILE", "-> write the password, and nothing else, into the file that the line names\n"},
		"a password of line ends": {"\n\n", "PasswordFile=FILE", "-> write the password, and nothing else, into the file that the line names\n"},
		"two lines":               {"a\nb\n", "PasswordFile=FILE", "-> correct the file that the line names, or the line\n"},
		"an empty authority":      {"", "TLSCAFile=FILE\n" + p + "TLSConnect=verify_ca", "-> write the certificate or key, in PEM form, into the file that the line names\n"},
		"no file":                 {"", "PasswordFile=/absent", "-> create the file that the line names, readable for the user nobody, or correct the line\n"},
		"two passwords":           {"x", "PasswordFile=FILE\n" + p + "Password=y", "-> correct the line\n"},
	} {
		tr := newTree(t)
		tr.write("f", c.text)
		require.NoError(t, os.Chmod(tr.path("f"), 0o644))
		tr.change(ownFile, "Alias=", p+"Uri=tcp://h\n"+p+strings.ReplaceAll(c.line, "FILE", tr.path("f"))+"\nAlias=")
		require.Contains(t, tr.examine(1, "--offline"), c.want, name)
	}
}
