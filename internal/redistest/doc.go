// Package redistest gives tests a private redis-server, and a scripted fake
// for what a real server cannot be made to do: a cut reply, a stalled or
// dripping socket, bytes that are no Redis protocol at all.
//
// It has its own few lines of protocol, so that a test never proves the
// module's codec with that very codec. Everything binds to 127.0.0.1, lives in
// the test's temporary folder and ends with the test.
package redistest
