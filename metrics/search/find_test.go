package search

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
)

func addBooks(t *testing.T, s *redistest.Server, index string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		s.Do(t, "FT.ADD", index, fmt.Sprint(index, i), "1.0", "FIELDS", "title", fmt.Sprint("hello world ", i), "price", fmt.Sprint(i))
	}
}

// indexNames are the names of a document's rows.
func indexNames(t *testing.T, doc map[string]any) (names []string) {
	t.Helper()
	for _, row := range metrictest.Rows(t, doc["indexes"]) {
		names = append(names, row["name"].(string))
	}
	return names
}

// TestSearchGetOfARealRediSearch1 has the module's own words beside the document
// while an index is made, filled, shrunk and dropped, on every Redis that can be
// had. (The module was made for Redis: Valkey 8.1 falls over at its FT.CREATE.)
func TestSearchGetOfARealRediSearch1(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		if !f.Is("redis", 5, 0) {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := metrictest.RediSearch1(t, f.Bin)
			target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			doc := document(t, target)
			require.Equal(t, []any{}, doc["indexes"], "a module without an index")
			require.Empty(t, doc["unavailable"])

			s.Do(t, "FT.CREATE", "books", "SCHEMA", "title", "TEXT", "SORTABLE", "price", "NUMERIC")
			s.Do(t, "FT.CREATE", "a b:[c]", "SCHEMA", "title", "TEXT")
			s.Do(t, "SET", "idx:string", "no index")
			doc = document(t, target)
			require.Equal(t, []string{"a b:[c]", "books"}, indexNames(t, doc), "a key with such a name is no index")
			require.Equal(t, []any{"server", "scan", true, 2.0}, []any{doc["view"], doc["found_by"], doc["complete"], doc["count"]})

			told := slices.Sorted(maps.Keys(notTold("memory", "vector_index_memory", "indexing_failures", "indexing", "indexed_percent",
				"indexing_time", "uses", "gc_runs", "gc_time", "gc_last_run_time", "gc_blocks_denied", "key_type", "prefixes", "last_error")))
			require.Equal(t, told, slices.Sorted(maps.Keys(metrictest.Section(t, doc, "unavailable"))))
			from := 0
			for _, to := range []int{1, 40, 120} {
				addBooks(t, s, "books", from, to)
				require.InDelta(t, to, booksRow(t, s, target)["num_docs"], 0)
				from = to
			}
			require.Equal(t, "1", strings.TrimSpace(s.Do(t, "FT.DEL", "books", "books7")))
			require.Equal(t, 119.0, booksRow(t, s, target)["num_docs"])

			require.Equal(t, []string{"books"}, indexNames(t, document(t, target, "b*")))
			require.Equal(t, []string{"a b:[c]"}, indexNames(t, document(t, target, `*\[c]`)))
			s.Do(t, "FT.DROP", "books")
			require.Equal(t, []string{"a b:[c]"}, indexNames(t, document(t, target)))
		})
	}
}

// moduleFigures are members of a row by what FT.INFO calls them.
var moduleFigures = map[string]string{
	"num_docs": "num_docs", "num_records": "num_records", "num_terms": "num_terms", "cursors_limit": "index_capacity",
	"cursors": "index_total", "inverted_index_memory": "inverted_sz_mb", "doc_table_memory": "doc_table_size_mb",
	"sortables_memory": "sortable_values_size_mb",
}

// booksRow asks for the row of books and holds it to FT.INFO as redis-cli shows
// it.
func booksRow(t *testing.T, s *redistest.Server, target *item.Target) map[string]any {
	t.Helper()
	said := func() map[string]any {
		words := strings.Split(s.Do(t, "FT.INFO", "books"), "\n")
		out := map[string]any{}
		for member, name := range moduleFigures {
			i := slices.Index(words, name)
			require.GreaterOrEqual(t, i, 0, "%s in %q", name, words)
			n, err := strconv.ParseFloat(words[i+1], 64)
			require.NoError(t, err)
			if strings.HasSuffix(name, "_mb") {
				n = math.Round(n * 1048576)
				require.Positive(t, n, name)
			}
			out[member] = n
		}
		return out
	}
	for range 100 {
		before := said()
		row := metrictest.Rows(t, document(t, target, "books")["indexes"])[0]
		if !maps.Equal(before, said()) {
			continue // the module's garbage collector came in between
		}
		for member, n := range before {
			require.Equal(t, n, row[member], member)
		}
		require.Equal(t, 2.0, row["fields"])
		return row
	}
	t.Fatal("FT.INFO never says the same twice")
	return nil
}

