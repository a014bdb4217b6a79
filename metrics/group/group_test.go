package group

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

// group are sessions by name.
type group map[string]*item.Target

func (g group) of(name string) (*item.Target, error) {
	if g[name] == nil {
		return nil, errors.New("no session named " + name)
	}
	return g[name], nil
}

// dial makes a session of each server, which may have stopped.
func dial(t *testing.T, servers map[string]*redistest.Server) group {
	t.Helper()
	g := group{}
	for name, s := range servers {
		target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, Password: s.Password})
		g[name] = target
	}
	return g
}

func (g group) answer(t *testing.T, list string) map[string]any {
	t.Helper()
	args, err := Get.ParseArgs([]string{list})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	text, err := Get.Answer(ctx, &item.Request{Args: args, Env: &item.Env{Target: g.of}})
	require.NoError(t, err)
	require.NotContains(t, text, "s3cret")
	return metrictest.Decode(t, text)
}

// ids are those of the problems, in order.
func ids(t *testing.T, doc map[string]any) (out []string) {
	t.Helper()
	for _, row := range metrictest.Rows(t, doc["problems"]) {
		out = append(out, row["id"].(string))
	}
	return out
}

func replicaOf(t *testing.T, s *redistest.Server, args ...string) []string {
	t.Helper()
	host, port, err := net.SplitHostPort(s.Addr)
	require.NoError(t, err)
	return append([]string{"--replicaof", host, port, "--repl-diskless-sync-delay", "0", "--masterauth", "s3cret"}, args...)
}

func inStep(t *testing.T, replicas ...*redistest.Server) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, r := range replicas {
			if r.InfoField(t, "replication", "master_link_status") != "up" {
				return false
			}
		}
		return true
	}, 30*time.Second, 20*time.Millisecond)
}

