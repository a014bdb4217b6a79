package targets

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics"
	"redisjobs/metrics/jsondoc"
)

// clusterOfTwo is two nodes of a cluster, as far as redis.cluster.get and
// redis.key.get ask them, that announce themselves as announce says of their
// numbers and ports. Their INFO is a real server's.
func clusterOfTwo(t testing.TB, announce func(i int, port string) string) [2]*redistest.Fake {
	info := redistest.Start(t, redistest.Config{Args: []string{"--cluster-enabled", "yes"}}).Do(t, "INFO")
	var nodes [2]*redistest.Fake
	ready := make(chan struct{})
	view := func(self int) string {
		out := ""
		for i, n := range nodes {
			_, port, _ := net.SplitHostPort(n.Addr)
			flags := "master"
			if i == self {
				flags = "myself,master"
			}
			out += fmt.Sprintf("%040d %s %s - 0 0 %d connected %d-%d\n", i+1, announce(i, port), flags, i+1, 8192*i, 8192*i+8191)
		}
		return out
	}
	for self := range nodes {
		nodes[self] = redistest.NewFake(t, redistest.Script{func(p *redistest.Peer) error {
			<-ready
			for {
				cmd, err := p.ReadCommand()
				if err != nil {
					return err
				}
				text := "+OK\r\n"
				bulk := func(s string) { text = fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }
				switch strings.ToUpper(strings.Join(cmd[:min(2, len(cmd))], " ")) {
				case "INFO":
					bulk(info)
				case "CLUSTER INFO":
					bulk("cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\ncluster_slots_pfail:0\r\n" +
						"cluster_slots_fail:0\r\ncluster_known_nodes:2\r\ncluster_size:2\r\ncluster_current_epoch:2\r\n")
				case "CLUSTER NODES":
					bulk(view(self))
				case "GET A":
					bulk(fmt.Sprint("from ", self))
					if self == 0 {
						_, port, _ := net.SplitHostPort(nodes[1].Addr)
						addr, _, _ := strings.Cut(announce(1, port), "@")
						text = "-MOVED 15495 " + addr + "\r\n"
					}
				}
				if err := redistest.Write(text)(p); err != nil {
					return err
				}
			}
		}})
	}
	close(ready)
	return nodes
}

// TestAClusterIsAskedAtTheAddressesThatLeadToIt: names in place of addresses
// that lead nowhere from here, and a map of them.
func TestAClusterIsAskedAtTheAddressesThatLeadToIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		announce func(i int, port string) string
		options  func(nodes [2]*redistest.Fake) []string
	}{
		"names beside addresses of another network": {
			func(i int, port string) string { return fmt.Sprintf("203.0.113.%d:%s@1%s,localhost", i, port, port) },
			func([2]*redistest.Fake) []string { return nil },
		},
		"a map": {
			func(i int, port string) string { return fmt.Sprintf("203.0.113.%d:7000@17000", i) },
			func(nodes [2]*redistest.Fake) []string {
				return []string{"Sessions.A.AddressMap=203.0.113.0:7000=" + nodes[0].Addr + " 203.0.113.1:7000=" + nodes[1].Addr}
			},
		},
		"few that may be asked": {
			func(i int, port string) string { return fmt.Sprintf("127.0.0.1:%s@1,evil%d.example.com", port, i) },
			func([2]*redistest.Fake) []string { return []string{"Sessions.A.PeersAllowed=127.0.0.0/8"} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes := clusterOfTwo(t, c.announce)
			_, port, _ := net.SplitHostPort(nodes[0].Addr)
			rt, err := New(decoded(t, append(c.options(nodes), "Sessions.A.Uri=tcp://127.0.0.1:"+port)...))
			require.NoError(t, err)
			t.Cleanup(func() { rt.Close(time.Second) })
			metric, ok := metrics.Lookup("redis.cluster.get")
			require.True(t, ok)
			w := jsondoc.New(0)
			require.NoError(t, rt.Collect(soon(t), metric, []string{"A"}, w))
			var doc map[string]any
			require.NoError(t, json.Unmarshal([]byte(w.Document()), &doc))
			require.Equal(t, false, doc["partial"], w.Document())
			require.Len(t, doc["nodes"], 2)

			require.Equal(t, []string{"from 1"}, textsOf(t, rt.targetAt(t, "A"), cmd("GET a")), "a redirect leads there too")
		})
	}
}

