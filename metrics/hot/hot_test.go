package hot

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

func hotOf(t *testing.T, target *item.Target, scope ...string) map[string]any {
	t.Helper()
	text, err := metrictest.CollectFrom(t, Get, target, append([]string{"", "", ""}, scope...)...)
	require.NoError(t, err)
	return metrictest.Decode(t, text)
}

// hotkeysWire is what Redis 8.6.2 answers to HOTKEYS GET, by RESP2.
func hotkeysWire(tracking, ratio int, more string, fields int) string {
	return fmt.Sprintf("*1\r\n*%d\r\n$15\r\ntracking-active\r\n:%d\r\n$12\r\nsample-ratio\r\n:%d\r\n$14\r\nselected-slots\r\n*1\r\n*2\r\n:0\r\n:16383\r\n"+
		"$25\r\nall-commands-all-slots-us\r\n:200\r\n$32\r\nnet-bytes-all-commands-all-slots\r\n:400\r\n$29\r\ncollection-start-time-unix-ms\r\n"+
		":1795994645032\r\n$22\r\ncollection-duration-ms\r\n:2328\r\n%s", 14+fields, tracking, ratio, more)
}

const byBoth = "$14\r\nby-cpu-time-us\r\n*4\r\n$4\r\nhot1\r\n:50\r\n$4\r\nhot3\r\n:21\r\n$12\r\nby-net-bytes\r\n*2\r\n$4\r\nhot1\r\n:90\r\n"

func redisInfo(version, more string) string {
	return metrictest.Bulk("# Server\r\nredis_version:" + version + "\r\nredis_mode:standalone\r\n# Cluster\r\n" + more + "\r\n")
}

func TestHotKeysOfOneServer(t *testing.T) {
	t.Parallel()
	const off = "cluster_enabled:0"
	noSlots := errNoCluster.Error()
	for _, tt := range []struct {
		name, info, hotkeys string
		keys                any
		unavailable         map[string]any
	}{
		{"tracked", redisInfo("8.6.2", off), hotkeysWire(1, 1, byBoth, 4), map[string]any{
			"nodes": 1.0, "tracking": 1.0, "started": 1795994645.032, "duration": 2.328, "sample_ratio": 1.0,
			"by_cpu":     []any{map[string]any{"key": "hot1", "cpu": 0.00005, "share": 25.0}, map[string]any{"key": "hot3", "cpu": 0.000021, "share": 10.5}},
			"by_network": []any{map[string]any{"key": "hot1", "bytes": 90.0, "share": 22.5}},
		}, map[string]any{"slots": noSlots}},
		{"stopped, of every third key and CPU time alone", redisInfo("8.6.2", off), hotkeysWire(0, 3, "$14\r\nby-cpu-time-us\r\n*2\r\n$4\r\nhot1\r\n:50\r\n", 2), map[string]any{
			"nodes": 1.0, "tracking": 0.0, "started": 1795994645.032, "duration": 2.328, "sample_ratio": 3.0,
			"by_cpu": []any{map[string]any{"key": "hot1", "cpu": 0.00005}},
		}, map[string]any{"slots": noSlots}},
		{"never started", redisInfo("8.6.2", off), "*-1\r\n", nil, map[string]any{"keys": errNotStarted.Error(), "slots": noSlots}},
		{"refused", redisInfo("8.6.2", off), "-NOPERM no\r\n", nil, map[string]any{"keys": "NOPERM no", "slots": noSlots}},
		{"no map", redisInfo("8.6.2", off), "*1\r\n:1\r\n", nil, map[string]any{"keys": "expected an array, got a reply of kind integer", "slots": noSlots}},
		{"before 8.6", redisInfo("8.4.0", off), "", nil, map[string]any{"keys": errNoHotkeys.Error(), "slots": noSlots}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &metrictest.ScriptDoer{Replies: map[string]string{"INFO": tt.info, "CONFIG GET cluster-slot-stats-enabled": "*0\r\n"}}
			if tt.hotkeys != "" {
				d.Replies["HOTKEYS GET"] = tt.hotkeys
			}
			doc := hotOf(t, metrictest.NewTarget(d))
			require.Equal(t, tt.keys, doc["keys"])
			require.Equal(t, tt.unavailable, doc["unavailable"])
			require.Equal(t, "server", doc["view"])
			require.LessOrEqual(t, d.Calls, 2)
			require.NotContains(t, strings.Join(metrictest.Flat(d.Sent), " "), "START")
			if tt.hotkeys == "" {
				require.NotContains(t, strings.Join(metrictest.Flat(d.Sent), " "), "HOTKEYS", "what the server does not know is not sent")
			}
		})
	}
	metrictest.RequireDown(t, Get)
}

