package search

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/redisclient/resp"
)

// searchDoer is a server with FT._LIST and these indexes.
func doer(resp3 bool, indexes map[string]any) *metrictest.ScriptDoer {
	replies := map[string]string{"INFO cluster": metrictest.Bulk("# Cluster\r\ncluster_enabled:0\r\n")}
	names := slices.Sorted(maps.Keys(indexes))
	slices.Reverse(names) // a server's order is none
	replies["FT._LIST"] = metrictest.WireArray(names...)
	if resp3 {
		replies["FT._LIST"] = "~" + replies["FT._LIST"][1:]
	}
	for name, reply := range indexes {
		replies["FT.INFO "+name] = wireOf(resp3, reply)
	}
	return &metrictest.ScriptDoer{Replies: replies}
}

func document(t *testing.T, target *item.Target, raw ...string) map[string]any {
	t.Helper()
	text, err := metrictest.CollectFrom(t, Get, target, append([]string{"", "", ""}, raw...)...)
	require.NoError(t, err)
	return metrictest.Decode(t, text)
}

// notTold is how unavailable names what a version does not tell.
func notTold(names ...string) map[string]any {
	out := map[string]any{}
	for _, name := range names {
		out[name] = "FT.INFO of this server does not tell it"
	}
	return out
}

// TestSearchGetOfEachKindOfServer reads what each kind of server answers, with
// both protocols to the same document.
func TestSearchGetOfEachKindOfServer(t *testing.T) {
	t.Parallel()
	const mega = 1048576.0
	for _, tt := range []struct {
		name        string
		reply       any
		row         map[string]any
		unavailable map[string]any
		cursors     []any
	}{
		{
			"RediSearch 2.4", rediSearch24("i"),
			map[string]any{
				"name": "i", "num_docs": 1200.0, "num_records": 24000.0, "num_terms": 800.0,
				"inverted_index_memory": 2.5 * mega, "doc_table_memory": mega / 4, "sortables_memory": mega / 8, "vector_index_memory": 0.0,
				"indexing_failures": 3.0, "indexing": 1.0, "indexed_percent": 50.0,
				"gc_runs": 2.0, "gc_time": 14.796, "gc_last_run_time": 0.096, "gc_bytes_collected": 4096.0, "gc_blocks_denied": 7.0,
				"cursors": 2.0, "cursors_limit": 128.0, "fields": 2.0, "key_type": "HASH", "prefixes": []any{"wiki:"},
			},
			notTold("memory", "indexing_time", "uses", "last_error"),
			[]any{4.0, 1.0},
		},
		{
			"Redis 8", redis8("i", "Invalid numeric value: 'secret'"),
			map[string]any{
				"name": "i", "num_docs": 7.0, "num_records": 21.0, "num_terms": 0.0, "memory": 2 * mega,
				"inverted_index_memory": 1024.0, "doc_table_memory": 2048.0, "sortables_memory": 0.0, "vector_index_memory": 1.5 * mega,
				"indexing_failures": 2.0, "indexing": 0.0, "indexed_percent": 100.0, "indexing_time": 1.234567, "uses": 42.0,
				"gc_runs": 1.0, "gc_time": 0.005, "gc_last_run_time": 0.005, "gc_bytes_collected": 100.0, "gc_blocks_denied": 0.0,
				"cursors": 0.0, "cursors_limit": 128.0, "fields": 3.0, "key_type": "JSON", "prefixes": []any{"a:", "b:"},
				"state": "OK", "last_error": "Invalid numeric value…",
			},
			notTold(),
			[]any{0.0, 0.0},
		},
		{
			"valkey-search", valkey("i", "backfill_in_progress", 1, "0.250000"),
			map[string]any{
				"name": "i", "num_docs": 5.0, "num_records": 5.0, "indexing_failures": 1.0, "indexing": 1.0, "indexed_percent": 25.0,
				"mutation_queue": 17.0, "mutation_queue_delay": 3.0, "fields": 1.0, "key_type": "HASH", "prefixes": []any{"v:"},
				"state": "backfill_in_progress",
			},
			notTold("num_terms", "memory", "inverted_index_memory", "doc_table_memory", "sortables_memory", "vector_index_memory",
				"indexing_time", "uses", "gc_runs", "gc_time", "gc_last_run_time", "gc_bytes_collected", "gc_blocks_denied",
				"cursors", "cursors_limit", "last_error"),
			[]any{nil, nil},
		},
		{
			"MemoryDB", memoryDB("i"),
			map[string]any{
				"name": "i", "num_docs": 3.0, "memory": 1000.0, "vector_index_memory": 900.0, "mutation_queue_delay": 1.5,
				"fields": 1.0, "key_type": "HASH", "prefixes": []any{"m:"}, "state": "Completed",
			},
			notTold("num_records", "num_terms", "inverted_index_memory", "doc_table_memory", "sortables_memory",
				"indexing_failures", "indexing", "indexed_percent", "indexing_time", "uses", "gc_runs", "gc_time",
				"gc_last_run_time", "gc_bytes_collected", "gc_blocks_denied", "cursors", "cursors_limit", "last_error"),
			[]any{nil, nil},
		},
		{
			"Dragonfly", dragonfly("i"),
			map[string]any{"name": "i", "num_docs": 1.0, "fields": 1.0, "key_type": "HASH", "prefixes": []any{"blog:"}},
			nil,
			[]any{nil, nil},
		},
	} {
		for _, resp3 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s RESP3 %t", tt.name, resp3), func(t *testing.T) {
				t.Parallel()
				d := doer(resp3, map[string]any{"i": tt.reply})
				doc := document(t, metrictest.NewTarget(d))
				require.Equal(t, 1.0, doc["up"])
				require.Equal(t, []any{"*", "server", "list", true, 1.0},
					[]any{doc["pattern"], doc["view"], doc["found_by"], doc["complete"], doc["count"]})
				require.Equal(t, tt.cursors, []any{doc["cursors_total"], doc["cursors_idle"]})
				require.Equal(t, []any{tt.row}, doc["indexes"])
				if tt.unavailable != nil {
					require.Equal(t, tt.unavailable, doc["unavailable"])
				}
				require.Empty(t, doc["truncated"])
				require.Equal(t, 2, d.Calls)
			})
		}
	}
}

