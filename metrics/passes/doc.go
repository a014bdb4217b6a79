// Package keyspace has redis.keyspace.sample: what the keys of a server are, from
// passes over all of them that go on between the polls; and Find, by which other
// families look for keys of a pattern in such a pass.
//
// A pass (pass.go) reads one or several servers (source.go) in slices of one
// round trip (slice.go), at a pace that leaves the server to its users
// (pace.go), and makes of the keys what it is for (content.go): figures of all
// (sum.go), or a list of those that are looked for (found.go, find.go). The answer
// is that of the last finished pass.
package passes