func slotsWire(rows ...[]int) string {
	out := fmt.Sprintf("*%d\r\n", len(rows))
	names := []string{"key-count", "cpu-usec", "network-bytes-in", "network-bytes-out"}
	for _, r := range rows {
		out += fmt.Sprintf("*2\r\n:%d\r\n*%d\r\n", r[0], 2*len(r)-2)
		for i, n := range r[1:] {
			out += fmt.Sprintf("%s:%d\r\n", metrictest.Bulk(names[i]), n)
		}
	}
	return out
}

// one is a cluster of one node.
func one(stats string, key, cpu, in string) *metrictest.ScriptDoer {
	d := &metrictest.ScriptDoer{Replies: map[string]string{
		"INFO": redisInfo("8.2.3", "cluster_enabled:1"), "CONFIG GET cluster-slot-stats-enabled": metrictest.WireArray("cluster-slot-stats-enabled", stats),
		"CLUSTER NODES": metrictest.Bulk("a 127.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-16383\n"),
	}}
	for i, reply := range []string{key, cpu, in} {
		d.Replies[fmt.Sprint("CLUSTER SLOT-STATS ORDERBY ", orders[i], " LIMIT 50")] = reply
	}
	return d
}

func TestHotSlotsAreThoseOfTheWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := slotsWire([]int{1, 5, 1000000, 100, 10}, []int{2, 9, 3000000, 50, 900}, []int{3, 0, 0, 0, 0})
		d := one("yes", first, first, first)
		target := metrictest.NewTarget(d)
		doc := hotOf(t, target)
		require.Equal(t, 2, d.Calls)
		slots := metrictest.Section(t, doc, "slots")
		numbers := func(list string) (out []int) {
			for _, r := range metrictest.Rows(t, slots[list]) {
				out = append(out, int(r["slot"].(float64)))
			}
			return out
		}
		require.Equal(t, [][]int{{2, 1}, {2, 1}, {2, 1}}, [][]int{numbers("by_keys"), numbers("by_cpu"), numbers("by_network")}, "the third did nothing")
		require.Equal(t, map[string]any{"slot": 2.0, "server": "127.0.0.1:6379", "keys": 9.0, "cpu": 3.0, "network_in": 50.0, "network_out": 900.0},
			metrictest.Rows(t, slots["by_cpu"])[0])
		require.NotContains(t, doc, "window")
		require.Equal(t, map[string]any{"keys": errNoHotkeys.Error()}, doc["unavailable"])
		require.Equal(t, []any{"cluster", false}, []any{doc["view"], doc["partial"]})

		time.Sleep(time.Minute)
		second := slotsWire([]int{1, 5, 4000000, 160, 10}, []int{2, 9, 3000000, 50, 900}, []int{4, 1, 9, 9, 9})
		for _, by := range orders {
			d.Replies["CLUSTER SLOT-STATS ORDERBY "+by+" LIMIT 50"] = second
		}
		d.Calls = 0
		doc = hotOf(t, target)
		require.Equal(t, 2, d.Calls)
		slots = metrictest.Section(t, doc, "slots")
		require.Equal(t, 60.0, doc["window"])
		require.Equal(t, [][]int{{2, 1, 4}, {1, 4}, {1, 4}}, [][]int{numbers("by_keys"), numbers("by_cpu"), numbers("by_network")},
			"what did nothing since is not hot, and of a new one it is not known")
		require.Equal(t, map[string]any{"slot": 1.0, "server": "127.0.0.1:6379", "keys": 5.0, "cpu": 4.0, "network_in": 160.0, "network_out": 10.0,
			"cpu_percent": 5.0, "network_in_per_second": 1.0, "network_out_per_second": 0.0}, metrictest.Rows(t, slots["by_cpu"])[0])

		time.Sleep(time.Minute)
		for _, by := range orders {
			d.Replies["CLUSTER SLOT-STATS ORDERBY "+by+" LIMIT 50"] = slotsWire([]int{1, 5, 7, 1, 1})
		}
		slots = metrictest.Section(t, hotOf(t, target), "slots")
		require.NotContains(t, metrictest.Rows(t, slots["by_cpu"])[0], "cpu_percent", "CONFIG RESETSTAT")
		var many [][]int
		for i := range 50 {
			many = append(many, []int{i, 1 + i, 1, 1, 1})
		}
		d.Replies["CLUSTER SLOT-STATS ORDERBY key-count LIMIT 50"] = slotsWire(many...)
		slots = metrictest.Section(t, hotOf(t, target), "slots")
		require.Equal(t, []int{49, 48, 47, 46, 45, 44, 43, 42, 41, 40}, numbers("by_keys"))
	})
}