func TestARealGroup(t *testing.T) {
	t.Parallel()
	for _, name := range []string{redistest.Machine, "redis-5.0", "redis-8.6", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bin := redistest.Find(t, name).Bin
			start := func(args ...string) *redistest.Server {
				return redistest.Start(t, redistest.Config{Bin: bin, Password: "s3cret", Args: append(args, "--repl-diskless-sync-delay", "0")})
			}
			a := start("--masterauth", "s3cret")
			b, c := start(replicaOf(t, a)...), start(replicaOf(t, a)...)
			inStep(t, b, c)
			g := dial(t, map[string]*redistest.Server{"A": a, "B": b, "C": c})
			require.Eventually(t, func() bool { return g.answer(t, "A B C")["lag_bytes"] == 0.0 }, 20*time.Second, 50*time.Millisecond)
			doc := g.answer(t, "A B C")
			require.Empty(t, doc["problems"], "%v", doc)
			require.Equal(t, []any{1.0, "A, B, C", 3.0, 3.0, false, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, "A", 0.0, ""}, []any{
				doc["up"], doc["target"], doc["sessions"], doc["answered"], doc["partial"], doc["primaries"], doc["replicas"], doc["strangers"],
				doc["chained"], doc["links_down"], doc["same_server"], doc["wrong_kind"], doc["versions"], doc["compared_with"], doc["drifts"], doc["summary"]})
			row := metrictest.Row(t, doc["members"], "session", "B")
			require.Equal(t, []any{"replica", "A", a.Addr, 1.0, 1.0}, []any{row["role"], row["primary_session"], row["primary"], row["link_up"], row["up"]})
			require.Equal(t, 2.0, metrictest.Row(t, doc["members"], "session", "A")["connected_replicas"])

			// Settings, and a replica of a replica.
			b.Do(t, "CONFIG", "SET", "maxmemory", "99999999")
			host, port, _ := net.SplitHostPort(b.Addr)
			c.Do(t, "REPLICAOF", host, port)
			inStep(t, c)
			doc = g.answer(t, "A,B,C")
			require.Equal(t, []string{"chained", "settings"}, ids(t, doc))
			require.Equal(t, 0.0, doc["strangers"], "it has the history of the primary")
			require.Equal(t, "B: a replica that has replicas of its own; settings differ between A and B: maxmemory", doc["summary"])
			require.Equal(t, []any{"B"}, metrictest.Rows(t, metrictest.Rows(t, doc["drift"])[0]["others"])[0]["servers"])
			b.Do(t, "CONFIG", "SET", "maxmemory", "0")

			// B is promoted while A goes on: a split brain. C follows B.
			b.Do(t, "REPLICAOF", "NO", "ONE")
			require.Eventually(t, func() bool {
				return c.InfoField(t, "replication", "master_replid") == b.InfoField(t, "replication", "master_replid") && c.InfoField(t, "replication", "master_link_status") == "up"
			}, 30*time.Second, 20*time.Millisecond)
			doc = g.answer(t, "A B C")
			require.Equal(t, []string{"two_primaries"}, ids(t, doc))
			require.Equal(t, "2 primaries (A, B): they have a part of their history in common: one was promoted while the other went on (split brain)", doc["summary"])
			require.Equal(t, "B", metrictest.Row(t, doc["members"], "session", "C")["primary_session"])

			// Without B, C follows somebody outside.
			doc = g.answer(t, "A C")
			require.Equal(t, []string{"strangers"}, ids(t, doc))
			require.Equal(t, "C: replica of a primary that is not in this group ("+b.Addr+")", doc["summary"])
			require.Equal(t, 1.0, doc["strangers"])

			// Two servers that never knew each other.
			other := start("--masterauth", "s3cret")
			g["O"] = dial(t, map[string]*redistest.Server{"O": other})["O"]
			doc = g.answer(t, "A O")
			require.Equal(t, "2 primaries (A, O): they have no history of writes in common", doc["summary"])

			// The primary is gone.
			host, port, _ = net.SplitHostPort(a.Addr)
			b.Do(t, "REPLICAOF", host, port)
			c.Do(t, "REPLICAOF", host, port)
			inStep(t, b, c)
			a.Kill(t)
			require.Eventually(t, func() bool {
				return b.InfoField(t, "replication", "master_link_status") == "down" && c.InfoField(t, "replication", "master_link_status") == "down"
			}, 20*time.Second, 20*time.Millisecond)
			doc = g.answer(t, "A B C")
			require.Equal(t, []string{"no_primary", "unreachable", "links_down"}, ids(t, doc))
			require.True(t, strings.HasPrefix(doc["summary"].(string), "none of the 2 sessions that answer is a primary, of 3 in all; no answer from A; B, C: no link to the primary"), doc["summary"])
			require.Equal(t, []any{1.0, true, 2.0, 0.0, 2.0}, []any{doc["up"], doc["partial"], doc["answered"], doc["primaries"], doc["replicas"]})
			require.NotContains(t, doc, "strangers", "A may be their primary")
			require.Equal(t, "B", doc["compared_with"])
		})
	}
}

// TestReplicasOfOneAnother have no primary, in the group or elsewhere.
func TestReplicasOfOneAnother(t *testing.T) {
	t.Parallel()
	a, b, c := redistest.Start(t, redistest.Config{}), redistest.Start(t, redistest.Config{}), redistest.Start(t, redistest.Config{})
	follow := func(s, of *redistest.Server) {
		host, port, _ := net.SplitHostPort(of.Addr)
		s.Do(t, "REPLICAOF", host, port)
	}
	follow(a, b)
	follow(b, a)
	follow(c, a) // it follows the loop, and is not in it
	g := dial(t, map[string]*redistest.Server{"A": a, "B": b, "C": c})
	doc := g.answer(t, "A B C")
	require.Equal(t, []string{"no_primary", "loop", "links_down"}, slicesWithout(ids(t, doc), "chained"))
	require.Contains(t, doc["summary"], "A, B, C: their chain of primaries is a loop ("+b.Addr+", "+a.Addr+"), so that nobody takes writes for them")
	require.Equal(t, 0.0, doc["strangers"])

	follow(a, a)
	b.Do(t, "REPLICAOF", "NO", "ONE")
	doc = g.answer(t, "A B")
	require.Contains(t, ids(t, doc), "loop")
	require.Contains(t, doc["summary"], "A: their chain of primaries is a loop ("+a.Addr+")")
	require.Equal(t, 0.0, doc["strangers"])

	// B follows somebody outside, and A follows B.
	outside := redistest.Start(t, redistest.Config{})
	follow(b, outside)
	follow(a, b)
	doc = g.answer(t, "A B")
	require.Contains(t, doc["summary"], "A, B: replica of a primary that is not in this group ("+outside.Addr+")")
}

