package clients

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFlagsMeanWhatTheServerMeansByThem: kinds that a server does not tell are
// unknown, and so is who is idle.
// Source of the lines: dragonfly src/facade/dragonfly_connection.cc, ContextInfo::Format;
// kvrocks src/server/redis_connection.cc, Connection::ToString; Garnet
// libs/server/Resp/ClientCommands.cs; pika src/pika_client_conn.cc and pika_admin.cc
func TestFlagsMeanWhatTheServerMeansByThem(t *testing.T) {
	t.Parallel()
	const dragonfly = "id=2 addr=10.0.0.2:48884 laddr=10.0.0.1:6379 fd=40 name=x tid=0 irqmatch=0 age=900 idle=899 db=0 "
	const kvrocks = "id=2 addr=10.0.0.2:53 fd=71 name=r age=400 idle=400 namespace=ns1 qbuf=0 obuf=0 cmd=get "
	const garnet = "id=2 addr=10.0.0.3:5000 laddr=10.0.0.9:6379 age=900 user=default resp=2 "
	for _, tt := range []struct {
		name, server string
		lines        []string
		want         map[string]any
		unavailable  map[string]any
	}{
		{"Redis", "redis_version:7.2.4", []string{"id=1 addr=a:1 idle=400 flags=S", "id=2 addr=a:1 idle=400 flags=M", "id=3 addr=a:1 idle=400 flags=O", "id=4 addr=a:1 idle=400 flags=N"},
			map[string]any{"total": 4.0, "blocked": 0.0, "pubsub": 0.0, "replicas": 1.0, "monitors": 1.0, "idle": map[string]any{"over": 300.0, "count": 1.0, "max": 400.0}}, map[string]any{}},
		{"Dragonfly", "redis_version:7.4.0\r\ndragonfly_version:df-v1.35.0", []string{dragonfly, dragonfly + "flags=P phase=readsock", dragonfly + "flags=b phase=process"},
			map[string]any{"total": 3.0, "blocked": 1.0, "pubsub": 1.0}, map[string]any{"idle": "flags do not tell replicas, monitors from idle clients"}},
		{"Kvrocks", "redis_version:4.0.0\r\nkvrocks_version:2.9.0", []string{kvrocks + "flags=N", kvrocks + "flags=S", kvrocks + "flags=M"},
			map[string]any{"total": 3.0, "pubsub": 0.0, "replicas": 1.0, "monitors": 1.0}, map[string]any{"idle": "flags do not tell blocked clients from idle clients"}},
		{"Garnet", "redis_version:7.4.3\r\ngarnet_version:1.0.80", []string{garnet, garnet + "flags=S", garnet + "flags=P"},
			map[string]any{"total": 3.0, "pubsub": 1.0, "replicas": 1.0}, map[string]any{}},
		{"Pika", "pika_version:3.5.2", []string{"addr=10.0.0.1:5000 fd=31 idle=900", "addr=10.0.0.2:5001 fd=32 idle=1"},
			map[string]any{"total": 2.0}, map[string]any{"idle": "flags do not tell blocked clients, subscribers, replicas, monitors from idle clients"}},
		{"another server", "other_version:1", []string{"id=1 addr=a:1 flags=S"}, map[string]any{"total": 1.0}, map[string]any{}},
		{"lines of no client", "redis_version:7.2.4", []string{"fd=31 idle=900", "fd=32 idle=1"}, map[string]any{},
			map[string]any{"clients": "2 lines of CLIENT LIST have neither id nor addr"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := documentOf(t, "# Server\r\n"+tt.server+"\r\n", strings.Join(tt.lines, "\n")+"\n")
			got := map[string]any{}
			for _, member := range []string{"total", "blocked", "pubsub", "replicas", "monitors", "idle"} {
				if v, ok := doc[member]; ok {
					got[member] = v
				}
			}
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.unavailable, doc["unavailable"])
			require.Equal(t, got["idle"] != nil, len(doc["longest_idle"].([]any)) > 0)
		})
	}
}
