package cluster

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

func documentOf(t testing.TB, target *item.Target) map[string]any {
	t.Helper()
	text, err := metrictest.CollectFrom(t, Get, target)
	require.NoError(t, err)
	return metrictest.Decode(t, text)
}

// TestANodeThatRefusesCommandsIsNotWell, whichever node is asked for the cluster. It
// has given a slot away that no other node has got; the others still take it for its own.
func TestANodeThatRefusesCommandsIsNotWell(t *testing.T) {
	t.Parallel()
	nodes := redistest.NewCluster(t, redistest.Flavour{}, redistest.Config{Args: []string{"--cluster-node-timeout", "60000"}})
	refusing := nodes[2]
	refusing.Do(t, "CLUSTER", "DELSLOTS", "16383")
	require.Eventually(t, func() bool {
		return strings.Contains(refusing.Do(t, "CLUSTER", "INFO"), "cluster_state:fail")
	}, time.Minute, 20*time.Millisecond)
	_, err := refusing.TryDo("SET", "{7}", "v")
	require.ErrorContains(t, err, "CLUSTERDOWN")
	for name, entry := range map[string]*redistest.Node{"another node": nodes[0], "a replica": nodes[4], "the node itself": refusing} {
		target, _ := metrictest.DialPeers(t, redisclient.Config{Address: entry.Addr})
		doc := documentOf(t, target)
		require.Equal(t, 1.0, doc["refusing"], name)
		require.Equal(t, []any{refusing.Addr}, doc["refusing_nodes"], name)
		require.Equal(t, "ok", doc["state"], "%s: most of the masters say so", name)
		for _, n := range nodes {
			want := "ok"
			if n == refusing {
				want = "fail"
			}
			require.Equal(t, want, metrictest.Row(t, doc["nodes"], "addr", n.Addr)["state"], name)
		}
		var states []any
		for _, s := range metrictest.Rows(t, doc["shards"]) {
			states = append(states, s["state"])
		}
		require.Equal(t, []any{"ok", "ok", "fail"}, states, name)
		require.Equal(t, 0.0, doc["failing"], name)
		require.Equal(t, 1.0, doc["views_disagree"], name)
		if entry == refusing {
			require.NotEqual(t, entry.Addr, metrictest.Section(t, doc, "views")["of"])
		} else {
			require.Equal(t, entry.Addr, metrictest.Section(t, doc, "views")["of"])
		}
	}
}

// bus leads the links of a cluster's bus to a node, and can cut those of one.
type bus struct {
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

// lead makes a listener in front of a node's bus. All that comes to the lonely node, and
// what comes from its address, can be cut.
func (b *bus) lead(t testing.TB, to string, lonely bool, from string) (port string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			go b.join(c, to, lonely || host == from)
		}
	}()
	_, port, err = net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	return port
}

func (b *bus) join(c net.Conn, to string, mayCut bool) {
	defer c.Close()
	node, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer node.Close()
	b.mu.Lock()
	cut := b.cut && mayCut
	if mayCut {
		b.conns = append(b.conns, c, node)
	}
	b.mu.Unlock()
	if cut {
		return
	}
	go func() {
		_, _ = io.Copy(node, c)
		_ = node.Close()
	}()
	_, _ = io.Copy(c, node)
}

func (b *bus) isolate() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cut = true
	for _, c := range b.conns {
		_ = c.Close()
	}
}

