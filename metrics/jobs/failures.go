package jobs

import (
	"context"
	"errors"
	"maps"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

// maxGroups bounds the rows of groups, and maxClassRows those of classes.
const (
	maxGroups    = 100
	maxClassRows = 100
)

// failuresMetric reports why jobs fail.
var failuresMetric = &item.Metric{
	Key: "job.failures.get",
	Description: "Returns the jobs that failed since the last poll, grouped by class and error, as JSON without their arguments, " +
		"also when the server is down.",
	Params: item.ConnParams(paramSystem(false), item.Param{
		Name: "Queue", Check: checkQueue,
		Description: "name of a queue, when only its jobs are wanted",
	}, paramPrefix),
	Commands: append(commandsOf(Names(), func(s *spec) []string { return s.FailureCommands }), "cluster|nodes", "info"),
	Collect:  collectFailures,
}

// collectFailures returns the failures that are new since the last poll of the same
// item key by this process. Each failed attempt counts as long as the system keeps its
// job: a job that was tried again before the poll and succeeded is no longer in Redis.
//
// The members in addition to the head; each is left out if it is not known:
//
//	first        true: there was no poll before. No failure is new then, and count,
//	             missed and groups are left out
//	since        the time of the last poll, unix time by the server's clock; not with
//	             first
//	count        failures found since then; left out when it is 0 and not all lists of
//	             failed jobs could be read
//	missed       failures since then that are not among them, as far as the systems
//	             count them: their jobs are no longer kept, or there were more than a
//	             poll reads; left out where no system counts them, and 0 only where
//	             all of a system's failures are counted
//	groups       those found, of one job class and one error together, the most
//	             frequent first:
//	  id           what no other group has; numbers in the message do not matter
//	  system_id, system, prefix
//	  class        the class of the job: a Ruby or PHP class, the name of a function or
//	               of a task; "" when the job does not tell
//	  queue        that of the newest failure
//	  error        the class of the error; left out by systems that keep none
//	  message      the first line of the newest one's message, see cleanMessage
//	  count        failures
//	  dead         those of them after which the job was given up
//	  last         when the newest one failed, unix time by the worker's clock
//	older        with first only: the groups of the newest failed jobs that are kept
//	systems      a row for each system under each prefix:
//	  id, system, prefix
//	  count, missed
//	               as above, of this system alone
//	  failed       jobs that were given up and are kept; retry, those that wait to be
//	               tried again, where the system keeps them apart
//	  unreadable   failed jobs that are larger than a poll reads, or not what they
//	               should be; they are counted, and in no group
//	  unavailable  why something is missing; failures, where the system keeps no
//	               failed jobs
//	classes      a row for each job class of systems that count by class (Sidekiq from
//	             6.5 on), the busiest first, see classRow
//	truncated    {"groups":7,"classes":3,"queues":5}: what was left out
//	unavailable  what concerns no single system; systems, when none was found; time,
//	             where the server refuses TIME and the agent's clock is used
func collectFailures(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	if r.Arg("System") == "" && (r.Arg("Queue") != "" || r.Arg(paramPrefix.Name) != "") {
		return errNoSystem
	}
	result, err := readFailures(ctx, target{r.Target.Doer, r.Target}, r.Target.Memory, r.Env.Jobs, query{
		System: r.Arg("System"), Prefix: r.Arg(paramPrefix.Name), Queue: r.Arg("Queue"),
	})
	if err != nil {
		return ask.Down(w, r.Target.Name, err)
	}
	w.Grow(4096)
	w.BeginObject()
	ask.Head(w, r.Target.Name, nil)
	w.Key("first").Bool(result.First)
	var cut ask.Truncations
	if result.First {
		writeGroups(w, "older", result, &cut)
	} else {
		w.Key("since").Float(inMillis(result.Since))
		writeCounts(w, result.Systems)
		writeGroups(w, "groups", result, &cut)
	}
	w.Key("systems").BeginArray()
	for _, f := range result.Systems {
		writeFailures(w, f, result.First)
		cut.LimitTo("queues", f.Truncated, 0)
	}
	w.EndArray()
	writeClasses(w, result, &cut)
	cut.Write(w)
	w.Key("unavailable").BeginObject()
	if len(result.Systems) == 0 {
		w.Key("systems").String(nothingFound(r.Arg("System"), result.Complete, result.Databases, result.DatabasesErr))
	}
	writeTimeless(w, result.Timeless)
	w.EndObject()
	w.EndObject()
	return nil
}

// writeCounts writes what systems have together. What is not known of one of them
// is left out, but for a count that is more than 0 without it.
func writeCounts(w *jsondoc.Writer, systems []*failures) {
	var count, missed int64
	known, missedKnown := false, false
	for _, f := range systems {
		if !f.tells {
			continue
		}
		known = true
		count += int64(len(f.found) + f.unreadable)
		if n, ok := f.missedCount(); ok {
			missed, missedKnown = missed+n, true
		}
	}
	for _, f := range systems {
		if _, partly := f.problems["failures"]; partly && f.tells && count == 0 {
			known = false
		}
	}
	if known {
		w.Key("count").Int(count)
	}
	if missedKnown {
		w.Key("missed").Int(missed)
	}
}

var errNoSystem = errors.New("a queue or a prefix needs the job system it belongs to, in parameter 4 (System)")

// writeFailures writes the row of a system.
func writeFailures(w *jsondoc.Writer, f *failures, first bool) {
	w.BeginObject()
	w.Key("id").String(f.ID())
	w.Key("system").String(f.System)
	w.Key("prefix").String(f.Prefix)
	if !first {
		writeCounts(w, []*failures{f})
	}
	for _, name := range slices.Sorted(maps.Keys(f.kept)) {
		w.Key(name).Float(f.kept[name])
	}
	if f.tells {
		w.Key("unreadable").Int(int64(f.unreadable))
	}
	w.Key("unavailable").BeginObject()
	for _, name := range slices.Sorted(maps.Keys(f.problems)) {
		w.Key(name).String(f.problems[name])
	}
	w.EndObject()
	w.EndObject()
}

// writeGroups writes a list of groups of all systems.
func writeGroups(w *jsondoc.Writer, list string, result *failuresResult, cut *ask.Truncations) {
	groups := groupFailures(result.Systems)
	w.Key(list).BeginArray()
	for _, g := range groups[:cut.LimitTo("groups", len(groups), maxGroups)] {
		w.BeginObject()
		w.Key("id").String(g.id)
		w.Key("system_id").String(g.of.ID())
		w.Key("system").String(g.of.System)
		w.Key("prefix").String(g.of.Prefix)
		w.Key("class").String(g.newest.class)
		w.Key("queue").String(g.newest.queue)
		ask.WriteText(w, "error", g.newest.err)
		w.Key("message").String(g.newest.message)
		w.Key("count").Int(g.count)
		w.Key("dead").Int(g.dead)
		if g.newest.at > 0 {
			w.Key("last").Float(inMillis(g.newest.at))
		}
		w.EndObject()
	}
	w.EndArray()
}
