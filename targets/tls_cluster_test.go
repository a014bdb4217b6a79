package targets

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics"
	"redisjobs/metrics/jsondoc"
)

// TestAClusterWhoseCertificatesHaveNamesOnly: real servers behind TLS that
// announce a host name, as it is in their certificates; their addresses are in
// none.
func TestAClusterWhoseCertificatesHaveNamesOnly(t *testing.T) {
	t.Parallel()
	ca := redistest.NewCA(t)
	cert, key := ca.Issue(t, "node", time.Now().AddDate(0, 0, 30), "localhost")
	var nodes [2]*redistest.Server
	for i := range nodes {
		nodes[i] = redistest.Start(t, redistest.Config{
			TLS: true, ClusterBus: true, Args: []string{"--cluster-enabled", "yes"},
			Lines: []string{
				"tls-cert-file " + strconv.Quote(cert), "tls-key-file " + strconv.Quote(key), "tls-ca-cert-file " + strconv.Quote(ca.File),
				"tls-auth-clients no", "tls-cluster yes", "cluster-announce-hostname localhost", "cluster-preferred-endpoint-type hostname",
			},
		})
		add := []string{"CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(8192 * i), strconv.Itoa(8192*i + 8191)}
		nodes[i].Do(t, add...)
		nodes[i].Do(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	_, port, err := net.SplitHostPort(nodes[1].TLSAddr)
	require.NoError(t, err)
	nodes[0].Do(t, "CLUSTER", "MEET", "127.0.0.1", port, nodes[1].BusPort)
	for i := range nodes {
		require.Eventually(t, func() bool {
			return strings.Contains(nodes[i].Do(t, "CLUSTER", "INFO"), "cluster_state:ok") &&
				strings.Count(nodes[i].Do(t, "CLUSTER", "NODES"), ",localhost") == 2
		}, time.Minute, 50*time.Millisecond)
	}
	_, port, err = net.SplitHostPort(nodes[0].TLSAddr)
	require.NoError(t, err)
	rt, err := New(decoded(t, "Sessions.A.Uri=rediss://localhost:"+port, "Sessions.A.TLSCAFile="+ca.File))
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
	for _, k := range []string{"a", "b", "c", "d"} { // on both nodes
		require.NotContains(t, fmt.Sprint(textsOf(t, rt.targetAt(t, "A"), []string{"GET", k})), "MOVED")
	}
}

// TestATLSClusterThatAnnouncesItsPlainPorts: with tls-cluster no a Redis before 7.2 does not know the TLS
// ports of other nodes. The first answer says what was tried, and AddressMap leads to those ports.
func TestATLSClusterThatAnnouncesItsPlainPorts(t *testing.T) {
	t.Parallel()
	var nodes [2]*redistest.Server
	for i := range nodes {
		nodes[i] = redistest.Start(t, redistest.Config{TLS: true, ClusterBus: true, Args: []string{"--cluster-enabled", "yes", "--tls-cluster", "no"}})
		nodes[i].Do(t, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(8192*i), strconv.Itoa(8192*i+8191))
		nodes[i].Do(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	_, port, err := net.SplitHostPort(nodes[1].Addr)
	require.NoError(t, err)
	nodes[0].Do(t, "CLUSTER", "MEET", "127.0.0.1", port, nodes[1].BusPort)
	for i := range nodes {
		require.Eventually(t, func() bool { return strings.Contains(nodes[i].Do(t, "CLUSTER", "INFO"), "cluster_state:ok") }, time.Minute, 50*time.Millisecond)
	}
	authorities := filepath.Join(t.TempDir(), "authorities.pem") // each server has one of its own here
	var all []byte
	for _, n := range nodes {
		pem, err := os.ReadFile(n.CAFile)
		require.NoError(t, err)
		all = append(all, pem...)
	}
	require.NoError(t, os.WriteFile(authorities, all, 0o600))
	other := func(t *testing.T, lines ...string) map[string]any {
		rt, err := New(decoded(t, append(lines, "Timeout=3", "Sessions.A.Uri=rediss://"+nodes[0].TLSAddr, "Sessions.A.TLSCAFile="+authorities)...))
		require.NoError(t, err)
		t.Cleanup(func() { rt.Close(time.Second) })
		metric, ok := metrics.Lookup("redis.cluster.get")
		require.True(t, ok)
		ctx, cancel := context.WithTimeout(t.Context(), rt.Allowed(0))
		defer cancel()
		w := jsondoc.New(0)
		require.NoError(t, rt.Collect(ctx, metric, []string{"A"}, w))
		return metrictest.Row(t, metrictest.Decode(t, w.Document())["nodes"], "addr", nodes[1].Addr)
	}
	t.Run("as it is", func(t *testing.T) {
		t.Parallel()
		n := other(t)
		require.Equal(t, []any{0.0, "timeout"}, []any{n["up"], n["reason"]})
		require.Contains(t, n["error"], "TLS handshake with "+nodes[1].Addr+": does it speak TLS on this port?")
	})
	t.Run("AddressMap", func(t *testing.T) {
		t.Parallel()
		n := other(t, "Sessions.A.AddressMap="+nodes[0].Addr+"="+nodes[0].TLSAddr+" "+nodes[1].Addr+"="+nodes[1].TLSAddr)
		require.Equal(t, []any{1.0, "ok"}, []any{n["up"], n["state"]}, n["error"])
	})
}
