//go:build !redisjobs_testkeys

package metrics

// testMetrics are keys that only a test build has.
var testMetrics []*Metric
