// Package passes looks at all keys of a server in the background: in passes that go on
// between the polls. Figures has what the keys are, and Find those of a pattern.
//
// A pass (pass.go) reads one or several servers (source.go) in slices of one
// round trip (slice.go), at a pace that leaves the server to its users
// (pace.go), and makes of the keys what it is for (content.go): figures of all
// (sum.go), or a list of those that are looked for (found.go, find.go). The answer
// is that of the last finished pass.
package passes