// TestAnEntryThatIsCutOff sees all others in fail?, and the cluster down. They are well.
func TestAnEntryThatIsCutOff(t *testing.T) {
	t.Parallel()
	nodes := redistest.NewCluster(t, redistest.Flavour{}, redistest.Config{Args: []string{"--cluster-announce-ip", "127.0.0.1"}})
	lonely, b := nodes[3], &bus{}
	const source = "127.0.0.2"
	lonely.Do(t, "CONFIG", "SET", "bind-source-addr", source)
	var ports []string
	for _, n := range nodes {
		port := b.lead(t, net.JoinHostPort("127.0.0.1", n.BusPort), n == lonely, source)
		n.Do(t, "CONFIG", "SET", "cluster-announce-bus-port", port)
		ports = append(ports, port)
	}
	for _, n := range nodes {
		require.Eventually(t, func() bool {
			view := n.Do(t, "CLUSTER", "NODES")
			for _, port := range ports {
				if !strings.Contains(view, "@"+port) {
					return false
				}
			}
			return strings.Count(view, " connected") == len(nodes)
		}, time.Minute, 50*time.Millisecond)
	}
	b.isolate()
	require.Eventually(t, func() bool {
		return strings.Contains(lonely.Do(t, "CLUSTER", "INFO"), "cluster_state:fail") && strings.Count(lonely.Do(t, "CLUSTER", "NODES"), "fail?") == 5 &&
			strings.Contains(nodes[0].Do(t, "CLUSTER", "NODES"), "slave,fail ")
	}, time.Minute, 50*time.Millisecond)
	for name, entry := range map[string]*redistest.Node{"it": lonely, "another": nodes[1]} {
		target, _ := metrictest.DialPeers(t, redisclient.Config{Address: entry.Addr})
		doc := documentOf(t, target)
		require.Equal(t, "ok", doc["state"], name)
		require.Equal(t, []any{1.0, 1.0}, []any{doc["up"], doc["failing"]}, name)
		require.Equal(t, []any{lonely.Addr}, doc["refusing_nodes"], name)
		for _, n := range metrictest.Rows(t, doc["nodes"]) {
			failing := 0.0
			if n["addr"] == lonely.Addr {
				failing = 1
				require.Equal(t, []any{1.0, "fail", "slave,fail"}, []any{n["up"], n["state"], n["flags"]}, name)
			}
			require.Equal(t, failing, n["failing"], "%s: %v", name, n)
		}
		for _, s := range metrictest.Rows(t, doc["shards"]) {
			require.Equal(t, "ok", s["state"], name)
		}
		require.Equal(t, 1.0, doc["masters_without_replica"], "%s: that of the node that is cut off", name)
		require.Equal(t, 1.0, doc["views_disagree"], name)
		require.NotEqual(t, lonely.Addr, metrictest.Section(t, doc, "views")["of"], name)
	}
}

