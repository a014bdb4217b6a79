package sentinel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// flatReply is names and values as SENTINEL answers them.
func flatReply(fields ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(fields))
	for _, f := range fields {
		b.WriteString(metrictest.Bulk(f))
	}
	return b.String()
}

func listReply(members ...string) string {
	return fmt.Sprintf("*%d\r\n", len(members)) + strings.Join(members, "")
}

func masterFields(ip, flags, quorum string) string {
	return flatReply("name", "m", "ip", ip, "port", "6379", "flags", flags, "quorum", quorum, "config-epoch", "4")
}

// sentinelOf is a sentinel that knows one master and the other sentinels.
func sentinelOf(id, masters string, others ...string) *item.Target {
	info := "# Sentinel\r\nsentinel_masters:1\r\nsentinel_tilt:0\r\n"
	return metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{
		"SENTINEL MASTERS": masters, "SENTINEL MYID": metrictest.Bulk(id), "INFO sentinel": metrictest.Bulk(info),
		"SENTINEL REPLICAS m":  listReply(flatReply("ip", "10.0.0.2", "port", "6379", "flags", "slave,s_down", "master-link-status", "err")),
		"SENTINEL SENTINELS m": listReply(others...),
	}})
}

func peerFields(n int, flags string) string {
	return flatReply("ip", fmt.Sprint("10.0.1.", n), "port", "26379", "runid", fmt.Sprint("id", n), "flags", flags)
}

func TestSentinelsThatDisagreeAndOneThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peers := map[string]*item.Target{
			"10.0.1.2:26379": sentinelOf("id2", listReply(masterFields("10.0.0.9", "master", "2"))),
			"10.0.1.3:26379": metrictest.NewTarget(metrictest.StalledDoer{}),
			"10.0.1.4:26379": metrictest.NewTarget(metrictest.PanickingDoer{}),
		}
		peers["10.0.1.2:26379"].Doer.(*metrictest.ScriptDoer).Replies["INFO sentinel"] = metrictest.Bulk("# Sentinel\r\nsentinel_tilt:1\r\n")
		for addr, peer := range peers {
			peer.Name = "tcp://" + addr
		}
		one := sentinelOf("id1", listReply(masterFields("10.0.0.1", "master,s_down,o_down,failover_in_progress", "3")),
			peerFields(2, "sentinel"), peerFields(3, "sentinel,s_down"), peerFields(4, "sentinel,s_down"))
		one.Name = "Prod (tcp://s1.example.com:26379)"
		one.Peer = func(addr string) (*item.Target, error) {
			if p := peers[addr]; p != nil {
				return p, nil
			}
			return nil, errors.New("no such address")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		args, err := Get.ParseArgs(nil)
		require.NoError(t, err)
		began := time.Now()
		text, err := Get.Answer(ctx, &item.Request{Target: one, Args: args, Env: &item.Env{}})
		require.NoError(t, err)
		require.Less(t, time.Since(began), 2*time.Second)
		doc := metrictest.Decode(t, text)
		require.Equal(t, 1.0, doc["tilt"])
		require.Equal(t, 1.0, doc["disagreements"])
		require.Equal(t, true, doc["partial"])
		require.Equal(t, "timeout", metrictest.Row(t, doc["unanswered"], "addr", "10.0.1.3:26379")["reason"])
		m := metrictest.Row(t, doc["masters"], "name", "m")
		require.Equal(t, []any{
			map[string]any{"sentinel": "s1.example.com:26379", "addr": "10.0.0.1:6379"},
			map[string]any{"sentinel": "10.0.1.2:26379", "addr": "10.0.0.9:6379"},
		}, m["views"])
		for member, want := range map[string]float64{
			"sdown": 1, "odown": 1, "failover": 1, "quorum": 3, "epoch": 4, "usable_sentinels": 2, "known_sentinels": 4,
			"has_quorum": 0, "has_majority": 0, "agree": 0,
		} {
			require.Equal(t, want, m[member], member)
		}
		require.Equal(t, map[string]any{"addr": "10.0.0.2:6379", "flags": "slave,s_down", "down": 1.0, "promotable": 0.0}, m["replicas"].([]any)[0])
	})
}