// TestSearchGetAsksTheServerNothingInVain counts the round trips and the errors
// of the polls after the first one.
func TestSearchGetAsksTheServerNothingInVain(t *testing.T) {
	t.Parallel()
	replies := func(s *redistest.Server) string { return s.InfoField(t, "stats", "total_error_replies") }
	for name, tt := range map[string]struct {
		start func() *redistest.Server
		trips int
	}{
		"RediSearch 1": {func() *redistest.Server { return metrictest.RediSearch1(t, "") }, 3},
		"no module":    {func() *redistest.Server { return redistest.Borrow(t) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tt.start()
			if name != "no module" {
				s.Do(t, "FT.CREATE", "books", "SCHEMA", "title", "TEXT")
				s.Do(t, "FT.CREATE", "films", "SCHEMA", "title", "TEXT")
				s.Do(t, "SET", "idx:string", "no index")
			}
			target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			first := document(t, target)
			before := replies(s)
			wire.Calls = 0
			require.Equal(t, first, document(t, target))
			require.Equal(t, tt.trips, wire.Calls)
			require.Equal(t, before, replies(s))
			if name != "no module" {
				return
			}
			require.Equal(t, 1.0, first["up"])
			require.Equal(t, "server", first["view"])
			require.NotContains(t, first, "indexes")
			require.NotContains(t, first, "count")
			require.Regexp(t, `^there are no search commands here: neither .* \(ERR unknown command 'FT._LIST'`, metrictest.Section(t, first, "unavailable")["indexes"])
		})
	}
}

func TestSearchGetOfAClusterSaysWhoseFiguresTheseAre(t *testing.T) {
	t.Parallel()
	s := metrictest.RediSearch1(t, "", "--cluster-enabled", "yes")
	s.Do(t, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	require.Eventually(t, func() bool { return strings.HasPrefix(s.Do(t, "CLUSTER", "INFO"), "cluster_state:ok") }, 20*time.Second, 10*time.Millisecond)
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	require.Equal(t, "entry_node", document(t, target)["view"])
}

// TestSearchGetEndsWithTheBudget has more keys than a search for indexes looks
// at.
func TestSearchGetEndsWithTheBudget(t *testing.T) {
	t.Parallel()
	s := metrictest.RediSearch1(t, "", "--enable-debug-command", "yes")
	s.Do(t, "DEBUG", "POPULATE", strconv.Itoa(scanBudget*5/4), "key", "8")
	s.Do(t, "FT.CREATE", "books", "SCHEMA", "title", "TEXT")
	target, wire := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
	doc := document(t, target)
	require.Equal(t, false, doc["complete"])
	require.LessOrEqual(t, wire.Calls, 3+scanBudget/ask.ScanCount)
	require.Len(t, doc["indexes"], int(doc["count"].(float64)))
}

// TestGlobMatchesAsTheServerDoes asks a real server about every pattern.
func TestGlobMatchesAsTheServerDoes(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	texts := []string{
		"a", "b", "ab", "abc", "a*c", "a?c", "a[b]c", `a\c`, "-", "]", "^", "a-c", "axbxc", "aaab", "AB", "é", "[", "b]", "a]",
	}
	for _, text := range texts {
		s.Do(t, "SET", text, "1")
	}
	for _, pattern := range []string{
		"*", "**", "?", "??", "a*", "*c", "a*c", "*b*", "a?c", "[ab]", "[^ab]", "[a-b]*", "[b-a]", `a\*c`, `a\?c`, `a\[b\]c`, `a\\c`, `\a`, `a\`,
		"[", "[a", "a[", "[^", "[]", "[]]", "[^]]", "[a-]", "[-a]", `[\]]`, `[\a-c]`, `[a-\c]`, "a[b]c", "*a*a*b", "a*b*c*d", "é", "?\xa9", "[a]b", "", "[a-",
		`[\`, "[^a", "a]", "[a-c]b[a-c]", "*[", "*?",
	} {
		want := slices.Sorted(strings.SplitSeq(s.Do(t, "KEYS", pattern), "\n"))
		got := slices.DeleteFunc(slices.Sorted(slices.Values(texts)), func(text string) bool { return !ask.GlobMatch(pattern, text) })
		if len(got) == 0 {
			got = []string{""} // an empty array is an empty line
		}
		require.Equal(t, want, got, "pattern %q", pattern)
	}
}
