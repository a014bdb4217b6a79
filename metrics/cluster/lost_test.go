package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// TestAnEntryThatHasLostTheCluster answers, knows itself alone and sees all slots
// uncovered. The cluster is what the others see.
func TestAnEntryThatHasLostTheCluster(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, n *redistest.Node){
		"RESET HARD": func(t *testing.T, n *redistest.Node) { n.Do(t, "CLUSTER", "RESET", "HARD") },
		"RESET SOFT": func(t *testing.T, n *redistest.Node) { n.Do(t, "CLUSTER", "RESET", "SOFT") },
		"nodes.conf": func(t *testing.T, n *redistest.Node) {
			file := filepath.Join(strings.Split(n.Do(t, "CONFIG", "GET", "dir"), "\n")[1], "nodes.conf")
			n.Kill(t)
			require.NoError(t, os.Remove(file))
			n.Restart(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes := redistest.NewCluster(t, redistest.Flavour{}, redistest.Config{})
			target, _ := metrictest.DialPeers(t, redisclient.Config{Address: nodes[3].Addr})
			require.NotContains(t, documentOf(t, target), "entry_error")
			lose(t, nodes[3])
			again, _ := metrictest.DialTarget(t, redisclient.Config{Address: nodes[3].Addr})
			target.Doer, target.ConnInfo = again.Doer, again.ConnInfo // that was restarted
			require.Contains(t, nodes[3].Do(t, "CLUSTER", "INFO"), "cluster_state:fail")
			for range 2 {
				doc := documentOf(t, target)
				require.Equal(t, []any{1.0, "ok", 6.0}, []any{doc["up"], doc["state"], doc["known_nodes"]})
				require.Equal(t, 0.0, metrictest.Section(t, doc, "slots")["uncovered"])
				require.Len(t, doc["shards"], 3)
				require.Equal(t, "protocol", doc["entry_reason"])
				require.Contains(t, doc["entry_error"], "Cannot query the cluster by tcp://"+nodes[3].Addr+": ")
				require.Contains(t, doc["entry_error"], "does not know its cluster any more")
				require.NotEqual(t, nodes[3].Addr, metrictest.Section(t, doc, "views")["of"])
				n := metrictest.Row(t, doc["nodes"], "id", nodes[3].ID)
				require.True(t, n["up"] == 0.0 || n["state"] == "fail", "%v", n)
			}
		})
	}
}

// TestWhenAnEntryIsNotBelieved: it lists itself alone, and for it the cluster is down.
func TestWhenAnEntryIsNotBelieved(t *testing.T) {
	t.Parallel()
	const entry = "127.0.0.1:17001"
	newID := strings.Repeat("f", 40)
	lone := func(lines ...string) string {
		return metrictest.Bulk(newID + " " + entry + "@27001 myself,master - 0 0 0 connected\n" + strings.Join(lines, ""))
	}
	view := func(d *metrictest.ScriptDoer) string {
		_, text, _ := strings.Cut(strings.TrimSuffix(d.Replies["CLUSTER NODES"], "\r\n"), "\r\n")
		return text
	}
	forget := func(c script, port string) {
		var left []string
		for line := range strings.Lines(view(c.doer(port))) {
			if !strings.Contains(line, ":17001@") {
				left = append(left, line)
			}
		}
		c.doer(port).Replies["CLUSTER NODES"] = metrictest.Bulk(strings.Join(left, ""))
	}
	refused := &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("connection refused")}
	for _, tt := range []struct {
		name   string
		change func(c script)
		of     string // whose view is shown
	}{
		{"the others list it", func(script) {}, "127.0.0.1:17002"},
		{"the first one does not answer", func(c script) { c.doer("17002").Err = refused }, "127.0.0.1:17003"},
		{"the first one lists it no more", func(c script) { forget(c, "17002") }, "127.0.0.1:17003"},
		{"none lists it", func(c script) {
			for _, port := range []string{"17002", "17003", "17004", "17005", "17006"} {
				forget(c, port)
			}
		}, entry},
		{"none answers", func(c script) {
			for _, port := range []string{"17002", "17003", "17004", "17005", "17006"} {
				c.doer(port).Err = refused
			}
		}, entry},
		{"other nodes are there now", func(c script) {
			for _, port := range []string{"17002", "17003", "17004", "17005", "17006"} {
				c.doer(port).Replies["CLUSTER NODES"] = strings.ReplaceAll(c.doer(port).Replies["CLUSTER NODES"], " myself,", " ")
			}
		}, entry},
		{"it is well", func(c script) { c.doer("17001").Replies["CLUSTER INFO"] = metrictest.Bulk("cluster_state:ok\r\n") }, entry},
		{"it does not tell its state", func(c script) { c.doer("17001").Replies["CLUSTER INFO"] = "-NOPERM no\r\n" }, entry},
		{"it lists another one", func(c script) {
			for line := range strings.Lines(view(c.doer("17003"))) {
				if strings.Contains(line, ":17002@") {
					c.doer("17001").Replies["CLUSTER NODES"] = lone(line)
				}
			}
		}, entry},
		{"an hour is over", func(script) { time.Sleep(lostFor) }, entry},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newScript(t, "healthy")
				require.NotContains(t, documentOf(t, c["17001"]), "entry_error")
				c.doer("17001").Replies["CLUSTER NODES"] = lone()
				c.doer("17001").Replies["CLUSTER INFO"] = metrictest.Bulk("cluster_state:fail\r\n")
				tt.change(c)
				doc := documentOf(t, c["17001"])
				require.Equal(t, 1.0, doc["up"])
				require.Equal(t, tt.of, metrictest.Section(t, doc, "views")["of"])
				if tt.of == entry {
					require.NotContains(t, doc, "entry_error")
					return
				}
				require.Equal(t, "ok", doc["state"])
				require.Contains(t, doc["entry_error"], "does not know its cluster any more")
				require.Len(t, doc["nodes"], 6)
				time.Sleep(lostFor - time.Second)
				require.Contains(t, documentOf(t, c["17001"]), "entry_error", "as long as it lasts")
				time.Sleep(time.Second)
				require.NotContains(t, documentOf(t, c["17001"]), "entry_error", "a poll by others does not prolong it")
			})
		})
	}
}
