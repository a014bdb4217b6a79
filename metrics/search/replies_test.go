package search

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"redisjobs/internal/metrictest"
)

// The replies to FT.INFO below have the members, the order and the types of
// those that the named sources show; the values are ours. Servers that have
// FT._LIST cannot be had here; RediSearch 1.2 is asked itself.

// wireBulk is a text that goes over the wire as a bulk string; a plain string
// goes as a simple one.
type wireBulk string

// wirePairs are keys and values: a map of RESP3, a flat array of RESP2.
type wirePairs []any

// wireOf writes a reply as a module's server does. A double is a bulk string
// with RESP2.
func wireOf(resp3 bool, v any) string {
	all := func(kind string, n int, members []any) string {
		var b strings.Builder
		fmt.Fprintf(&b, "%s%d\r\n", kind, n)
		for _, m := range members {
			b.WriteString(wireOf(resp3, m))
		}
		return b.String()
	}
	switch v := v.(type) {
	case wireBulk:
		return metrictest.Bulk(string(v))
	case string:
		return "+" + v + "\r\n"
	case int:
		return ":" + strconv.Itoa(v) + "\r\n"
	case float64:
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if math.IsNaN(v) {
			text = "nan"
		}
		if resp3 {
			return "," + text + "\r\n"
		}
		return metrictest.Bulk(text)
	case []any:
		return all("*", len(v), v)
	case wirePairs:
		if resp3 {
			return all("%", len(v)/2, v)
		}
		return all("*", len(v), v)
	}
	panic(fmt.Sprintf("no wire form of %T", v))
}

// rediSearch24 is an index of RediSearch 2.4, whose counts are doubles and which
// has neither errors nor totals.
// Source: RediSearch src/info_command.c before 2.6; the reply in the test of
// grafana-redis-datasource for "-nan".
func rediSearch24(name string) any {
	return wirePairs{
		"index_name", name,
		"index_options", []any{},
		"index_definition", wirePairs{"key_type", "HASH", "prefixes", []any{"wiki:"}, "default_score", 1.0},
		"attributes", []any{
			[]any{"identifier", "title", "attribute", "title", "type", "TEXT", "WEIGHT", 1.0, "SORTABLE"},
			[]any{"identifier", "year", "attribute", "year", "type", "NUMERIC"},
		},
		"num_docs", 1200.0, "max_doc_id", 1300.0, "num_terms", 800.0, "num_records", 24000.0,
		"inverted_sz_mb", 2.5, "vector_index_sz_mb", 0.0, "total_inverted_index_blocks", 933.0,
		"offset_vectors_sz_mb", 0.5, "doc_table_size_mb", 0.25, "sortable_values_size_mb", 0.125, "key_table_size_mb", 0.0625,
		"records_per_doc_avg", 20.0, "bytes_per_record_avg", wireBulk("-nan"), "offsets_per_term_avg", wireBulk("inf"),
		"offset_bits_per_record_avg", 8.0,
		"hash_indexing_failures", 3.0, "indexing", 1.0, "percent_indexed", 0.5,
		"gc_stats", wirePairs{
			"bytes_collected", 4096.0, "total_ms_run", 14796.0, "total_cycles", 2.0, "average_cycle_time_ms", wireBulk("-nan"),
			"last_run_time_ms", 96.0, "gc_numeric_trees_missed", 0.0, "gc_blocks_denied", 7.0,
		},
		"cursor_stats", wirePairs{"global_idle", 1, "global_total", 4, "index_capacity", 128, "index_total", 2},
	}
}

