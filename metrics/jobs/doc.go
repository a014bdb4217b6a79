// Package jobs reads the state of job systems straight from the keys that they
// keep in Redis: queues, workers and counters, as plain numbers. It only reads,
// with single commands that cost the server little; it never runs a script, and
// never asks a job system's own code, which tidies up while it counts.
//
// # One poll
//
// All systems of one Redis share the round trips of a poll. A system asks with
// Poll.Ask; the answers arrive together, and what it asks on their arrival
// travels in the next pipeline. A poll has at most MaxRounds of them, whatever
// the number of queues. The server's TIME is in the first.
//
// Which systems live in a Redis is found out apart, see discover.go: by markers,
// which are keys with a fixed name, and by one SCAN for all systems that have
// none. It is remembered in the target's Memory. In a small Redis the first step
// of that SCAN travels with each poll, see newcomers.go.
//
// Where the names of clients are the only trace of workers, a poll of a cluster asks
// its other masters for them, beside the round trips above, see clients.go.
//
// # What costs
//
// A list that a system keeps may have a million members. Sets and hashes are read
// by Poll.Members and Poll.Fields, one bounded step each, and sorted sets by a range
// from the end that matters; what costs a command for each member asks
// Poll.FollowUps first. Queues beyond those that get a row are in Reading.Rest: of
// them only what waits is read, for the sums.
//
// # What is not known
//
// A figure is either known, or missing with a reason. A system says in its Spec
// what it does not keep at all. What could not be read this time (a key of
// another type, a payload that is no JSON) is missing of that queue alone, and
// the rest stands. An absent list, set or sorted set is empty: Redis deletes them
// with their last member; but what an item key names and a system with Spec.Lists
// does not have is unknown, see absent.go.
//
// A sum over queues is known when it is known of all. A maximum, or a count of what
// is wrong, is that of those that are known, as long as it is not 0.
//
// # Failures
//
// job.failures.get has polls of its own, of at most maxFailureRounds round trips. A
// system that keeps its failed jobs is a failureReader; why another one is not stands
// in withoutFailures. See failures_poll.go for what is new since the last poll.
//
// # How a system is added
//
//  1. Write <system>.go: a type with the methods of System, and add it to the list
//     in system.go. Its Spec says its name, its default prefix, the keys that
//     show that it is there (Markers), or how SCAN may find it (Clue), what it
//     lacks, and which commands and keys it reads: these become the ACL rule.
//  2. Read asks in the first round for what has a fixed name: counters, the set of
//     queues, the set of workers. Poll.Now is known from the second round on. It
//     gives the queue names to Reading.Open (or OpenListed), which adds the
//     configured ones, drops those that are no text, honors the limit and returns
//     the queues whose figures are wanted; Reading.ReadRest asks for the others. Figures are set with Poll.Count (the number that a
//     command answers; nothing is 0), or Figures.Set, Add and Miss from a callback
//     given to Poll.Ask. Workers go to Reading.Workers, one by one, each with the
//     queues that it serves and its slots, if it tells them; their sums are made by
//     finish.go.
//  3. Do not compute what finish.go makes for every system: the sums over all
//     queues, the greatest latency, utilisation, rates, Stalled, Stuck and Saturated
//     (stuck.go says what keeps workers from a queue). Where workers renew a lock or a
//     lease on their jobs, count those in Queue.Held: see held.go. For the
//     rates give Processed (or Added) of the queue where the system has such
//     counters; for Stalled give Queue.Head, whatever tells the oldest waiting job
//     from the next one, and Queue.HeadAt, if it says when it was added; where that
//     may be rewritten though the job stays, Queue.Rewrites, see entry.go.
//  4. Payloads are what strangers wrote: ask for them with Poll.AskPayload, which
//     does not ask for a huge one each time, and parse them with payload.go's helpers,
//     which bound them, or with a parser of your own that has a fuzz test.
//  5. Add its cases to conformance_test.go, with figures that come from the
//     system's own API and not from this package. The suite then checks the number
//     of round trips, the commands, that each figure is known or said to be
//     lacking, that nothing is written, and what becomes of the rest when each of
//     the keys it reads is damaged.
//  6. Where it keeps its failed jobs, write ReadFailures, name its commands in
//     Spec.FailureCommands, and add a case to failures_test.go; else say in
//     withoutFailures why there are none.
package jobs
