// Package redisclient is one connection to a Redis server, on which one
// conversation takes place at a time. Pooling is someone else's work.
//
// # What it guarantees
//
//   - Dial resolves, connects and does the TLS handshake; it writes no command.
//     AUTH, SELECT and CLIENT SETNAME travel in one write with the first
//     commands, so that a fresh connection costs no round trip more.
//   - A connection judges itself. After an I/O error, a protocol error, a
//     cancelled or timed out conversation, or bytes nobody asked for, it is
//     closed, Err is set and every further DoAll returns that error: an answer
//     never reaches the wrong question. An error reply leaves it usable.
//   - No conversation outlives its context, however slowly the server answers.
//     The deadline is set on the socket once per conversation; cancelling sets
//     one in the past.
//   - DoAll starts no goroutine, but for pipelines of more than 32 KiB: those
//     are written by one while the replies are read, so that two full socket
//     buffers cannot wait for each other. It has ended when DoAll returns.
//   - A reply, and all replies of a conversation together, cost no more memory
//     than Config.Limits allow, and an idle connection holds no buffer. A reply
//     that would cost more is read past, as far as that is bounded: its value is
//     an error, and the connection is in step.
//   - Close never blocks.
//   - No error text contains the password.
//   - Error tells the pool what to do: Stale means that asking again on a fresh
//     connection is safe, Refused that a fresh one was of no use.
//
// # What it asks of its callers
//
// One DoAll at a time; a second one panics. Commands must have exactly one
// reply each: SUBSCRIBE, MONITOR and CLIENT REPLY do not belong here, nor does
// HELLO, which would let the server push. A context without a deadline waits
// for ever.
package redisclient