// redis8 is an index of Redis 8: counts are integers, what a document failed
// with is told, and text behind a flag is an array of its own with RESP3.
// Source: RediSearch src/info/info_command.c, index_error.c, field_spec_info.c
// of 8.2; tests/pytests/test_info_failures.py for the errors.
func redis8(name, lastError string) any {
	failures := wirePairs{
		"indexing failures", 2, "last indexing error", lastError, "last indexing error key", wireBulk("user:4711"),
		"background indexing status", "OK",
	}
	return wirePairs{
		"index_name", name,
		"index_options", []any{"NOFREQS"},
		"index_definition", wirePairs{"key_type", "JSON", "prefixes", []any{"a:", "b:"}, "default_score", 1.0, "indexes_all", "false"},
		"attributes", []any{
			wirePairs{"identifier", "$.v", "attribute", "v", "type", "VECTOR", "algorithm", "HNSW", "dim", 4, "flags", []any{}},
			wirePairs{"identifier", "$.t", "attribute", "t", "type", "TEXT", "WEIGHT", 1.0, "flags", []any{"SORTABLE"}},
			wirePairs{"identifier", "$.n", "attribute", "n", "type", "NUMERIC", "flags", []any{}},
		},
		"num_docs", 7, "max_doc_id", 9, "num_terms", 0, "num_records", 21,
		"inverted_sz_mb", 0.0009765625, "vector_index_sz_mb", 1.5, "total_inverted_index_blocks", 3, "offset_vectors_sz_mb", 0.0,
		"doc_table_size_mb", 0.001953125, "sortable_values_size_mb", 0.0, "key_table_size_mb", 0.0,
		"tag_overhead_sz_mb", 0.0, "text_overhead_sz_mb", 0.0, "total_index_memory_sz_mb", 2.0, "geoshapes_sz_mb", 0.0,
		"records_per_doc_avg", 3.0, "bytes_per_record_avg", math.NaN(), "offsets_per_term_avg", math.NaN(),
		"offset_bits_per_record_avg", math.NaN(),
		"hash_indexing_failures", 2, "total_indexing_time", 1234.567, "indexing", 0, "percent_indexed", 1.0,
		"number_of_uses", 42, "cleaning", 0,
		"gc_stats", wirePairs{
			"bytes_collected", 100.0, "total_ms_run", 5.0, "total_cycles", 1.0, "average_cycle_time_ms", math.NaN(),
			"last_run_time_ms", 5.0, "gc_numeric_trees_missed", 0.0, "gc_blocks_denied", 0.0,
		},
		"cursor_stats", wirePairs{"global_idle", 0, "global_total", 0, "index_capacity", 128, "index_total", 0},
		"dialect_stats", wirePairs{"dialect_1", 0, "dialect_2", 1, "dialect_3", 0, "dialect_4", 0},
		"Index Errors", failures,
		"field statistics", []any{
			wirePairs{"identifier", "$.v", "attribute", "v", "Index Errors", wirePairs{
				"indexing failures", 2, "last indexing error", lastError, "last indexing error key", wireBulk("user:4711"),
			}},
		},
	}
}

// valkeySearch is an index of valkey-search.
// Source: https://valkey.io/commands/ft.info/, and the replies in valkey-search
// testing/ft_info_test.cc.
func valkey(name, state string, inProgress int, done string) any {
	return wirePairs{
		"index_name", name,
		"index_definition", wirePairs{"key_type", "HASH", "prefixes", []any{"v:"}, "default_score", wireBulk("1")},
		"attributes", []any{[]any{
			"identifier", "vec", "attribute", "vec", "type", "VECTOR",
			"index", []any{"capacity", 10240, "dimensions", 4, "distance_metric", "L2", "size", wireBulk("5"), "data_type", "FLOAT32"},
		}},
		"num_docs", 5, "num_records", 5, "hash_indexing_failures", wireBulk("1"),
		"backfill_in_progress", wireBulk(strconv.Itoa(inProgress)), "backfill_complete_percent", wireBulk(done),
		"mutation_queue_size", wireBulk("17"), "recent_mutations_queue_delay", wireBulk("3 sec"), "state", state,
	}
}

// memoryDB is an index of Amazon MemoryDB.
// Source: https://docs.aws.amazon.com/memorydb/latest/devguide/vector-search-commands-ft.info.html
func memoryDB(name string) any {
	return wirePairs{
		"index_name", name, "creation_timestamp", 1795230090, "key_type", "HASH", "key_prefixes", []any{"m:"},
		"fields", []any{wirePairs{"identifier", "v", "field_name", "v", "type", "VECTOR"}},
		"space_usage", 1000, "fullext_space_usage", 100, "vector_space_usage", 900,
		"num_docs", 3, "num_indexed_vectors", 3, "current_lag", 1500, "backfill_status", "Completed",
	}
}

// dragonfly is an index of Dragonfly, which tells little.
// Source: https://www.dragonflydb.io/docs/command-reference/search/ft.info
func dragonfly(name string) any {
	return wirePairs{
		"index_name", name,
		"index_definition", wirePairs{"key_type", "HASH", "prefix", "blog:"},
		"attributes", []any{[]any{"identifier", "title", "attribute", "title", "type", "TEXT"}},
		"num_docs", 1,
	}
}
