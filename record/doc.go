// Package record writes the records that package storm reads: for jobs that
// cannot write one themselves. It is the one part of the program that writes to
// Redis, and nothing that serves items can reach it.
//
// # What it guarantees
//
//   - A record is one hash (layout A of package storm) and its job's name a
//     member of the index, written in one MULTI; in a cluster, where the two may
//     be on different nodes, one after the other.
//   - Times are the server's: what this machine's clock says, corrected by the
//     difference to the server's TIME. Where TIME is not permitted, this
//     machine's.
//   - Only what a reader understands is written; what it would not is refused.
//   - A command is run whatever Redis does, with the stdin, stdout and stderr
//     that we have, and its exit code is ours. Its start is not delayed, its end
//     by no more than it takes to tell Redis, at most endPatience.
//   - No secret is taken from the command line, printed, or left in the
//     environment of the command.
package record