func TestSearchGetTakesTwoRoundTripsWhateverTheNumberOfIndexes(t *testing.T) {
	t.Parallel()
	indexes := map[string]any{}
	for i := range maxIndexes + 3 {
		name := fmt.Sprintf("i%03d", i)
		indexes[name] = valkey(name, "ready", 0, "1.000000")
	}
	d := doer(false, indexes)
	target := metrictest.NewTarget(d)
	for range 2 {
		d.Calls, d.Sent = 0, nil
		doc := document(t, target)
		require.Equal(t, 2, d.Calls)
		require.Len(t, d.Sent, 2+maxIndexes)
		require.InDelta(t, maxIndexes+3, doc["count"], 0)
		require.Equal(t, map[string]any{"indexes": 3.0}, doc["truncated"])
		list := metrictest.Rows(t, doc["indexes"])
		require.Len(t, list, maxIndexes)
		require.Equal(t, []any{"i000", "i499"}, []any{list[0]["name"], list[maxIndexes-1]["name"]})
	}
	doc := document(t, target, "i?0[1-3]")
	require.Equal(t, 17.0, doc["count"])
	require.Equal(t, "i?0[1-3]", doc["pattern"])
	require.Equal(t, "i001", metrictest.Rows(t, doc["indexes"])[0]["name"])
	d.Calls = 0
	doc = document(t, target, "nothing*")
	require.Equal(t, 1, d.Calls)
	require.Equal(t, 0.0, doc["count"])
	require.Equal(t, []any{}, doc["indexes"])
}

// TestSearchGetKeepsWhatRepliesTakeBounded has indexes with so many fields that
// all replies at once would take more than maxMemory.
func TestSearchGetKeepsWhatRepliesTakeBounded(t *testing.T) {
	t.Parallel()
	reply := rediSearch24("i").(wirePairs)
	attributes := make([]any, 20_000)
	for i := range attributes {
		attributes[i] = []any{"identifier", "f", "attribute", "f", "type", "TEXT"}
	}
	reply[7] = attributes
	indexes := map[string]any{}
	for i := range 10 {
		indexes[fmt.Sprint("i", i)] = reply
	}
	d := doer(false, indexes)
	target := metrictest.NewTarget(d)
	document(t, target)
	v, err := resp.NewReader(strings.NewReader(d.Replies["FT.INFO i1"]), resp.Limits{}).ReadReply()
	require.NoError(t, err)
	perTrip := maxMemory / ask.Size(v)
	require.Greater(t, perTrip, 1)
	d.Calls = 0
	doc := document(t, target)
	require.Equal(t, 1+(10+perTrip-1)/perTrip, d.Calls)
	require.Len(t, doc["indexes"], 10)
	require.Equal(t, 20_000.0, metrictest.Rows(t, doc["indexes"])[9]["fields"])
}