func TestASentinelUnderTwoNamesIsOne(t *testing.T) {
	t.Parallel()
	master := listReply(masterFields("10.0.0.1", "master", "2"))
	one := sentinelOf("id1", master, peerFields(2, "sentinel"))
	two := sentinelOf("id2", master, peerFields(1, "sentinel"))
	one.Name, two.Name = "tcp://s1.example.com:26379", "tcp://s2.example.com:26379"
	asked := 0
	one.Peer = func(string) (*item.Target, error) { asked++; return two, nil }
	target := metrictest.NewTarget(nil)
	target.Sentinels = func() []*item.Target { return []*item.Target{one, two} }
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, target)))
	require.Len(t, doc["sentinels"], 2)
	require.Zero(t, asked, "its id shows that it was asked under its name")
}

func TestNoSentinelAnswers(t *testing.T) {
	t.Parallel()
	down := func(name string) *item.Target {
		d := metrictest.NewTarget(&metrictest.ScriptDoer{Err: &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("refused")}})
		d.Name = name
		return d
	}
	target := metrictest.NewTarget(nil)
	target.Sentinels = func() []*item.Target { return []*item.Target{down("tcp://s1:1"), down("tcp://s2:2")} }
	doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, target)))
	require.Equal(t, 0.0, doc["up"])
	require.Equal(t, "tcp", doc["reason"])
	require.Contains(t, doc["error"], "s1:1: connect: refused; s2:2: connect: refused")

	server := &metrictest.ScriptDoer{Replies: map[string]string{}}
	doc = metrictest.Decode(t, metrictest.Must(metrictest.Collect(t, Get, server)))
	require.Equal(t, 0.0, doc["up"])
	require.Equal(t, "sentinel", doc["reason"], "a server that is no sentinel")
	require.Contains(t, doc["error"], ": this is a server, not a sentinel: those listen on port 26379 unless configured otherwise")

	var many []*item.Target
	for i := range 20 {
		many = append(many, down(fmt.Sprintf("tcp://sentinel-%d.example.com:26379", i)))
	}
	target.Sentinels = func() []*item.Target { return many }
	doc = metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, target)))
	require.True(t, strings.HasSuffix(doc["error"].(string), "sentinel-2.example.com:26379: connect: refused and 17 more"), doc["error"])

	twoThree := sentinelOf("id1", listReply(masterFields("10.0.0.1", "master", "x")))
	twoThree.Doer.(*metrictest.ScriptDoer).Replies["SENTINEL SENTINELS m"] = "-NOPERM no\r\n"
	doc = metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, Get, twoThree)))
	m := metrictest.Row(t, doc["masters"], "name", "m")
	for _, unknown := range []string{"quorum", "has_quorum", "has_majority", "usable_sentinels", "sentinels"} {
		require.NotContains(t, m, unknown, "unknown is not 0")
	}
	require.Contains(t, doc["unavailable"], "sentinels")
}

func FuzzSentinel(f *testing.F) {
	f.Add(listReply(masterFields("10.0.0.1", "master", "2")), listReply(peerFields(2, "sentinel")), "# Sentinel\r\nsentinel_tilt:0\r\n")
	f.Add("*1\r\n*1\r\n$1\r\na\r\n", "*-1\r\n", "")
	f.Fuzz(func(t *testing.T, masters, members, info string) {
		target := metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{
			"SENTINEL MASTERS": masters, "SENTINEL MYID": metrictest.Bulk("id1"), "INFO sentinel": metrictest.Bulk(info),
			"SENTINEL REPLICAS m": members, "SENTINEL SENTINELS m": members,
		}})
		target.Peer = func(string) (*item.Target, error) { return target, nil }
		text, err := metrictest.CollectFrom(t, Get, target)
		require.NoError(t, err)
		require.True(t, json.Valid([]byte(text)), "%s", text)
	})
}
