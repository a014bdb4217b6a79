package search

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// TestSearchGetOfARealRediSearch2 has RediSearch 2.10 with RedisJSON beside it
// index hashes and documents, some of which it cannot, and the module's own words
// beside ours. It loads into Redis 8.0 and newer.
func TestSearchGetOfARealRediSearch2(t *testing.T) {
	t.Parallel()
	modules := redistest.Modules(t, "redisearch-2.10", "rejson-2.8", "redisbloom-2.8")
	for _, name := range []string{"redis-8.0", "redis-8.2"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, name).Bin, Args: modules})
			target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr})
			require.Equal(t, []any{}, document(t, target)["indexes"])

			s.Do(t, "FT.CREATE", "hashes", "PREFIX", "1", "book:", "SCHEMA", "title", "TEXT", "price", "NUMERIC", "SORTABLE")
			s.Do(t, "FT.CREATE", "documents", "ON", "JSON", "PREFIX", "2", "doc:", "more:", "SCHEMA", "$.title", "AS", "title", "TEXT",
				"$.price", "AS", "price", "NUMERIC", "$.v", "AS", "v", "VECTOR", "FLAT", "6", "TYPE", "FLOAT32", "DIM", "2", "DISTANCE_METRIC", "L2")
			for i := range 40 {
				s.Do(t, "HSET", fmt.Sprint("book:", i), "title", fmt.Sprint("hello ", i), "price", strconv.Itoa(i))
				s.Do(t, "JSON.SET", fmt.Sprint("doc:", i), "$", fmt.Sprintf(`{"title":"hello %d","price":%d,"v":[1,2]}`, i, i))
			}
			s.Do(t, "JSON.SET", "doc:bad", "$", `{"title":"x","price":"no number"}`)
			s.Do(t, "FT.SEARCH", "hashes", "hello")

			var doc map[string]any
			require.Eventually(t, func() bool { // the module indexes in the background
				doc = document(t, target)
				rows := metrictest.Rows(t, doc["indexes"])
				return len(rows) == 2 && rows[0]["num_docs"] == 40.0 && rows[1]["num_docs"] == 40.0
			}, 20*time.Second, 20*time.Millisecond)
			require.Equal(t, []any{"server", "list", true, 2.0}, []any{doc["view"], doc["found_by"], doc["complete"], doc["count"]})
			require.Empty(t, doc["unavailable"], "it tells everything")
			rows := metrictest.Rows(t, doc["indexes"])
			require.Equal(t, []any{"documents", "JSON", []any{"doc:", "more:"}, 3.0, 1.0},
				[]any{rows[0]["name"], rows[0]["key_type"], rows[0]["prefixes"], rows[0]["fields"], rows[0]["indexing_failures"]})
			require.Equal(t, []any{"hashes", "HASH", []any{"book:"}, 2.0, 0.0},
				[]any{rows[1]["name"], rows[1]["key_type"], rows[1]["prefixes"], rows[1]["fields"], rows[1]["indexing_failures"]})
			require.NotContains(t, rows[0]["last_error"], "no number", "what is indexed is nobody's business")
			require.NotEmpty(t, rows[0]["last_error"])
			require.Positive(t, rows[0]["vector_index_memory"])
			require.Zero(t, rows[1]["vector_index_memory"])
			for _, row := range rows {
				own := ownWords(s.Do(t, "FT.INFO", row["name"].(string)))
				for ours, field := range map[string]string{"num_docs": "num_docs", "num_records": "num_records", "num_terms": "num_terms"} {
					want, err := strconv.ParseFloat(own[field], 64)
					require.NoError(t, err, field)
					require.InDelta(t, want, row[ours], 0, field)
				}
				want, err := strconv.ParseFloat(own["doc_table_size_mb"], 64)
				require.NoError(t, err)
				require.InDelta(t, want*1048576, row["doc_table_memory"], 1)
			}

			s.Do(t, "FT.DROPINDEX", "hashes")
			require.Equal(t, []string{"documents"}, indexNames(t, document(t, target)))
		})
	}
}

// ownWords are the names of a reply to FT.INFO, each with what follows it.
func ownWords(reply string) map[string]string {
	out := map[string]string{}
	lines := strings.Split(reply, "\n")
	for i := 0; i+1 < len(lines); i++ {
		if _, seen := out[lines[i]]; !seen {
			out[lines[i]] = lines[i+1]
		}
	}
	return out
}
