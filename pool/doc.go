// Package pool keeps connections to many targets and lends them out, one
// conversation at a time. It knows nothing of Redis and imports the standard
// library only.
//
// # What it guarantees
//
//   - Do is the only checkout, so a lease cannot leak: the connection goes back
//     when the function returns or panics.
//   - Two bounds hold at every moment: idle + in use + dialing connections per
//     target (Config.MaxPerTarget) and in all (Config.MaxTotal). A place is
//     counted before the dial and given back in one function.
//   - No dial, no close and no code of the caller runs under the lock.
//   - The newest idle connection of a target is used first, so that surplus
//     ones age out; the oldest idle one of another target is closed before
//     anybody has to wait for the total bound.
//   - Waiting is first come, first served, at the total bound over all targets,
//     and ends with the caller's context. Who tries again keeps its place. A
//     waiter is served or cancelled, never both; what arrives too late goes to
//     the next one.
//   - A dial has its own time limit and survives the caller that asked for it:
//     the late connection serves the next one.
//   - A failed dial is told to all who wait for that target. While a target is
//     failing one probe at a time is let through, after a growing, jittered
//     delay; everybody else gets the known cause at once. Other targets notice
//     nothing.
//   - A connection is used again only if its Err is nil after use and its Alive
//     is nil before the next. One that had served before and turns out stale is
//     replaced once, transparently; a fresh one never. A fresh one that the
//     target refuses gives way, once, to those that it did let in.
//   - Idle and over-age connections are closed even when nobody asks.
//   - Close is bounded by its context and leaves no goroutine behind.
//
// # Compared with redis-py's ConnectionPool
//
// The last-in-first-out list of available connections, the set of those in use
// and the release in a finally clause are its ideas. Waiting instead of
// failing at the limit, the reaper, the fair queue, deadlines on every dial and
// figures by reason are what it lacks. Its check of the process id after a fork
// has no counterpart here: a Go program does not fork without exec.
package pool
