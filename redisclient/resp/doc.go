// Package resp reads and writes RESP2 and RESP3, the Redis protocol, and
// nothing else.
//
// The reader trusts no byte. It never allocates from a declared length, only
// as bytes arrive; depth, members, text and the whole reply are bounded by
// Limits; numbers, booleans and line ends are taken strictly as the
// specification writes them. A reply beyond the limits is read past and becomes
// an error value, as long as that takes no more than Limits.MaxPass. What else
// breaks a rule is a *ProtocolError, after which the stream is out of step and
// the reader repeats that error.
//
// Push frames between replies are skipped and attributes dropped: this module
// subscribes to nothing. Streamed strings and aggregates ("$?", "*?") are
// refused; no released server sends them.
//
// Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
package resp
