//go:build !redisjobs_testkeys

package metrics

import "redisjobs/metrics/item"

// testMetrics are keys that only a test build has.
var testMetrics []*item.Metric
