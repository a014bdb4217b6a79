package search

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
)

// TestANumberThatAFigureCannotBeIsCalledSo, and not called one that is not told.
// Source: RediSearch#1813, FT.INFO
func TestANumberThatAFigureCannotBeIsCalledSo(t *testing.T) {
	t.Parallel()
	index := func(name, records, size string) wirePairs {
		return wirePairs{"index_name", name, "num_docs", wireBulk("3"), "num_records", wireBulk(records), "inverted_sz_mb", wireBulk(size)}
	}
	doc := document(t, metrictest.NewTarget(doer(false, map[string]any{
		"a": index("a", "-10000", "4.6117379838322672e+18"), "b": index("b", "18446744073709551615", "1"), "c": index("c", "5", "1"),
	})))
	rows := metrictest.Rows(t, doc["indexes"])
	for i, known := range [][2]bool{{false, false}, {false, true}, {true, true}} {
		require.InDelta(t, 3, rows[i]["num_docs"], 0)
		require.Equal(t, known, [2]bool{rows[i]["num_records"] != nil, rows[i]["inverted_index_memory"] != nil}, "%v", rows[i])
	}
	unavailable := metrictest.Section(t, doc, "unavailable")
	require.Equal(t, "FT.INFO tells an impossible number of 2 of 3 indexes: below zero, or too large", unavailable["num_records"])
	require.Equal(t, "FT.INFO tells an impossible number of 1 of 3 indexes: below zero, or too large", unavailable["inverted_index_memory"])
	require.Equal(t, "FT.INFO of this server does not tell it", unavailable["indexing_failures"])

	doc = document(t, metrictest.NewTarget(doer(false, map[string]any{"a": index("a", "nan", "nan"), "b": index("b", "5", "1")})))
	require.Equal(t, "FT.INFO does not tell it of 1 of 2 indexes", metrictest.Section(t, doc, "unavailable")["num_records"])
}
