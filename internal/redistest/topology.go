package redistest

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// eventually polls until the condition holds, and fails the test when it does
// not in time: a real server says nothing when its state changes.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience + 10*time.Second); !condition(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Node is a server of a cluster.
type Node struct {
	*Server
	ID string
}

// NewCluster starts three masters with a third of the slots each, and a replica
// for each of them: node i+3 is node i's. It returns when all are in step.
func NewCluster(t testing.TB, f Flavour, cfg Config) []*Node {
	t.Helper()
	old := f.Is("redis", 5, 0) && !f.Is("redis", 7, 0) // its bus has a fixed port
	nodes := make([]*Node, 6)
	for i := range nodes {
		c := cfg
		c.Bin = f.Bin
		c.Args = append([]string{"--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0"}, cfg.Args...)
		c.ClusterBus = !old
		s := Start(t, c)
		nodes[i] = &Node{s, s.Do(t, "CLUSTER", "MYID")}
		s.Do(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		meet := []string{"CLUSTER", "MEET", "127.0.0.1", portOf(s.Addr)}
		if s.BusPort != "" {
			meet = append(meet, s.BusPort)
		}
		nodes[0].Do(t, meet...)
	}
	for i, slots := range [][2]int{{0, 5460}, {5461, 10922}, {10923, 16383}} {
		add := []string{"CLUSTER", "ADDSLOTS"}
		for slot := slots[0]; slot <= slots[1]; slot++ {
			add = append(add, strconv.Itoa(slot))
		}
		nodes[i].Do(t, add...)
	}
	all := func(what string, holds func(n *Node) bool) {
		eventually(t, what, func() bool {
			for _, n := range nodes {
				if !holds(n) {
					return false
				}
			}
			return true
		})
	}
	all("six nodes that know each other", func(n *Node) bool {
		view := n.Do(t, "CLUSTER", "NODES")
		return strings.Count(view, " connected") == 6 && !strings.Contains(view, "handshake")
	})
	for i := 3; i < 6; i++ {
		nodes[i].Do(t, "CLUSTER", "REPLICATE", nodes[i-3].ID)
	}
	all("a cluster that is well", func(n *Node) bool {
		return strings.Contains(n.Do(t, "CLUSTER", "INFO"), "cluster_state:ok") &&
			strings.Count(n.Do(t, "CLUSTER", "NODES"), "slave") == 3
	})
	for i := range 3 {
		eventually(t, "a replica in step", func() bool {
			return strings.Contains(nodes[i].Do(t, "INFO", "replication"), "state=online") &&
				nodes[i+3].InfoField(t, "replication", "master_link_status") == "up"
		})
	}
	return nodes
}

// Watched is a master with a replica, and three sentinels of which two must
// agree. The sentinels call the master mymaster.
type Watched struct {
	Servers   [2]*Server // the first is the master at first
	Sentinels [3]*Server
}

// NewWatched starts them with a password for the servers and one for the
// sentinels, each "" for none, and returns when all know each other. The sentinels take no server
// for dead before a minute; SENTINEL SET changes that.
func NewWatched(t testing.TB, bin, serverPassword, sentinelPassword string) *Watched {
	t.Helper()
	w := &Watched{}
	auth := []string{"--repl-diskless-sync-delay", "0"}
	if serverPassword != "" {
		auth = append(auth, "--masterauth", serverPassword)
	}
	w.Servers[0] = Start(t, Config{Bin: bin, Password: serverPassword, Args: auth})
	w.Servers[1] = Start(t, Config{Bin: bin, Password: serverPassword, Args: append(
		[]string{"--replicaof", "127.0.0.1", portOf(w.Servers[0].Addr)}, auth...)})
	// What a sentinel sees at first it looks at again after ten seconds.
	eventually(t, "a replica in step", func() bool {
		return w.Servers[1].InfoField(t, "replication", "master_link_status") == "up" &&
			strings.Contains(w.Servers[0].Do(t, "INFO", "replication"), "state=online")
	})
	for i := range w.Sentinels {
		lines := []string{
			"sentinel monitor mymaster 127.0.0.1 " + portOf(w.Servers[0].Addr) + " 2",
			"sentinel down-after-milliseconds mymaster 60000",
			"sentinel failover-timeout mymaster 3000",
		}
		if serverPassword != "" {
			lines = append(lines, "sentinel auth-pass mymaster "+serverPassword)
		}
		if sentinelPassword != "" {
			lines = append(lines, "sentinel sentinel-pass "+sentinelPassword)
		}
		w.Sentinels[i] = Start(t, Config{Bin: bin, Password: sentinelPassword, Args: []string{"--sentinel"}, Lines: lines})
	}
	eventually(t, "sentinels that know each other and the replica", func() bool {
		for _, s := range w.Sentinels {
			info := s.Do(t, "SENTINEL", "MASTER", "mymaster")
			if !strings.Contains(info, "num-other-sentinels\n2\n") || !strings.Contains(info, "num-slaves\n1\n") ||
				!strings.Contains(info, "flags\nmaster\n") {
				return false
			}
		}
		return strings.Contains(w.Servers[0].Do(t, "INFO", "replication"), "state=online") &&
			strings.Contains(w.Sentinels[0].Do(t, "SENTINEL", "REPLICAS", "mymaster"), "master-link-status\nok\n")
	})
	return w
}
