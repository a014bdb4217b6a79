// Package ask is how a family of metrics asks a server and begins its answer:
//
//   - commands of one round trip and what became of each (Part, Do), with one
//     memory of what a server refuses, so that it is not asked in vain at each
//     poll;
//   - how the time of a request is shared (BeforeDeadline, HalfOf, SideBySide);
//   - what every document begins and ends with (Head, Down, Unavailable,
//     Truncations);
//   - texts and values that several families read: lines that are clipped,
//     secrets that are masked, ages, patterns.
//
// It knows no single command's meaning beyond those that several families send.
package ask