func TestServersOfDifferentVersionsAndKinds(t *testing.T) {
	t.Parallel()
	a := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, "redis-5.0").Bin, Password: "s3cret", Args: []string{"--masterauth", "s3cret"}})
	b := redistest.Start(t, redistest.Config{Password: "s3cret", Args: replicaOf(t, a)})
	sentinel := redistest.Start(t, redistest.Config{Args: []string{"--sentinel"}})
	node := redistest.Start(t, redistest.Config{Args: []string{"--cluster-enabled", "yes"}})
	inStep(t, b)
	g := dial(t, map[string]*redistest.Server{"A": a, "B": b, "A2": a, "S": sentinel, "N": node})
	doc := g.answer(t, "A B A2 S N")
	require.Equal(t, []string{"wrong_kind", "same_server", "versions"}, slicesWithout(ids(t, doc), "settings"))
	require.Equal(t, []any{2.0, 1.0, 1.0, 1.0, 2.0, 5.0}, []any{doc["versions"], doc["same_server"], doc["primaries"], doc["replicas"], doc["wrong_kind"], doc["answered"]})
	require.Empty(t, doc["unavailable"])
	require.Contains(t, doc["summary"], "S, N: a sentinel or a node of a cluster")
	require.Contains(t, doc["summary"], "A2: leads to the same server as another session of this group")
}

func slicesWithout(list []string, one string) (out []string) {
	for _, s := range list {
		if s != one {
			out = append(out, s)
		}
	}
	return out
}

// scripted is a server that is what INFO says.
func scripted(info string, config ...string) *item.Target {
	target := metrictest.NewTarget(&metrictest.ScriptDoer{Replies: map[string]string{
		"INFO": metrictest.Bulk("# Server\r\nredis_version:8.2.0\r\nredis_mode:standalone\r\n" + info), "CONFIG GET *": metrictest.WireArray(config...),
	}})
	return target
}

const (
	primaryInfo = "run_id:p\r\n# Replication\r\nrole:master\r\nmaster_replid:aa\r\nmaster_replid2:0000\r\nmaster_repl_offset:1000\r\n"
	replicaInfo = "run_id:r\r\n# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:up\r\nmaster_replid:aa\r\nslave_repl_offset:"
)

func TestTheLagOfAScriptedReplica(t *testing.T) {
	t.Parallel()
	g := group{"P": scripted(primaryInfo), "R": scripted(replicaInfo + "400\r\n")}
	doc := g.answer(t, "P R")
	require.Equal(t, 600.0, doc["lag_bytes"])
	require.Equal(t, 600.0, metrictest.Row(t, doc["members"], "session", "R")["lag_bytes"])
	g["R"] = scripted(replicaInfo + "1010\r\n")
	require.Equal(t, 0.0, g.answer(t, "P R")["lag_bytes"], "it was asked a moment later")
	g["R"] = scripted(replicaInfo + "0\r\n")
	require.NotContains(t, g.answer(t, "P R"), "lag_bytes", "it has confirmed nothing yet")
}

