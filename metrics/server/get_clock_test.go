package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
)

// TestTheAgeOfASaveIsByTheServersClock: an INFO without server_time_usec (Redis
// before 6.2) dates the save by a clock that TIME tells; the agent's may be another
// time.
func TestTheAgeOfASaveIsByTheServersClock(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ahead time.Duration // the server's clock
		time  string        // the reply to TIME, if not that clock
		want  any
	}{
		"clocks agree":        {0, "", 60.0},
		"the server is late":  {-time.Hour, "", 60.0},
		"the server is early": {time.Hour, "", 60.0},
		"TIME is refused":     {time.Hour, "-NOPERM no\r\n", nil},
		"TIME is nonsense":    {0, "+now\r\n", nil},
	} {
		clock := time.Now().Add(tt.ahead).Unix()
		if tt.time == "" {
			tt.time = fmt.Sprintf("*2\r\n%s%s", metrictest.Bulk(fmt.Sprint(clock)), metrictest.Bulk("5"))
		}
		d := &metrictest.ScriptDoer{Replies: map[string]string{
			"PING": "+PONG\r\n", "SLOWLOG LEN": ":0\r\n", "SLOWLOG GET 1": "*0\r\n", "CONFIG GET max*": "*0\r\n", "LATENCY LATEST": "*0\r\n",
			"INFO everything": metrictest.Bulk(fmt.Sprintf("# Server\r\nredis_version:5.0.6\r\n# Persistence\r\nrdb_last_save_time:%d\r\n# Keyspace\r\n", clock-60)),
			"TIME":            tt.time,
		}}
		target := metrictest.NewTarget(d)
		for range 2 {
			answer, err := metrictest.CollectFrom(t, Get, target)
			require.NoError(t, err)
			doc := metrictest.Decode(t, answer)
			require.Equal(t, tt.want, metrictest.Section(t, doc, "derived")["rdb_save_age"], name)
			require.Equal(t, tt.want == nil, doc["unavailable"].(map[string]any)["time"] != nil, name)
		}
		require.Contains(t, namesSent(d), "TIME")
	}
}