// textsOf are the replies by way of the cluster.
func textsOf(t testing.TB, target *target, cmds ...[]string) (out []string) {
	t.Helper()
	for _, cmd := range cmds {
		values, err := target.view().DoAll(soon(t), cmd)
		require.NoError(t, err)
		out = append(out, string(values[0].Str))
	}
	return out
}

// TestANameThatDoesNotResolve: a node that announces one is asked at its address, by
// redis.cluster.get as by what follows a redirect to it. A loopback address that another
// machine announces is its own.
func TestANameThatDoesNotResolve(t *testing.T) {
	t.Parallel()
	nodes := redistest.NewCluster(t, redistest.Flavour{}, redistest.Config{Args: []string{
		"--cluster-announce-hostname", "no-such-host.invalid", "--cluster-preferred-endpoint-type", "ip",
	}})
	require.Eventually(t, func() bool {
		return strings.Count(nodes[0].Do(t, "CLUSTER", "NODES"), ",no-such-host.invalid") == len(nodes)
	}, time.Minute, 50*time.Millisecond)
	keys := []string{"b", "c", "a"} // one of each node
	for i, key := range keys {
		nodes[i].Do(t, "SET", key, key)
	}
	for _, key := range []string{"redis.cluster.get", "redis.keys.count", "redis.key.get", "redis.key.ttl", "redis.key.length", "redis.key.value"} {
		metric, ok := metrics.Lookup(key)
		require.True(t, ok, key)
		rt, err := New(decoded(t, "Sessions.A.Uri=tcp://"+nodes[0].Addr)) // that has asked nothing yet
		require.NoError(t, err)
		t.Cleanup(func() { rt.Close(time.Second) })
		for _, name := range keys {
			params := []string{"A", "", "", name}
			if key == "redis.cluster.get" {
				params = params[:1]
			}
			w := jsondoc.New(0)
			require.NoError(t, rt.Collect(soon(t), metric, params, w), "%s of %s", key, name)
			text := w.Document()
			require.NotContains(t, text, `"up":0`)
			require.NotContains(t, text, "no-such-host.invalid:")
		}
	}
}

// TestAddressesThatAreTriedBesideAName are those that lead to the node from here.
func TestAddressesThatAreTriedBesideAName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from, plain, option, want string
	}{
		{"tcp://192.0.2.1:7000", "192.0.2.2:7001", "", "192.0.2.2:7001"},
		{"tcp://192.0.2.1:7000", "[2001:DB8::2]:7001", "", "[2001:db8::2]:7001"},
		{"tcp://127.0.0.1:7000", "127.0.0.1:7001", "", "127.0.0.1:7001"},
		{"tcp://192.0.2.1:7000", "127.0.0.1:7001", "", ""},
		{"tcp://192.0.2.1:7000", "0.0.0.0:7001", "", ""},
		{"tcp://192.0.2.1:7000", "192.0.2.2:7001", "PeersAllowed=*.example.com", ""},
		{"tcp://192.0.2.1:7000", "192.0.2.2:7001", "AddressMap=192.0.2.2:7001=192.0.2.9:7009", ""},
	} {
		lines := []string{"Sessions.A.Uri=" + tt.from}
		if tt.option != "" {
			lines = append(lines, "Sessions.A."+tt.option)
		}
		rt, err := New(decoded(t, lines...))
		require.NoError(t, err)
		t.Cleanup(func() { rt.Close(time.Second) })
		entry, got := rt.targetAt(t, "A"), ""
		if found := entry.atAddress(tt.plain, entry); found != nil {
			got = found.conf.Address()
		}
		require.Equal(t, tt.want, got, "%v", tt)
	}
	for addr, want := range map[string]string{
		"10.0.0.1:1,n.example.com": "10.0.0.1:1", "[fd00::1]:1,n.example.com": "[fd00::1]:1", "10.0.0.1:1": "", ":1,n.example.com": "", "m.example.com:1,n.example.com": "", "": "",
	} {
		require.Equal(t, want, beside(addr), addr)
	}
}
