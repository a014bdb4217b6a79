// Package driver plays the agent for one plugin process: it starts the built program as an agent does, speaks the
// loadable plugin protocol over a unix socket, and lets a test have any number of checks under way. It can also do what
// no well-meaning agent does: write half a request, stop reading, hang up.
//
// Every answer that nobody asked for, or that comes twice, is kept as a stray and fails the test; so does anything that
// the process prints, because agents keep that in memory without a bound.
package driver