func TestSearchGetLosesWhatIsRefusedAndNothingElse(t *testing.T) {
	t.Parallel()
	two := map[string]any{"a": redis8("a", "N/A"), "b": valkey("b", "ready", 0, "1.0"), "c": redis8("c", "N/A")}
	without := func(change map[string]string) *metrictest.ScriptDoer {
		d := doer(true, two)
		maps.Copy(d.Replies, change)
		return d
	}
	t.Run("an index that may not be asked for", func(t *testing.T) {
		t.Parallel()
		d := without(map[string]string{"FT.INFO c": "-NOPERM User does not have the required permissions to query the index\r\n"})
		target := metrictest.NewTarget(d)
		doc := document(t, target)
		list := metrictest.Rows(t, doc["indexes"])
		require.Len(t, list, 3)
		require.Equal(t, 7.0, list[0]["num_docs"])
		require.Empty(t, list[0]["last_error"])
		require.Equal(t, map[string]any{"name": "c"}, list[2])
		unavailable := metrictest.Section(t, doc, "unavailable")
		require.Equal(t, "NOPERM User does not have the required permissions to query the index", unavailable["figures"])
		require.Equal(t, "FT.INFO does not tell it of 1 of 2 indexes", unavailable["memory"])
		require.NotContains(t, unavailable, "mutation_queue", "it is valkey-search's alone")
		d.Sent = nil
		document(t, target)
		require.Equal(t, []string{"INFO", "FT._LIST", "FT.INFO", "FT.INFO"}, firstWords(d), "a refusal is not asked for again")
	})
	for _, words := range []string{
		"-Unknown Index name\r\n", "-Unknown index name\r\n", "-ERR no such index\r\n",
		"-SEARCH_INDEX_NOT_FOUND Index not found: c\r\n", "-Index with name 'c' not found in database 0\r\n",
	} {
		t.Run("an index that is gone: "+words, func(t *testing.T) {
			t.Parallel()
			d := without(map[string]string{"FT.INFO c": words})
			target := metrictest.NewTarget(d)
			doc := document(t, target)
			require.Equal(t, 2.0, doc["count"])
			require.Len(t, doc["indexes"], 2)
			require.NotContains(t, doc["unavailable"], "figures")
			d.Replies["FT.INFO c"] = wireOf(true, two["c"])
			require.Len(t, document(t, target)["indexes"], 3, "it was made again")
		})
	}
	for name, tt := range map[string]struct{ command, reply, part, says string }{
		"no right to the list":    {"FT._LIST", "-NOPERM this user has no permissions to run the 'FT._LIST' command\r\n", "indexes", "NOPERM"},
		"a list that is none":     {"FT._LIST", ":1\r\n", "indexes", "FT._LIST: expected an array, got a reply of kind integer"},
		"no right to INFO":        {"INFO cluster", "-NOPERM no\r\n", "view", "NOPERM no"},
		"half a pair":             {"FT.INFO c", "*1\r\n+index_name\r\n", "figures", "FT.INFO: expected pairs, got 1 members"},
		"an index without a name": {"FT.INFO c", "*2\r\n+num_docs\r\n:1\r\n", "figures", "FT.INFO: the reply names no index"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := without(map[string]string{tt.command: tt.reply})
			doc := document(t, metrictest.NewTarget(d))
			require.Equal(t, 1.0, doc["up"])
			require.Contains(t, metrictest.Section(t, doc, "unavailable")[tt.part], tt.says)
			if tt.part == "indexes" {
				require.Equal(t, []string{"INFO", "FT._LIST"}, firstWords(d))
				require.NotContains(t, doc, "indexes")
				require.NotContains(t, doc, "count")
				require.Equal(t, "server", doc["view"])
				return
			}
			require.Len(t, doc["indexes"], 3)
		})
	}
	for command, reply := range map[string]string{"FT._LIST": "-LOADING wait\r\n", "FT.INFO c": "-BUSY script\r\n"} {
		t.Run("a server that serves nobody: "+reply, func(t *testing.T) {
			t.Parallel()
			doc := document(t, metrictest.NewTarget(without(map[string]string{command: reply})))
			require.Equal(t, 0.0, doc["up"])
			require.Equal(t, strings.ToLower(strings.Fields(reply[1:])[0]), doc["reason"])
		})
	}
	metrictest.RequireDown(t, Get)
}

func firstWords(d *metrictest.ScriptDoer) (out []string) {
	for _, cmd := range d.Sent {
		out = append(out, cmd[0])
	}
	return out
}