// TestWhoseViewIsShown: the entry says that the cluster is down for it, and sees the node
// on port 17002 in fail?.
func TestWhoseViewIsShown(t *testing.T) {
	t.Parallel()
	down := metrictest.Bulk(strings.Replace(clusterReply(t, "info"), "cluster_state:ok", "cluster_state:fail", 1))
	suspects := func(view string) string {
		lines := strings.SplitAfter(view, "\n")
		for i, line := range lines {
			if strings.Contains(line, ":17002@") {
				lines[i] = strings.Replace(line, " master", " master,fail?", 1)
			}
		}
		_, text, _ := strings.Cut(strings.TrimSuffix(strings.Join(lines, ""), "\r\n"), "\r\n")
		return metrictest.Bulk(text)
	}
	const entry, second, third = "127.0.0.1:17001", "127.0.0.1:17002", "127.0.0.1:17003"
	for _, tt := range []struct {
		name           string
		change         func(c script)
		of, state      string
		failing        float64
		distinct       float64
		shardOfSuspect string
	}{
		{"the others are well", func(script) {}, second, "ok", 0, 2, "ok"},
		{"one does not tell its state", func(c script) { c.doer("17003").Replies["CLUSTER INFO"] = "-NOPERM no\r\n" }, entry, "fail", 0, 2, "pfail"},
		{"one is down for it, too", func(c script) { c.doer("17003").Replies["CLUSTER INFO"] = down }, entry, "fail", 0, 2, "pfail"},
		{"one does not answer", func(c script) {
			c.doer("17003").Err = &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("connection refused")}
		}, entry, "fail", 0, 2, "pfail"},
		{"the one that it suspects does not answer", func(c script) {
			c.doer("17002").Err = &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("connection refused")}
		}, entry, "fail", 1, 2, "pfail"},
		{"the one that it suspects does not tell its state", func(c script) { c.doer("17002").Replies["CLUSTER INFO"] = "-NOPERM no\r\n" }, entry, "fail", 1, 2, "pfail"},
		{"the others do not know it", func(c script) {
			for _, port := range []string{"17002", "17003", "17004", "17005", "17006"} {
				d := c.doer(port)
				var known []string
				_, text, _ := strings.Cut(strings.TrimSuffix(d.Replies["CLUSTER NODES"], "\r\n"), "\r\n")
				for line := range strings.Lines(text) {
					if !strings.Contains(line, ":17001@") {
						known = append(known, line)
					}
				}
				d.Replies["CLUSTER NODES"] = metrictest.Bulk(strings.Join(known, ""))
			}
		}, entry, "fail", 0, 2, "pfail"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newScript(t, "healthy")
			c.doer("17001").Replies["CLUSTER INFO"] = down
			c.doer("17001").Replies["CLUSTER NODES"] = suspects(c.doer("17001").Replies["CLUSTER NODES"])
			tt.change(c)
			doc := documentOf(t, c["17001"])
			views := metrictest.Section(t, doc, "views")
			require.Equal(t, []any{tt.of, tt.state, tt.failing}, []any{views["of"], doc["state"], doc["failing"]})
			require.Equal(t, tt.distinct, views["distinct"])
			require.Contains(t, doc["refusing_nodes"], entry)
			require.Equal(t, 1.0, metrictest.Row(t, doc["nodes"], "addr", second)["seen_failing"], "what it sees is told all the same")
			require.Equal(t, tt.shardOfSuspect, metrictest.Row(t, doc["shards"], "shard", "5461")["state"])
			require.Equal(t, "fail", metrictest.Row(t, doc["shards"], "shard", "0")["state"])
			require.Len(t, doc["nodes"], 6)
			for port := range c {
				require.Equal(t, 1, c.doer(port).Calls, "one round trip to %s", port)
			}
		})
	}
}

// TestANodeThatOnlyTheOthersKnow is asked when their view is shown.
func TestANodeThatOnlyTheOthersKnow(t *testing.T) {
	t.Parallel()
	c := newScript(t, "healthy")
	d := c.doer("17001")
	d.Replies["CLUSTER INFO"] = metrictest.Bulk("cluster_state:fail\r\n")
	var known []string
	_, text, _ := strings.Cut(strings.TrimSuffix(d.Replies["CLUSTER NODES"], "\r\n"), "\r\n")
	for line := range strings.Lines(text) {
		if !strings.Contains(line, ":17006@") {
			known = append(known, line)
		}
	}
	d.Replies["CLUSTER NODES"] = metrictest.Bulk(strings.Join(known, ""))
	doc := documentOf(t, c["17001"])
	require.Len(t, doc["nodes"], 6)
	require.Equal(t, []any{1.0, "ok", 17006000.0}, func() []any {
		n := metrictest.Row(t, doc["nodes"], "addr", "127.0.0.1:17006")
		return []any{n["up"], n["state"], n["used_memory"]}
	}())
	require.Equal(t, false, doc["partial"])
}

// TestStatesThatNobodyTold are not counted.
func TestStatesThatNobodyTold(t *testing.T) {
	t.Parallel()
	c := newScript(t, "healthy")
	for port := range c {
		c.doer(port).Replies["CLUSTER INFO"] = "-NOPERM no\r\n"
	}
	doc := documentOf(t, c["17001"])
	require.NotContains(t, doc, "refusing")
	require.NotContains(t, doc, "refusing_nodes")
	require.Contains(t, doc["unavailable"], "cluster_info")
	require.NotContains(t, metrictest.Rows(t, doc["nodes"])[0], "state")

	c.doer("17003").Replies["CLUSTER INFO"] = metrictest.Bulk("cluster_state:fail\r\n")
	c["17003"].Memory = &item.Memory{}
	doc = documentOf(t, c["17001"])
	require.Equal(t, []any{"127.0.0.1:17003"}, doc["refusing_nodes"])
	require.Contains(t, doc["unavailable"], "cluster_info", "of the others it is not known")
}