func TestSlotsThatAreNotToBeHad(t *testing.T) {
	t.Parallel()
	rows := slotsWire([]int{7, 3})
	const refused = "-ERR Unrecognized sort metric for ORDERBY.\r\n"
	for _, tt := range []struct {
		name        string
		d           *metrictest.ScriptDoer
		unavailable map[string]string
		lists       []string
		sent        int // of SLOT-STATS
	}{
		{"not counted", one("no", rows, refused, refused),
			map[string]string{"slots_by_cpu": errStatsOff.Error(), "slots_by_network": errStatsOff.Error()}, []string{"by_keys"}, 1},
		{"refused altogether", one("yes", "-NOPERM no\r\n", "-NOPERM no\r\n", "-NOPERM no\r\n"), map[string]string{"slots": "NOPERM no"}, nil, 3},
		{"no rows", one("no", ":1\r\n", refused, refused), map[string]string{"slots": "expected an array, got a reply of kind integer"}, nil, 1},
		{"a row that is none", one("no", "*1\r\n*2\r\n:99999\r\n*0\r\n", refused, refused), map[string]string{"slots": "slot 1: " + errSlot.Error()}, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := hotOf(t, metrictest.NewTarget(tt.d))
			why := metrictest.Section(t, doc, "unavailable")
			for name, text := range tt.unavailable {
				require.Equal(t, text, why[name])
			}
			var lists []string
			if slots, ok := doc["slots"].(map[string]any); ok {
				for name := range slots {
					lists = append(lists, name)
				}
			}
			require.Equal(t, tt.lists, lists)
			require.Equal(t, tt.sent, strings.Count(strings.Join(metrictest.Flat(tt.d.Sent), "\n"), "SLOT-STATS"))
		})
	}
	for version, want := range map[string]string{"7.0.15": errNoStats.Error(), "8.0.6": errNoStats.Error()} {
		d := one("no", rows, refused, refused)
		d.Replies["INFO"] = redisInfo(version, "cluster_enabled:1")
		doc := hotOf(t, metrictest.NewTarget(d))
		require.Equal(t, want, metrictest.Section(t, doc, "unavailable")["slots"])
		require.Equal(t, 1, d.Calls, "nothing more is asked of it")
	}
}

// TestHotKeysOfARealServer has somebody start the tracking; the item never does.
func TestHotKeysOfARealServer(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin})
			target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			errorsOf := func() string { // of the kinds; Redis 5 does not count them
				return s.Do(t, "INFO", "errorstats")
			}
			before := errorsOf()
			doc := hotOf(t, target)
			require.NotContains(t, doc, "keys")
			require.LessOrEqual(t, wire.Calls, 2)
			require.Equal(t, before, errorsOf(), "nothing is sent that the server does not know")
			why := metrictest.Section(t, doc, "unavailable")
			require.Equal(t, errNoCluster.Error(), why["slots"])
			if !f.Is("redis", 8, 6) {
				require.Equal(t, errNoHotkeys.Error(), why["keys"])
				return
			}
			require.Equal(t, errNotStarted.Error(), why["keys"])
			s.Do(t, "HOTKEYS", "START", "METRICS", "2", "CPU", "NET")
			for i := range 40 {
				s.Do(t, "SET", "cart:7", strings.Repeat("x", 1000))
				s.Do(t, "SET", fmt.Sprint("other", i%12), "x")
			}
			doc = hotOf(t, target)
			keys := metrictest.Section(t, doc, "keys")
			require.Equal(t, []any{1.0, 1.0, 1.0}, []any{keys["nodes"], keys["tracking"], keys["sample_ratio"]})
			require.InDelta(t, time.Now().Unix(), keys["started"], 60)
			for _, list := range []string{"by_cpu", "by_network"} {
				rows := metrictest.Rows(t, keys[list])
				if list == "by_network" {
					require.Len(t, rows, maxRows)
				} else { // without those that took less than a microsecond
					require.LessOrEqual(t, len(rows), maxRows)
				}
				require.Equal(t, "cart:7", rows[0]["key"])
				require.Greater(t, rows[0]["share"], 1.0)
				require.LessOrEqual(t, rows[0]["share"], 100.0)
			}
			require.Equal(t, map[string]any{"slots": errNoCluster.Error()}, doc["unavailable"])
			s.Do(t, "HOTKEYS", "STOP")
			keys = metrictest.Section(t, hotOf(t, target), "keys")
			require.Equal(t, 0.0, keys["tracking"])
			require.NotEmpty(t, keys["by_cpu"])
		})
	}
}