func TestAServerThatRefusesOrIsDown(t *testing.T) {
	t.Parallel()
	refusing := scripted(primaryInfo)
	refusing.Doer.(*metrictest.ScriptDoer).Replies["INFO"] = "-NOPERM no\r\n"
	noConfig := scripted(replicaInfo + "1000\r\n")
	noConfig.Doer.(*metrictest.ScriptDoer).Replies["CONFIG GET *"] = "-NOPERM never\r\n"
	loading := scripted("")
	loading.Doer.(*metrictest.ScriptDoer).Replies["INFO"] = "-LOADING Redis is loading\r\n"
	gone := metrictest.NewTarget(&metrictest.ScriptDoer{Err: &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("connection refused")}})
	g := group{"P": refusing, "R": noConfig, "L": loading, "G": gone, "X": metrictest.NewTarget(metrictest.PanickingDoer{})}
	doc := g.answer(t, "P R L G X")
	require.Equal(t, map[string]any{"P info": "NOPERM no", "R config": "NOPERM never"}, doc["unavailable"])
	require.Equal(t, []any{1.0, true, 1.0, 0.0}, []any{doc["up"], doc["partial"], doc["answered"], doc["primaries"]})
	require.Equal(t, []string{"no_primary", "unreachable"}, ids(t, doc))
	require.Equal(t, "loading", metrictest.Row(t, doc["members"], "session", "L")["reason"])
	require.Contains(t, metrictest.Row(t, doc["members"], "session", "X")["error"], "internal error")
	require.NotContains(t, doc, "drifts", "nothing is compared")

	doc = group{"G": gone, "H": gone}.answer(t, "G H")
	require.Equal(t, []any{0.0, "tcp", "Cannot query G, H: connect: connection refused", true}, []any{doc["up"], doc["reason"], doc["error"], doc["partial"]})
	require.NotContains(t, doc, "primaries", "unknown is never zero")
	require.Equal(t, []string{"unreachable"}, ids(t, doc))
}

// TestActiveReplicasAreNoFault: KeyDB's take writes, all of them.
func TestActiveReplicasAreNoFault(t *testing.T) {
	t.Parallel()
	active := strings.Replace(primaryInfo, "role:master", "role:active-replica", 1)
	doc := group{"A": scripted(active), "B": scripted(strings.Replace(active, "run_id:p", "run_id:q", 1))}.answer(t, "A B")
	require.Empty(t, doc["problems"])
}

func TestTheListOfSessionsIsChecked(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"":                       "parameter 1 (Sessions) is required",
		"A":                      "parameter 1 (Sessions): must name at least two sessions, separated by blanks or commas",
		" , ":                    "parameter 1 (Sessions): must name at least two sessions, separated by blanks or commas",
		"A B,A":                  "parameter 1 (Sessions): names the session A twice",
		strings.Repeat("A ", 65): "parameter 1 (Sessions): names 65 sessions, more than 64",
	} {
		_, err := Get.ParseArgs([]string{list})
		require.EqualError(t, err, want)
	}
	args, err := Get.ParseArgs([]string{"A\t, B"})
	require.NoError(t, err)
	_, err = Get.Answer(t.Context(), &item.Request{Args: args, Env: &item.Env{Target: group{}.of}})
	require.EqualError(t, err, "no session named A")
	_, err = Get.Answer(t.Context(), &item.Request{Args: args, Env: &item.Env{}})
	require.EqualError(t, err, "sessions cannot be asked from here")
}

// FuzzGroup gives any INFO and any CONFIG to two members.
func FuzzGroup(f *testing.F) {
	f.Add(primaryInfo, replicaInfo+"5\r\n", "maxmemory", "0")
	f.Add("role:master\r\n", "# Replication\r\nrole:slave\r\nslave0:ip=1,port=2,state=online,offset=9,lag=0\r\nmaster_host:\r\n", "", "")
	f.Fuzz(func(t *testing.T, first, second, name, value string) {
		doc := group{"A": scripted(first, name, value), "B": scripted(second, name, "x")}.answer(t, "A B")
		if primaries, ok := doc["primaries"].(float64); ok {
			require.LessOrEqual(t, primaries+doc["replicas"].(float64), 2.0)
		}
	})
}
