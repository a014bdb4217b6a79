//go:build e2e && linux

// Package topology asks the built plugin, driven as an agent drives it, for real servers of every kind and version there
// is to run: alone, in states that pass, of unusual size, and for Redis that is more than one server: clusters whose
// nodes die and whose slots move, and masters that sentinels replace.
package topology

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/driver"
)

// patience bounds every wait for something that must come.
const patience = 30 * time.Second

// TestMain runs more tests at once than there are processors: most of their time they wait for a server to notice
// something.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// together are the flavours that are tested under sentinels and in all states.
var together = []string{redistest.Machine, "redis-8.0", "valkey-8.0", "valkey-9.1"}

// clustered are those that are tested as clusters. Redis 6.2 stands for older servers, whose nodes talk at a port
// that cannot be chosen.
var clustered = append([]string{"redis-6.2"}, together...)

// eachOf runs a test with servers of some flavours, side by side.
func eachOf(t *testing.T, names []string, test func(t *testing.T, f redistest.Flavour)) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, redistest.Find(t, name))
		})
	}
}

// await polls until the condition holds.
func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); {
		if time.Now().After(end) {
			require.Fail(t, "waited in vain for "+what)
		}
		time.Sleep(20 * time.Millisecond) // a real server says nothing when its state changes
	}
}

// document asks for an item that is a JSON document.
func document(t testing.TB, p *driver.Plugin, key string, params ...string) map[string]any {
	t.Helper()
	return decode(t, p.Value(t, key, params...))
}

func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &doc), text)
	return doc
}

// row is the object in a list that has the value.
func row(t testing.TB, list any, member string, value any) map[string]any {
	t.Helper()
	for _, e := range list.([]any) {
		if r := e.(map[string]any); r[member] == value {
			return r
		}
	}
	require.Fail(t, "no such row", "%s=%v in %v", member, value, list)
	return nil
}

// calls is how often a server has run a command.
func calls(t testing.TB, s *redistest.Server, command string) int {
	t.Helper()
	for line := range strings.Lines(s.Do(t, "INFO", "commandstats")) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_"+command+":calls="); ok {
			digits, _, _ := strings.Cut(rest, ",")
			n, err := strconv.Atoi(digits)
			require.NoError(t, err)
			return n
		}
	}
	return 0
}

// rejected is how often a server has refused a command before it ran, as it does with a key of another node.
func rejected(t testing.TB, s *redistest.Server, code string) int {
	t.Helper()
	for line := range strings.Lines(s.Do(t, "INFO", "errorstats")) {
		if rest, ok := strings.CutPrefix(line, "errorstat_"+code+":count="); ok {
			n, err := strconv.Atoi(strings.TrimSpace(rest))
			require.NoError(t, err)
			return n
		}
	}
	return 0
}

func portOf(s *redistest.Server) string {
	_, port, _ := net.SplitHostPort(s.Addr)
	return port
}

// node is a server of a cluster.
type node struct {
	*redistest.Server
	id string
}

// newCluster is a cluster of three masters and their replicas: node i+3 is node i's.
func newCluster(t testing.TB, f redistest.Flavour, cfg redistest.Config) []*node {
	t.Helper()
	var nodes []*node
	for _, n := range redistest.NewCluster(t, f, cfg) {
		nodes = append(nodes, &node{n.Server, n.ID})
	}
	return nodes
}

// keyOn is a key of which node i of a new cluster is the master, with a prefix.
func keyOn(t testing.TB, nodes []*node, i int, prefix string) string {
	t.Helper()
	for n := range 1000 {
		key := prefix + strconv.Itoa(n)
		slot, err := strconv.Atoi(nodes[0].Do(t, "CLUSTER", "KEYSLOT", key))
		require.NoError(t, err)
		if min(slot/5461, 2) == i {
			return key
		}
	}
	require.Fail(t, "no key", fmt.Sprint(i))
	return ""
}