// TestHotSlotsOfRealClusters works on one slot of the third master and looks from
// the first one and from a replica.
func TestHotSlotsOfRealClusters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"redis-8.2", "redis-8.6", "valkey-8.0", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes := redistest.NewCluster(t, redistest.Find(t, name), redistest.Config{Args: []string{"--cluster-slot-stats-enabled", "yes"}})
			for i := range 50 { // the slot of k1 is 12706, of the third master
				nodes[2].Do(t, "SET", "k1", strings.Repeat("x", 1000))
				nodes[2].Do(t, "SET", fmt.Sprint("{k1}", i), "x")
			}
			for _, entry := range []int{0, 3} {
				target, wire := metrictest.DialPeers(t, redisclient.Config{Address: nodes[entry].Addr})
				hotOf(t, target)
				wire.Calls = 0
				doc := hotOf(t, target)
				require.LessOrEqual(t, wire.Calls, 2)
				require.Equal(t, []any{"cluster", false}, []any{doc["view"], doc["partial"]}, "%v", doc["unavailable"])
				slots := metrictest.Section(t, doc, "slots")
				for _, list := range []string{"by_keys", "by_cpu", "by_network"} {
					row := metrictest.Rows(t, slots[list])[0]
					require.Equal(t, []any{12706.0, nodes[2].Addr, 51.0}, []any{row["slot"], row["server"], row["keys"]}, list)
					require.Greater(t, row["network_in"], 50000.0)
					require.Greater(t, row["cpu"], 0.0)
				}
				why := metrictest.Section(t, doc, "unavailable")
				require.NotContains(t, why, "slots")
				require.NotContains(t, why, "slots_by_cpu")
			}

			target, _ := metrictest.DialTarget(t, redisclient.Config{Address: nodes[0].Addr})
			doc := hotOf(t, target, "server")
			require.Equal(t, "server", doc["view"])
			require.Empty(t, metrictest.Section(t, doc, "slots")["by_keys"], "the other masters are not asked")
			target, _ = metrictest.DialTarget(t, redisclient.Config{Address: nodes[2].Addr})
			require.Equal(t, 12706.0, metrictest.Rows(t, metrictest.Section(t, hotOf(t, target, "server"), "slots")["by_keys"])[0]["slot"])
			_, err := Get.ParseArgs([]string{"", "", "", "all"})
			require.ErrorContains(t, err, `"all" is neither cluster nor server`)

			target, _ = metrictest.DialPeers(t, redisclient.Config{Address: nodes[0].Addr})
			if name == "redis-8.6" {
				nodes[2].Do(t, "HOTKEYS", "START", "METRICS", "1", "CPU")
				nodes[2].Do(t, "SET", "k1", "x")
				keys := metrictest.Section(t, hotOf(t, target), "keys")
				require.Equal(t, 1.0, keys["nodes"])
				row := metrictest.Rows(t, keys["by_cpu"])[0]
				require.Equal(t, []any{"k1", nodes[2].Addr}, []any{row["key"], row["server"]})
				require.NotContains(t, keys, "by_network")
			}
			for _, n := range nodes {
				n.Do(t, "CONFIG", "SET", "cluster-slot-stats-enabled", "no")
			}
			for range 2 { // the second poll knows
				doc := hotOf(t, target)
				require.Contains(t, metrictest.Section(t, doc, "slots"), "by_keys")
				require.NotContains(t, metrictest.Section(t, doc, "slots"), "by_cpu")
				require.Equal(t, errStatsOff.Error(), metrictest.Section(t, doc, "unavailable")["slots_by_cpu"])
			}
			for _, n := range nodes {
				n.Do(t, "CONFIG", "SET", "cluster-slot-stats-enabled", map[bool]string{true: "cpu net", false: "yes"}[name == "redis-8.6"])
			}
			hotOf(t, target)
			require.NotContains(t, metrictest.Section(t, hotOf(t, target), "unavailable"), "slots_by_cpu", "it counts again")
			nodes[2].Kill(t)
			require.Eventually(t, func() bool { doc = hotOf(t, target); return doc["partial"] == true }, 20*time.Second, 50*time.Millisecond)
			require.Equal(t, nodes[2].Addr, metrictest.Rows(t, doc["unanswered"])[0]["addr"])
			target.Peer = func(string) (*item.Target, error) { return nil, errors.New("not now") }
			require.NotEmpty(t, metrictest.Rows(t, hotOf(t, target)["unanswered"]))
		})
	}
}
