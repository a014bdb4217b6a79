//go:build zabbix && linux

package zabbix

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

const (
	clusterTemplate  = "Redis Cluster by RedisJobs"
	sentinelTemplate = "Redis Sentinel by RedisJobs"
	jobsTemplate     = "Redis job queues by RedisJobs"
)

// clusterScenes are clusters that lose nodes.
func (w *world) clusterScenes(t testing.TB) []*scene {
	host := func(name, addr string, macros map[string]string) *scene {
		if macros == nil {
			macros = map[string]string{}
		}
		macros["{$CLUSTER.CONN}"] = "tcp://" + addr
		return &scene{host: name, templates: []string{clusterTemplate}, macros: macros, ownAgent: true,
			lacks: []string{`rj\.cluster\.skew\.(ops|keys)`, `rj\.cluster\.node\.(link|lag_bytes)\[.*`}}
	}
	// On a busy machine nodes take each other for dead.
	patient := []string{"--cluster-node-timeout", "5000", "--cluster-allow-replica-migration", "no"}
	nodes := redistest.NewCluster(t, redistest.Flavour{}, redistest.Config{Args: append([]string{"--cluster-replica-no-failover", "yes", "--maxmemory", "60mb"}, patient...)})
	key := func(shard int) string {
		for n := 0; ; n++ {
			k := "k" + strconv.Itoa(n)
			if slot := atoi(t, nodes[0].Do(t, "CLUSTER", "KEYSLOT", k)); min(slot/5461, 2) == shard {
				return k
			}
		}
	}
	entry := newLazy(t, nodes[0].Addr)
	plain := redistest.Start(t, redistest.Config{})
	sc := host("cluster", entry.addr, map[string]string{"{$CLUSTER.SKEW.MAX.WARN}": "1.5"})
	addr := func(i int) string { return nodes[i].Addr }
	drifts := `{$CLUSTER.CHECK:"Settings differ between nodes"}`
	sc.macros[drifts] = "0" // other faults are made by CONFIG SET
	sc.steps = []step{
		{name: "a node with a setting of its own", want: []string{"Cluster: Settings differ between nodes"},
			do: func(t testing.TB) {
				w.macro(t, sc, drifts, "1")
				nodes[2].Do(t, "CONFIG", "SET", "timeout", "77777")
			},
			undo: func(t testing.TB) {
				nodes[2].Do(t, "CONFIG", "SET", "timeout", "0")
				await(t, "the problem to end", func() string { return strings.Join(w.troubles(sc), ", ") })
				w.macro(t, sc, drifts, "0")
			}},
		{name: "a replica that is lost", want: []string{"Cluster: Nodes are failing"}, do: nodes[5].Kill, undo: nodes[5].Restart,
			may: []string{"Cluster: Some nodes are unreachable"}},
		{name: "a shard that is lost", want: []string{"Cluster: Cluster is down"}, do: nodes[1].Kill, undo: nodes[1].Restart,
			may: []string{"Cluster: Some nodes are unreachable", "Cluster: Nodes are failing", "Cluster: Replica " + addr(4) + " is disconnected from its master"}},
		{name: "slots without a node", want: []string{"Cluster: Slots are not covered"},
			do: func(t testing.TB) {
				for _, n := range nodes {
					n.Do(t, "CONFIG", "SET", "cluster-require-full-coverage", "no")
				}
				nodes[1].Kill(t)
			},
			undo: nodes[1].Restart,
			may: []string{"Cluster: Some nodes are unreachable", "Cluster: Nodes are failing", "Cluster: Cluster is down",
				"Cluster: Replica " + addr(4) + " is disconnected from its master"}},
		{name: "a node that lacks a slot", want: []string{"Cluster: Nodes refuse commands"},
			do: func(t testing.TB) {
				nodes[2].Do(t, "CONFIG", "SET", "cluster-require-full-coverage", "yes")
				nodes[2].Do(t, "CLUSTER", "DELSLOTS", "16383") // the others still take it for that node's
			},
			undo: func(t testing.TB) {
				nodes[2].Do(t, "CLUSTER", "ADDSLOTS", "16383")
				nodes[2].Do(t, "CONFIG", "SET", "cluster-require-full-coverage", "no")
			}},
		{name: "a shard that is fuller than the others", want: []string{"Cluster: Memory is unevenly distributed"},
			do:   func(t testing.TB) { fillTo(t, nodes[0].Server, key(0), 40) },
			undo: func(t testing.TB) { nodes[0].Do(t, "FLUSHALL") }},
		{name: "a memory that is nearly full", want: []string{"Cluster: Memory of node " + addr(0) + " is near its limit", "Cluster: Memory of node " + addr(3) + " is near its limit"},
			do: func(t testing.TB) {
				w.macro(t, sc, "{$CLUSTER.SKEW.MAX.WARN}", "100")
				fillTo(t, nodes[0].Server, key(0), 92)
			},
			undo: func(t testing.TB) { nodes[0].Do(t, "FLUSHALL") },
			may:  []string{"Cluster: Replica " + addr(3) + " lags"}},
		{name: "a slot on its way", want: []string{"Cluster: Slot migration takes too long"},
			do: func(t testing.TB) {
				nodes[1].Do(t, "CLUSTER", "SETSLOT", "6000", "MIGRATING", nodes[0].ID)
			},
			undo: func(t testing.TB) { nodes[1].Do(t, "CLUSTER", "SETSLOT", "6000", "STABLE") }},
		{name: "a replica that cannot log in", want: []string{"Cluster: Replica " + addr(4) + " is disconnected from its master"},
			do: func(t testing.TB) {
				nodes[1].Do(t, "CONFIG", "SET", "requirepass", "")
				nodes[1].Do(t, "ACL", "SETUSER", "default", "-psync", "-sync", "-replconf")
				nodes[1].Do(t, "CLIENT", "KILL", "TYPE", "replica")
			},
			undo: func(t testing.TB) { nodes[1].Do(t, "ACL", "SETUSER", "default", "+psync", "+sync", "+replconf") }},
		{name: "a replica that does not keep up", want: []string{"Cluster: Replica " + addr(3) + " lags"},
			do: func(t testing.TB) {
				w.macro(t, sc, "{$CLUSTER.LAG.BYTES.MAX.WARN}", "10K")
				nodes[3].Do(t, "CLIENT", "PAUSE", "600000", "WRITE")      // what its master sends is a write, too
				nodes[0].Do(t, "SET", key(0), strings.Repeat("x", 1<<20)) // and stays unapplied
			},
			undo: func(t testing.TB) {
				nodes[3].Do(t, "CLIENT", "UNPAUSE")
				nodes[0].Do(t, "FLUSHALL")
				w.macro(t, sc, "{$CLUSTER.LAG.BYTES.MAX.WARN}", "64M")
			}},
		{name: "a replica that is removed", want: []string{"Cluster: Shards have no replica"},
			do: func(t testing.TB) {
				// The node lives on by itself: what is missing is a replica, not a server.
				id := nodes[5].ID
				nodes[5].Do(t, "CLUSTER", "RESET")
				for range 3 { // gossip brings it back while others know it
					for _, n := range nodes[:5] {
						n.TryDo("CLUSTER", "FORGET", id)
					}
				}
			},
			undo: func(t testing.TB) {
				nodes[5].Do(t, "CLUSTER", "MEET", "127.0.0.1", portOf(nodes[0].Addr), busPort(t, nodes[0]))
				await(t, "the node to be known", func() string {
					if _, err := nodes[5].TryDo("CLUSTER", "REPLICATE", nodes[2].ID); err != nil {
						return err.Error()
					}
					for _, n := range nodes { // those that forgot it do not listen to gossip about it for a minute
						if !strings.Contains(n.Do(t, "CLUSTER", "NODES"), nodes[5].ID) {
							return n.Addr + " does not know it"
						}
					}
					return ""
				})
			},
			may: []string{"Cluster: Nodes disagree about the cluster", "Cluster: Nodes are failing", "Cluster: Replica " + addr(5) + " is disconnected from its master"}},
		{name: "a node that one other does not know", want: []string{"Cluster: Nodes disagree about the cluster"},
			do: func(t testing.TB) { nodes[1].Do(t, "CLUSTER", "FORGET", nodes[5].ID) },
			undo: func(t testing.TB) {
				nodes[1].Do(t, "CLUSTER", "MEET", "127.0.0.1", portOf(nodes[5].Addr), busPort(t, nodes[5]))
			}},
		{name: "a node with another password", want: []string{"Cluster: Some nodes are unreachable"},
			do: func(t testing.TB) {
				nodes[4].Do(t, "CONFIG", "SET", "requirepass", "other")
				nodes[4].Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			},
			undo: func(t testing.TB) { nodes[4].Do(t, "CONFIG", "SET", "requirepass", "") }},
		{name: "a permission that is taken away", want: []string{"Cluster: Some metrics are unavailable"},
			do: func(t testing.TB) { nodes[0].Do(t, "ACL", "SETUSER", "default", "-cluster|nodes") },
			undo: func(t testing.TB) { // what was refused is asked again after an hour, or by a new agent
				nodes[0].Do(t, "ACL", "SETUSER", "default", "+cluster|nodes")
				sc.running.Kill()
				w.newAgent(t, sc)
			}},
		{name: "an address that leads elsewhere", want: []string{"Cluster: Server is not in cluster mode"},
			do: func(testing.TB) {
				entry.to.Store(plain.Addr)
				nodes[0].TryDo("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			},
			undo: func(testing.TB) {
				entry.to.Store(nodes[0].Addr)
				plain.TryDo("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			}},
		{name: "a failover", want: []string{"Cluster: Failover or slot change"}, stay: []string{"Cluster: Failover or slot change"},
			do: func(t testing.TB) {
				for _, n := range nodes {
					n.Do(t, "CONFIG", "SET", "cluster-replica-no-failover", "no")
				}
				nodes[3].Do(t, "CLUSTER", "FAILOVER")
			},
			may: []string{"Cluster: Nodes disagree about the cluster", "Cluster: Replica " + addr(0) + " is disconnected from its master"}},
		// That the others see it failing hides that it is unreachable, unless that is known first.
		{name: "an entry node that is stopped", want: []string{"Cluster: Nodes are failing"}, do: nodes[0].Stop, undo: nodes[0].Restart,
			may: []string{"Cluster: Some nodes are unreachable", "Cluster: Failover or slot change", "Cluster: Replica " + addr(0) + " is disconnected from its master"}},
		{name: "nodes that let nobody in", want: []string{"Cluster: Cluster is unreachable"},
			do: func(t testing.TB) {
				for _, n := range nodes {
					n.Do(t, "CONFIG", "SET", "requirepass", "other")
					n.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
				}
			},
			undo: func(t testing.TB) {
				for _, n := range nodes {
					n.Do(t, "CONFIG", "SET", "requirepass", "")
				}
			},
			may: []string{"Cluster: Some nodes are unreachable"}},
		w.silence(sc, "Cluster: No data from the plugin"),
	}
	return []*scene{sc}
}

func busPort(t testing.TB, n *redistest.Node) string {
	for line := range strings.Lines(n.Do(t, "CLUSTER", "NODES")) {
		if strings.Contains(line, "myself") {
			_, rest, _ := strings.Cut(line, "@")
			bus, _, _ := strings.Cut(rest, " ")
			bus, _, _ = strings.Cut(bus, ",")
			return bus
		}
	}
	require.Fail(t, "no bus port")
	return ""
}

// sentinelScenes are sentinels and the master that they watch.
func (w *world) sentinelScenes(t testing.TB) []*scene {
	const server, sentinel = "of-the-server", "of-the-sentinels"
	v := redistest.NewWatched(t, "", server, sentinel)
	patient := func(t testing.TB, ms string) {
		for _, s := range v.Sentinels {
			s.TryDo("SENTINEL", "SET", "mymaster", "down-after-milliseconds", ms)
		}
	}
	sc := &scene{host: "sentinels", templates: []string{sentinelTemplate}, macros: map[string]string{"{$SENTINEL.CONN}": "Watched"}, ownAgent: true,
		lines: []string{
			fmt.Sprintf("Sessions.Watched.Uri=sentinel://%s,%s,%s/mymaster", v.Sentinels[0].Addr, v.Sentinels[1].Addr, v.Sentinels[2].Addr),
			"Sessions.Watched.Password=" + server, "Sessions.Watched.SentinelPassword=" + sentinel,
		}}
	const moved = "Sentinel: Master mymaster has changed"
	failover := func(t testing.TB) {
		await(t, "a failover", func() string {
			if _, err := v.Sentinels[0].TryDo("SENTINEL", "FAILOVER", "mymaster"); err != nil {
				return err.Error()
			}
			return ""
		})
	}
	rights := func(t testing.TB, rules ...string) {
		for _, s := range v.Servers {
			await(t, "a server that takes rules", func() string { // sentinels cut all connections in a failover
				if _, err := s.TryDo(append([]string{"ACL", "SETUSER", "default"}, rules...)...); err != nil {
					return err.Error()
				}
				return ""
			})
		}
	}
	sc.steps = []step{
		{name: "a sentinel with a setting of its own", want: []string{"Sentinel: Sentinels have different settings"},
			do:   func(t testing.TB) { v.Sentinels[1].Do(t, "SENTINEL", "SET", "mymaster", "parallel-syncs", "2") },
			undo: func(t testing.TB) { v.Sentinels[1].Do(t, "SENTINEL", "SET", "mymaster", "parallel-syncs", "1") }},
		{name: "a master that hangs", want: []string{"Sentinel: Master mymaster answers late"}, // down after a minute
			do: v.Servers[0].Pause, undo: v.Servers[0].Resume},
		{name: "a sentinel that is lost", want: []string{"Sentinel: Some sentinels are unreachable"}, do: v.Sentinels[2].Kill, undo: v.Sentinels[2].Restart},
		{name: "a replica that is lost", want: []string{"Sentinel: Master mymaster has too few replicas"},
			do:   func(t testing.TB) { patient(t, "3000"); v.Servers[1].Kill(t) },
			undo: func(t testing.TB) { v.Servers[1].Restart(t) }},
		{name: "a replica that is lost where enough are left", want: []string{"Sentinel: Replicas of mymaster are unreachable"},
			do: func(t testing.TB) {
				w.macro(t, sc, "{$SENTINEL.REPLICAS.MIN}", "0")
				v.Servers[1].Kill(t)
			},
			undo: func(t testing.TB) {
				v.Servers[1].Restart(t)
				await(t, "the problem to end", func() string { return strings.Join(w.troubles(sc), ", ") })
				w.macro(t, sc, "{$SENTINEL.REPLICAS.MIN}", "1")
			}},
		{name: "a master that dies with nobody to replace it", want: []string{"Sentinel: Master mymaster is down"},
			do: func(t testing.TB) {
				v.Servers[1].Do(t, "CONFIG", "SET", "replica-priority", "0") // no failover to this one
				time.Sleep(15 * time.Second)                                 // sentinels read it every 10 seconds
				v.Servers[0].Kill(t)
			},
			undo: func(t testing.TB) {
				v.Servers[0].Restart(t)
				v.Servers[1].Do(t, "CONFIG", "SET", "replica-priority", "100")
				time.Sleep(15 * time.Second)
			},
			may: []string{moved, "Sentinel: Failover of mymaster takes too long", "Sentinel: Master mymaster has too few replicas"}},
		{name: "a failover", want: []string{moved}, stay: []string{moved},
			do:  failover,
			may: []string{"Sentinel: Failover of mymaster takes too long", "Sentinel: Master mymaster has too few replicas", "Sentinel: Sentinels disagree about a master"}},
		{name: "a failover to a replica that refuses", want: []string{"Sentinel: Failover of mymaster takes too long"},
			do: func(t testing.TB) {
				// The sentinels make the old master a replica when they next ask it, every ten seconds.
				await(t, "a master and a replica", func() string {
					roles := ""
					for _, s := range v.Servers {
						role, err := s.TryDo("ROLE")
						if err != nil {
							return err.Error()
						}
						roles += role + "\n"
					}
					if !strings.Contains(roles, "slave\n") || !strings.Contains(roles, "\nconnected\n") {
						return roles
					}
					return ""
				})
				rights(t, "-replicaof", "-slaveof")
				for _, s := range v.Sentinels {
					s.Do(t, "SENTINEL", "SET", "mymaster", "failover-timeout", "40000") // when it gives up
				}
				failover(t)
			},
			undo: func(t testing.TB) {
				rights(t, "+replicaof", "+slaveof")
				for _, s := range v.Sentinels {
					s.Do(t, "SENTINEL", "SET", "mymaster", "failover-timeout", "3000")
				}
			},
		},
		{name: "sentinels that are lost", want: []string{"Sentinel: Some sentinels are unreachable", "Sentinel: Failover of mymaster is not possible"},
			do:   func(t testing.TB) { v.Sentinels[1].Kill(t); v.Sentinels[2].Kill(t) },
			undo: func(t testing.TB) { v.Sentinels[1].Restart(t); v.Sentinels[2].Restart(t) }},
		{name: "a sentinel whose clock jumps", want: []string{"Sentinel: Sentinels are in TILT mode"}, may: []string{"Sentinel: Some sentinels are unreachable"},
			do: func(t testing.TB) {
				await(t, "a sentinel in tilt", func() string {
					v.Sentinels[2].Pause(t)
					time.Sleep(4 * time.Second) // more than the two that it takes for a sign of trouble
					v.Sentinels[2].Resume(t)
					time.Sleep(500 * time.Millisecond) // it looks at its clock ten times a second
					if v.Sentinels[2].InfoField(t, "sentinel", "sentinel_tilt") == "1" {
						return ""
					}
					return "it is not"
				})
			}},
		{name: "a sentinel that does not know the master", want: []string{"Sentinel: Sentinels disagree about a master"},
			do: func(t testing.TB) { v.Sentinels[2].Do(t, "SENTINEL", "REMOVE", "mymaster") },
			undo: func(t testing.TB) {
				host, port, _ := strings.Cut(strings.Replace(v.Sentinels[0].Do(t, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"), "\n", ":", 1), ":")
				v.Sentinels[2].Do(t, "SENTINEL", "MONITOR", "mymaster", host, port, "2")
				v.Sentinels[2].Do(t, "SENTINEL", "SET", "mymaster", "auth-pass", server, "failover-timeout", "3000")
				patient(t, "10000") // all of them, or that is a problem of its own
			}},
		{name: "no sentinel", want: []string{"Sentinel: No sentinel is reachable"},
			do: func(t testing.TB) {
				for _, s := range v.Sentinels {
					s.Kill(t)
				}
			},
			undo: func(t testing.TB) {
				for _, s := range v.Sentinels {
					s.Restart(t)
				}
			},
			may: []string{"Sentinel: Some sentinels are unreachable", "Sentinel: Failover of mymaster is not possible", moved}},
		w.silence(sc, "Sentinel: No data from the plugin"),
	}
	return []*scene{sc}
}
