// Package keyspace has redis.keyspace.sample: what the keys of a server are, from
// passes over all of them that go on between the polls.
//
// A pass (pass.go) reads one or several servers (source.go) in slices of one
// round trip (slice.go), at a pace that leaves the server to its users
// (pace.go), and sums up (sum.go). The answer is that of the last finished pass.
package keyspace