func TestSearchNumbersThatAreNone(t *testing.T) {
	t.Parallel()
	for wire, want := range map[string]any{
		metrictest.Bulk("nan"): nil, metrictest.Bulk("-nan"): nil, metrictest.Bulk("inf"): nil, ",-inf\r\n": nil, ",nan\r\n": nil, "_\r\n": nil, "*0\r\n": nil,
		metrictest.Bulk("18446744073709551615"): nil, // a count below zero
		":-1\r\n":                               nil,
		metrictest.Bulk("1e+03"):                1000.0, "(12\r\n": 12.0, "#t\r\n": 1.0, metrictest.Bulk("7 sec"): 7.0,
	} {
		d := doer(true, map[string]any{"i": dragonfly("i")})
		d.Replies["FT.INFO i"] = "%2\r\n+index_name\r\n+i\r\n+num_docs\r\n" + wire
		doc := document(t, metrictest.NewTarget(d))
		require.Equal(t, want, metrictest.Rows(t, doc["indexes"])[0]["num_docs"], "%q", wire)
		require.Equal(t, want == nil, metrictest.Section(t, doc, "unavailable")["num_docs"] != nil, "%q", wire)
	}
}

func TestSearchGetBoundsPrefixes(t *testing.T) {
	t.Parallel()
	prefixes := make([]any, maxPrefixes+5)
	for i := range prefixes {
		prefixes[i] = wireBulk(strings.Repeat("p", 2*maxText))
	}
	reply := rediSearch24("i").(wirePairs)
	reply[5] = wirePairs{"prefixes", prefixes}
	doc := document(t, metrictest.NewTarget(doer(false, map[string]any{"i": reply, "j": reply})))
	got := metrictest.Rows(t, doc["indexes"])[0]["prefixes"].([]any)
	require.Len(t, got, maxPrefixes)
	require.Equal(t, strings.Repeat("p", maxText-1)+"…", got[0])
	require.Equal(t, map[string]any{"prefixes": 10.0}, doc["truncated"])
}

// TestIndexingErrorsAreShownWithoutWhatCouldNotBeIndexed has the errors of
// RediSearch's own tests (test_info_failures.py, test_geometry.py).
func TestIndexingErrorsAreShownWithoutWhatCouldNotBeIndexed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"N/A":                             "",
		"Invalid numeric value: 'secret'": "Invalid numeric value…",
		"SEARCH_VALUE_BAD: Invalid numeric value: 'secret'":                "SEARCH_VALUE_BAD: Invalid numeric value…",
		"Invalid geo coordinates: 1000.000000, 12.3":                       "Invalid geo coordinates…",
		"Invalid geo string":                                               "Invalid geo string",
		"Could not add vector with blob size 4 (expected size 8)":          "Could not add vector with blob size 4 …",
		"Invalid vector length. Expected 2, got 3":                         "Invalid vector length. Expected 2, got 3",
		"Error indexing geoshape: Should start with 'secret'":              "Error indexing geoshape…",
		"unclosed `secret":                                                 "unclosed …",
		"bell \x07 and line\n":                                             "bell   and line ",
		"SEARCH_ secret: more":                                             "SEARCH_ secret…",
		"Failed to load " + strings.Repeat("é", 300) + " and all the rest": "Failed to load " + strings.Repeat("é", 239) + "…",
	} {
		doc := document(t, metrictest.NewTarget(doer(true, map[string]any{"i": wirePairs{
			"index_name", "i", "Index Errors", wirePairs{"last indexing error", wireBulk(text), "last indexing error key", wireBulk("secret")},
		}})))
		require.Equal(t, want, metrictest.Rows(t, doc["indexes"])[0]["last_error"], text)
	}
}

// FuzzSearchInfo gives any RESP to the reader of FT.INFO: an error, or figures
// that make a document.
func FuzzSearchInfo(f *testing.F) {
	for _, reply := range []any{
		rediSearch24("i"), redis8("i", "Invalid numeric value: 'x'"), valkey("i", "ready", 0, "1.0"), memoryDB("i"), dragonfly("i"),
	} {
		f.Add(wireOf(false, reply))
		f.Add(wireOf(true, reply))
	}
	f.Add("%1\r\n+index_name\r\n_\r\n")
	f.Fuzz(func(t *testing.T, wire string) {
		v, err := resp.NewReader(strings.NewReader(wire), resp.Limits{MaxElements: 1000}).ReadReply()
		if err != nil {
			return
		}
		index, err := parseIndex(v)
		if err != nil {
			return
		}
		require.Len(t, index.figures, len(figures))
		d := doer(false, nil)
		d.Replies["FT._LIST"], d.Replies["FT.INFO i"] = metrictest.WireArray("i"), wire
		text, err := metrictest.CollectFrom(t, Get, metrictest.NewTarget(d))
		require.NoError(t, err)
		metrictest.RequireUniqueJSON(t, text)
	})
}
