package conf

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// peerOf is what is dialed for an address that a server of session A named, and
// the name its certificate must have.
func peerOf(t *testing.T, o *Options, addr string) string {
	t.Helper()
	peer, err := o.Peer(mustResolve(t, o, Ref{Conn: "A"}), addr, "")
	if err != nil {
		requireNoSecret(t, err)
		return "error: " + err.Error()
	}
	out := peer.Address()
	if config, err := peer.TLS(); err == nil && config != nil {
		out += " as " + config.ServerName
	}
	return out
}

// TestAPeerOfAServerThatAnsweredHereMayBeHere, whatever the target's name: a name of
// this machine leads to a loopback address as well, as Debian's 127.0.1.1.
func TestAPeerOfAServerThatAnsweredHereMayBeHere(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, "Sessions.A.Uri=rediss://redis:7000", "Sessions.S.Uri=sentinel://redis/m", "Sessions.Few.Uri=sentinel://redis/m", "Sessions.Few.PeersAllowed=10.0.0.0/8")
	const here = "127.0.41.1"
	for _, c := range []struct{ session, announced, here, want string }{
		{"S", "127.0.41.1:6379", here, "127.0.41.1:6379"},
		{"S", "localhost:6379", here, "localhost:6379"},
		{"S", "127.0.0.1:6379", "192.0.2.1", "127.0.0.1:6379"},
		{"S", "0.0.0.0:6379", here, "0.0.0.0:6379"},
		{"S", "127.0.41.1:6379", "", ""},
		{"Few", "127.0.41.1:6379", here, ""},
		{"A", "127.0.41.1:7001", here, "redis:7001"}, // its certificate has the name
		{"A", "[::ffff:127.0.41.1]:7001", here, "redis:7001"},
		{"A", "0.0.0.0:7001", here, "redis:7001"},
		{"A", "127.0.41.2:7001", here, "127.0.41.2:7001"}, // another server, at another address
		{"A", "127.0.41.2:7001", "", "redis:7001"},
	} {
		peer, err := o.Peer(mustResolve(t, o, Ref{Conn: c.session}), c.announced, c.here)
		if c.want == "" {
			require.Error(t, err, "%+v", c)
			continue
		}
		require.NoError(t, err, "%+v", c)
		require.Equal(t, c.want, peer.Address(), "%+v", c)
	}
}

