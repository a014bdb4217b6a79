package targets

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/metrics/jsondoc"

	"redisjobs/metrics"
)

// BenchmarkCheck is a whole check against a real server without the agent:
// from the item's parameters to the answer. fresh makes a connection for each,
// as a script does; pooled is what the plugin does.
func BenchmarkCheck(b *testing.B) {
	server := redistest.Start(b, redistest.Config{})
	options, err := conf.Decode(nil, conf.Global{})
	require.NoError(b, err)
	shared, err := New(options)
	require.NoError(b, err)
	defer shared.Close(time.Second)

	check := func(b *testing.B, rt *Runtime, key string) {
		metric, ok := metrics.Lookup(key)
		require.True(b, ok)
		err := rt.Collect(context.Background(), metric, []string{"tcp://" + server.Addr}, jsondoc.NewQuoted(nil))
		require.NoError(b, err)
	}
	for _, key := range []string{"redis.server.ping", "redis.server.info", "redis.get"} {
		b.Run(key+"/fresh", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rt, err := New(options)
				require.NoError(b, err)
				check(b, rt, key)
				rt.Close(time.Second)
			}
		})
		b.Run(key+"/pooled", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				check(b, shared, key)
			}
		})
	}
}
