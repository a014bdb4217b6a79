// Package metrictest is for the tests of metrics: targets behind scripted
// replies or one connection to a real server, and what all documents have in
// common.
package metrictest