func TestWhatIsDialedForAnAnnouncedAddress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines []string
		want  map[string]string
	}{
		"a name goes before an address, for certificates and NAT": {[]string{"Uri=rediss://a.example.com"}, map[string]string{
			"10.0.0.2:7000":                   "10.0.0.2:7000 as 10.0.0.2",
			"10.0.0.2:7000,Node2.example.com": "node2.example.com:7000 as node2.example.com",
			"10.0.0.2:7000,?":                 "10.0.0.2:7000 as 10.0.0.2",
			"10.0.0.2:7000,":                  "10.0.0.2:7000 as 10.0.0.2",
			":7000,node2.example.com":         "node2.example.com:7000 as node2.example.com",
			":7000":                           "a.example.com:7000 as a.example.com",
		}},
		// As ElastiCache Serverless announces itself.
		"never the agent's own machine for a target elsewhere": {[]string{"Uri=tcp://a.example.com"}, map[string]string{
			"127.0.0.1:6380,x.serverless.example.com": "x.serverless.example.com:6380",
			"127.0.0.1:6380":                      "a.example.com:6380",
			"127.8.8.8:6380":                      "a.example.com:6380",
			"0.0.0.0:6380":                        "a.example.com:6380",
			"[::1]:6380":                          "a.example.com:6380",
			"[::]:6380":                           "a.example.com:6380",
			"[::ffff:127.0.0.1]:6380":             "a.example.com:6380",
			"localhost:6380":                      "a.example.com:6380",
			"10.0.0.2:6380,localhost.localdomain": "10.0.0.2:6380",
			"10.0.0.2:6380,x.localhost":           "10.0.0.2:6380",
		}},
		"a target on the agent's own machine has its peers there": {[]string{"Uri=tcp://127.0.0.1:7000"}, map[string]string{
			"127.0.0.1:7001":           "127.0.0.1:7001",
			"[::1]:7001":               "[::1]:7001",
			"127.0.0.1:7001,localhost": "localhost:7001",
		}},
		"sentinels elsewhere name no master on the agent's machine": {[]string{"Uri=sentinel://s1.example.com,s2.example.com/m"}, map[string]string{
			"127.0.0.1:6379": `error: the server named a node at "127.0.0.1:6379", which is the agent's own machine, and the target is elsewhere: announce another address, or set AddressMap`,
			"10.0.0.5:6379":  "10.0.0.5:6379",
		}},
		"sentinels on the agent's own machine do": {[]string{"Uri=sentinel://localhost/m"}, map[string]string{
			"127.0.0.1:6379": "127.0.0.1:6379",
		}},
		"a map": {[]string{"Uri=rediss://a.example.com",
			"AddressMap=10.0.0.1:6379=redis-1.example.com:16379, 10.0.0.2=redis-2.example.com  127.0.0.1:6380=a.example.com:7 inner:1=10.9.9.9:1"}, map[string]string{
			"10.0.0.1:6379":      "redis-1.example.com:16379 as redis-1.example.com",
			"10.0.0.1:6380":      "10.0.0.1:6380 as 10.0.0.1",
			"10.0.0.2:1234":      "redis-2.example.com:1234 as redis-2.example.com",
			"127.0.0.1:6380":     "a.example.com:7 as a.example.com",
			"10.3.3.3:1,INNER":   "10.9.9.9:1 as inner",
			"10.0.0.3:1,node.ex": "node.ex:1 as node.ex",
		}},
		"a map of Default": {[]string{"Uri=tcp://a.example.com"}, map[string]string{
			"192.0.2.1:1": "mapped.example.com:2",
		}},
		"few may be asked": {[]string{"Uri=rediss://a.example.com", "PeersAllowed=10.0.0.0/8,*.good.example.com one.example.com 192.0.2.7 fd00::/8",
			"AddressMap=172.16.0.1:1=198.51.100.1:1"}, map[string]string{
			"10.1.2.3:1":                       "10.1.2.3:1 as 10.1.2.3",
			"11.1.2.3:1":                       `error: the server named a node at "11.1.2.3:1", which is not asked: PeersAllowed does not have it`,
			"10.1.2.3:1,evil.example.com":      "10.1.2.3:1 as evil.example.com", // the name is not dialed
			"11.1.2.3:1,x.good.example.com":    "x.good.example.com:1 as x.good.example.com",
			"good.example.com:1":               `error: the server named a node at "good.example.com:1", which is not asked: PeersAllowed does not have it`,
			"notgood.example.com:1":            `error: the server named a node at "notgood.example.com:1", which is not asked: PeersAllowed does not have it`,
			"ONE.example.com:1":                "one.example.com:1 as one.example.com",
			"192.0.2.7:1":                      "192.0.2.7:1 as 192.0.2.7",
			"192.0.2.8:1":                      `error: the server named a node at "192.0.2.8:1", which is not asked: PeersAllowed does not have it`,
			"[fd00::1]:1":                      "[fd00::1]:1 as fd00::1",
			":2":                               "a.example.com:2 as a.example.com", // its own host
			"172.16.0.1:1":                     "198.51.100.1:1 as 198.51.100.1",   // the operator said so
			"[::ffff:10.1.2.3]:1":              "[::ffff:10.1.2.3]:1 as ::ffff:10.1.2.3",
			"[::ffff:11.1.2.3]:1,x.example.ne": `error: the server named a node at "[::ffff:11.1.2.3]:1", which is not asked: PeersAllowed does not have it`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines := []string{"Default.AddressMap=192.0.2.1:1=mapped.example.com:2"}
			for _, l := range c.lines {
				lines = append(lines, "Sessions.A."+l)
			}
			o := mustDecode(t, lines...)
			for addr, want := range c.want {
				require.Equal(t, want, peerOf(t, o, addr), addr)
			}
		})
	}
}

