package metrics

import "slices"

// table is every metric, in the order in which help and documentation list
// them.
var table = slices.Concat(
	[]*Metric{
		infoMetric,
		configMetric,
		pingMetric,
		slowlogCountMetric,
		getMetric,
		statusMetric,
		clusterMetric,
		sentinelMetric,
		sessionsMetric,
		instancesMetric,
		instancesGetMetric,
		poolMetric,
		slowlogGetMetric,
		latencyGetMetric,
		clientsGetMetric,
	},
	keyMetrics,
	[]*Metric{
		keysCountMetric,
		keyspaceMetric,
		streamGetMetric,
		searchGetMetric,
		commandMetric,
	},
	stormMetrics,
	jobMetrics,
	testMetrics,
)

// All returns every metric, in a stable order. The slice is the caller's, the
// metrics are not.
func All() []*Metric { return slices.Clone(table) }

// Lookup returns the metric of that key, without brackets.
func Lookup(key string) (*Metric, bool) {
	for _, m := range table {
		if m.Key == key {
			return m, true
		}
	}
	return nil, false
}
