package metrics

import (
	"fmt"
	"slices"

	"redisjobs/metrics/acllog"
	"redisjobs/metrics/advice"
	"redisjobs/metrics/clients"
	"redisjobs/metrics/cluster"
	"redisjobs/metrics/config"
	"redisjobs/metrics/group"
	"redisjobs/metrics/hot"
	"redisjobs/metrics/instances"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jobs"
	"redisjobs/metrics/keys"
	"redisjobs/metrics/keyspace"
	"redisjobs/metrics/pubsub"
	"redisjobs/metrics/search"
	"redisjobs/metrics/self"
	"redisjobs/metrics/sentinel"
	"redisjobs/metrics/server"
	"redisjobs/metrics/slow"
	"redisjobs/metrics/storm"
	"redisjobs/metrics/streams"
	"redisjobs/nearest"
)

// table is every metric, in the order in which help and documentation list
// them.
var table = slices.Concat(
	[]*item.Metric{
		server.Info,
		server.Config,
		server.Ping,
		slow.Count,
		server.Get,
		server.Status,
		cluster.Get,
		sentinel.Get,
		self.Sessions,
		instances.Discovery,
		instances.Get,
		self.Pool,
		slow.Log,
		slow.Latency,
		clients.Get,
	},
	keys.Metrics,
	[]*item.Metric{
		keys.Count,
		keys.Discovery,
		keyspace.Sample,
		streams.Get,
		streams.GetMany,
		search.Get,
		advice.Get,
		config.Get,
		group.Get,
		acllog.Get,
		pubsub.Get,
		hot.Get,
		keys.Command,
	},
	storm.Metrics,
	jobs.Metrics,
	testMetrics,
)

// All returns every metric, in a stable order. The slice is the caller's, the
// metrics are not.
func All() []*item.Metric { return slices.Clone(table) }

// Lookup returns the metric of that key, without brackets.
func Lookup(key string) (*item.Metric, bool) {
	for _, m := range table {
		if m.Key == key {
			return m, true
		}
	}
	return nil, false
}

// UnknownKey is the error for a key that Lookup does not find. It names the one that
// was probably meant.
func UnknownKey(key string) error {
	names := make([]string, len(table))
	for i, m := range table {
		names[i] = m.Key
	}
	return fmt.Errorf("unknown item key %q%s", key, nearest.Question(key, names))
}
