package server

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/ask"
)

func TestGetBoundsItsListsAndSaysSo(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("# Keyspace\n")
	for i := range ask.MaxRows + 5 {
		fmt.Fprintf(&text, "db%d:keys=1\n", i)
	}
	text.WriteString("# Commandstats\n")
	for i := range ask.MaxRows + 1 {
		fmt.Fprintf(&text, "cmdstat_c%d:calls=1\n", i)
	}
	text.WriteString("# Errorstats\n")
	for i := range ask.MaxRows {
		fmt.Fprintf(&text, "errorstat_E%d:count=1\n", i)
	}
	doc := metrictest.Decode(t, getDocument([]byte(text.String())))
	keyspace := metrictest.Rows(t, doc["keyspace"])
	require.Len(t, keyspace, ask.MaxRows)
	require.Equal(t, "db999", keyspace[ask.MaxRows-1]["db"])
	require.Len(t, doc["commandstats"], ask.MaxRows)
	require.Len(t, doc["errorstats"], ask.MaxRows)
	require.Equal(t, map[string]any{"keyspace": 5.0, "commandstats": 1.0}, doc["truncated"])
}

// TestGetOfServersWithVeryMuchToTell bounds the answer and its memory: the
// default of MaxAnswer is a mebibyte. It is not parallel: it counts the bytes
// that the process allocates.
func TestGetOfServersWithVeryMuchToTell(t *testing.T) {
	var text strings.Builder
	text.WriteString("# Server\r\nredis_version:7.4.0\r\n# Keyspace\r\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "db%d:keys=1000000,expires=1000000,avg_ttl=1000000000,subexpiry=1000000\r\n", i)
	}
	for section, line := range map[string]string{
		"Commandstats": "cmdstat_a_rather_long_name_%d:calls=1000000000,usec=1000000000000,usec_per_call=1000.00,rejected_calls=1000000,failed_calls=1000000\r\n",
		"Latencystats": "latency_percentiles_usec_a_rather_long_name_%d:p50=1000000.127,p99=1000000.127,p99.9=1000000.127\r\n",
		"Errorstats":   "errorstat_A_RATHER_LONG_NAME_%d:count=1000000\r\n",
	} {
		text.WriteString("# " + section + "\r\n")
		for i := range 5_000 {
			fmt.Fprintf(&text, line, i)
		}
	}
	text.WriteString("# Replication\r\nmaster_repl_offset:100000000\r\n")
	for i := range 5_000 {
		fmt.Fprintf(&text, "slave%d:ip=2001:db8:0000:0000:0000:0000:0000:0001,port=%d,state=online,offset=1000000,lag=1\r\n", i, 10000+i)
	}
	target, info := metrictest.NewTarget(nil), []byte(text.String())
	answer := getDocumentOf(target, info)
	require.Less(t, len(answer), 1<<20)
	doc := metrictest.Decode(t, answer)
	require.Equal(t, map[string]any{
		"keyspace": 9000.0, "commandstats": 4000.0, "latencystats": 4000.0, "errorstats": 4000.0, "replicas": 4000.0,
	}, doc["truncated"])
	derived := metrictest.Section(t, doc, "derived")
	require.InDelta(t, 1e10, derived["keys"], 0, "of all databases, those left out as well")
	require.InDelta(t, 99_000_000, derived["replica_lag_bytes_max"], 0)

	if redistest.RaceEnabled {
		return // what is allocated cannot be pinned there
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	getDocumentOf(target, info)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4*len(info)))
}