func TestPeersKeepTheRulesOfTheirTarget(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, "Sessions.A.Uri=tcp://a", "Sessions.A.PeersAllowed=10.0.0.0/8", "Sessions.A.RenameCommands=INFO=my-info config=abc",
		"Sessions.B.Uri=tcp://a", "Sessions.S.Uri=sentinel://s/m", "Sessions.S.RenameCommands=SENTINEL=x")
	a, b := mustResolve(t, o, Ref{Conn: "A"}), mustResolve(t, o, Ref{Conn: "B"})
	require.NotSame(t, a, b, "other rules make another target")
	peer, err := o.Peer(a, "10.0.0.1:1", "")
	require.NoError(t, err)
	_, err = o.Peer(peer, "11.0.0.1:1", "")
	require.Error(t, err)
	again, err := o.Peer(peer, "10.0.0.1:1", "")
	require.NoError(t, err)
	require.Same(t, peer, again)
	for _, target := range []*Target{a, peer} {
		require.True(t, target.Renames())
		name, ok := target.Renamed("CONFIG")
		require.True(t, ok)
		require.Equal(t, "abc", name)
		_, ok = target.Renamed("PING")
		require.False(t, ok)
	}
	require.False(t, b.Renames())
	require.False(t, o.Sentinels(mustResolve(t, o, Ref{Conn: "S"}))[0].Renames(), "they are not the server")
}

func TestRulesThatAreRefused(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"PeersAllowed=10.0.0.0/33":                      "entry 1 is not a host name",
		"PeersAllowed=*good.example.com":                "entry 1 is not a host name",
		"PeersAllowed=h:6379":                           "entry 1 is not a host name",
		"PeersAllowed=,":                                "names neither a host nor a network",
		"AddressMap=10.0.0.1:1":                         "entry 1 is not ANNOUNCED=REAL, as ",
		"AddressMap=10.0.0.1:1=h":                       "has a port on one side only",
		"AddressMap=10.0.0.1=h:1":                       "has a port on one side only",
		"AddressMap=a:1=b:1 A:1=c:1":                    "entry 2 maps an address that an entry before it maps to another one",
		"AddressMap=a:1=b:99999":                        "is not ANNOUNCED=REAL",
		"RenameCommands=INFO":                           "entry 1 is not COMMAND=NAME, as INFO=my-info",
		"RenameCommands=INFO=":                          "entry 1 is not COMMAND=NAME",
		"RenameCommands=IN\"FO=x":                       "is not COMMAND=NAME",
		"RenameCommands=INFO=a info=b":                  "entry 2 gives a command a second name",
		"RenameCommands=" + strings.Repeat("A=a ", 101): "has 101 entries, more than 100",
	} {
		_, err := Decode(sent(t, "Sessions.A."+line), Global{})
		require.ErrorContains(t, err, want, line)
		require.ErrorContains(t, err, "Plugins.RedisJobs.Sessions.A."+strings.Split(line, "=")[0])
	}
}

func FuzzRules(f *testing.F) {
	f.Add("10.0.0.1:6379=redis-1.example.com:6379 a=b", "10.1.1.1:1,name")
	f.Add("*.example.com 10.0.0.0/8 ::1", "[::1]:1")
	f.Fuzz(func(t *testing.T, text, addr string) {
		if allowed, err := parseAllowed(text); err == nil {
			require.NotEmpty(t, allowed)
		}
		if m, err := parseAddressMap(text); err == nil {
			for from, to := range m {
				require.Equal(t, strings.Contains(from, ":") && !isAddress(from), strings.Contains(to, ":") && !isAddress(to))
			}
		}
		if m, err := parseRenames(text); err == nil {
			for command, name := range m {
				require.NotEmpty(t, command)
				require.NotEmpty(t, name)
			}
		}
		o := mustDecode(t, "Sessions.A.Uri=tcp://a.example.com", "Sessions.A.PeersAllowed=10.0.0.0/8")
		peer, err := o.Peer(mustResolve(t, o, Ref{Conn: "A"}), addr, "")
		if err == nil {
			require.False(t, isLoopback(peer.Host()), addr)
		}
	})
}
