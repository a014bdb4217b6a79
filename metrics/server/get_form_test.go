package server

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/ask"
)

// TestTheBestInfoIsTriedAgainHoweverOftenIsAsked: that a server did not know it is
// remembered from when it was found out, and not from the last poll.
func TestTheBestInfoIsTriedAgainHoweverOftenIsAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &metrictest.ScriptDoer{Replies: map[string]string{
			"PING": "+PONG\r\n", "INFO everything": "-ERR syntax error\r\n", "INFO all": metrictest.Bulk("# Server\r\nredis_version:6.0.16\r\n# Keyspace\r\n"),
		}}
		target := metrictest.NewTarget(d)
		for _, want := range []int{2, 1, 2, 1} {
			d.Calls = 0
			metrictest.Must(metrictest.CollectFrom(t, Get, target))
			require.Equal(t, want, d.Calls)
			time.Sleep(ask.RefusalMemory / 2)
		}
	})
}
