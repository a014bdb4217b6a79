package jobs

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// TestAServerThatRefusesTheTime costs no figure: ages are by our own clock, which is
// said, and it is not asked again and again.
func TestAServerThatRefusesTheTime(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{})
	s.Do(t, "RPUSH", "queue:mail", fmt.Sprintf(`{"class":"A","enqueued_at":%d}`, time.Now().Unix()-100))
	s.Do(t, "SADD", "queues", "mail")
	s.Do(t, "ACL", "SETUSER", "timeless", "on", ">any", "~*", "+@all", "-time")
	target, _ := metrictest.DialTarget(t, redisclient.Config{Address: s.Addr, User: "timeless", Password: "any"})
	for range 2 {
		doc := metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, get, target)))
		require.EqualValues(t, 1, doc["up"])
		q := metrictest.Rows(t, doc["queues"])[0]
		require.EqualValues(t, 1, q["waiting"])
		require.InDelta(t, 100, q["latency"], 30)
		require.Contains(t, metrictest.Section(t, doc, "unavailable")["time"], "TIME: NOPERM")
		doc = metrictest.Decode(t, metrictest.Must(metrictest.CollectFrom(t, failuresMetric, target)))
		require.Contains(t, metrictest.Section(t, doc, "unavailable")["time"], "by the clock of the machine of the agent")
	}
	require.Equal(t, "count=1", s.InfoField(t, "errorstats", "errorstat_NOPERM"))
}
