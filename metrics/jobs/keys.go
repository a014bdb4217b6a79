package jobs

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
)

// Metrics read the job systems that keep their state in Redis.
var Metrics = []*item.Metric{
	{
		Key:         "job.get",
		Description: "Returns the job systems found in a Redis, their queues and workers as JSON, also when the server is down.",
		Params:      item.ConnParams(paramSystem(false), paramPrefix),
		Commands:    append(readCommands(), "cluster|nodes", "info"),
		Collect:     collectGet,
	},
	{
		Key:         "job.queue.get",
		Description: "Returns one queue of a job system as JSON, also when the server is down.",
		Params: item.ConnParams(paramSystem(true), item.Param{
			Name: "Queue", Required: true, Check: checkQueue,
			Description: "name of the queue",
		}, paramPrefix),
		Commands: readCommands(),
		Collect:  collectQueue,
	},
	failuresMetric,
}

// readCommands are those that reading all systems sends.
func readCommands() []string {
	return commandsOf(Names(), func(s *spec) []string { return s.Commands })
}

var paramPrefix = item.Param{
	Name:        "Prefix",
	Description: "prefix or namespace of the system's keys, when it is not the usual one",
}

func paramSystem(required bool) item.Param {
	return item.Param{
		Name: "System", Required: required, Check: checkName,
		Description: "name of the job system, as sidekiq",
	}
}

// read asks the request's target.
func read(ctx context.Context, r *item.Request, queue string) (*result, error) {
	return readSystems(ctx, target{r.Target.Doer, r.Target}, r.Target.Memory, r.Env.Jobs, query{
		System: r.Arg("System"), Prefix: r.Arg(paramPrefix.Name), Queue: queue,
	})
}

// collectGet answers with the members of a document's head, then
//
//	systems      a row for each system under each prefix:
//	  id           what no other row has, system and prefix
//	  system, prefix
//	  exists       1 when one of its keys with a fixed name is there, else 0; left
//	               out for systems that have none
//	  ...          its figures, see figure; latency is the greatest that is
//	               known, and latency_unknown counts the queues of which it is not;
//	               abandoned is 1 when jobs wait and no worker is alive
//	  unavailable  why other figures are missing, by name; queue.<name> for those
//	               that are kept of no single queue
//	queues       a row for each queue of all systems:
//	  id           what no other row has: system, prefix and queue
//	  system_id    the id of its system
//	  system, prefix, queue
//	  listed       1 when the system's own list of queues has it, else 0; left out
//	               where the system keeps none, or not all of it is known
//	  ...          its figures; where no job was taken for a minute, stuck is 1 when
//	               nothing holds the queue back, and saturated when all who serve
//	               it are busy; abandoned is 1 when jobs wait in it and no worker
//	               of its system is alive
//	  unavailable  why figures are missing of this queue alone
//	periodic_jobs  a row for each periodic job, those that are late first where
//	             there are more than 500:
//	  id           what no other row has: system, prefix, scheduler, name, and of
//	               BullMQ and Bull the queue before it
//	  system_id    the id of its system
//	  system, prefix
//	  scheduler    what puts it into its queue, as sidekiq-cron
//	  name, queue
//	  schedule     its crontab, or "every 1h30m"
//	  enabled      0 when it is switched off, or its queue paused, else 1
//	  last_run     when it was last put into its queue, in unix seconds
//	  next_run     when it is due, in unix seconds; in the past when it is late
//	  late_by      for how long it has been due, 0 if it is not
//	  overdue      1 when that is longer than its scheduler's grace, else 0
//	  unavailable  why other members are missing
//	count        the number of rows in systems
//	discovery    how far the search by SCAN came: complete, 1 when all keys were looked
//	             at that were there at as_of (unix time: the beginning of the last
//	             pass over all keys that came to its end), 0 before the first and
//	             when that is a day ago; scanned, the keys looked at in the pass under
//	             way, else in the last; masters, those of the target's cluster, whose
//	             keys are all searched
//	truncated    {"queues":7,"workers":1,"clues":3}: what was left out
//	databases    {"db":0,"keys":12}, those with keys, where no system was found;
//	             not on a cluster, of which a node tells only its own
//	unavailable  what concerns no single system; systems, when none was found; prefixes,
//	             where keys of systems were seen that this user may not read; keys, which
//	             may be queues, and whose jobs are too large to be looked at; time,
//	             where the server refuses TIME and the agent's clock is used
//
// Rates are calculated between polls; the first poll has none.
func collectGet(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	result, err := read(ctx, r, "")
	if err != nil {
		return ask.Down(w, r.Target.Name, err)
	}
	queues, periodic := 0, 0
	for _, s := range result.Systems {
		queues += len(s.Queues)
		for _, c := range s.schedulers {
			periodic += len(c.jobs)
		}
	}
	w.Grow(1024 + 1024*len(result.Systems) + 384*queues + 384*periodic)
	w.BeginObject()
	ask.Head(w, r.Target.Name, nil)
	w.Key("count").Int(int64(len(result.Systems)))
	w.Key("systems").BeginArray()
	for _, s := range result.Systems {
		w.BeginObject()
		writeSystem(w, s)
		w.EndObject()
	}
	w.EndArray()
	w.Key("queues").BeginArray()
	for _, s := range result.Systems {
		for _, q := range s.Queues {
			w.BeginObject()
			writeQueue(w, s, q)
			w.EndObject()
		}
	}
	w.EndArray()
	writePeriodic(w, result.Systems)
	var why string
	if len(result.Systems) == 0 {
		why = nothingFound(r.Arg("System"), result.Discovery.Complete && len(result.Discovery.Unseen) == 0, result.Databases, result.DatabasesErr)
		if result.DatabasesErr == nil {
			writeDatabases(w, result.Databases)
		}
	}
	writeFound(w, result, why)
	w.EndObject()
	return nil
}

// collectQueue returns the head and the members of one row of queues in collectGet,
// and workers_alive of its system; why that is not known, or whether the queue is
// abandoned, is in unavailable. If a system lists its queues, a queue that is not
// in the list has no values; queue in unavailable says so, once for all of them.
func collectQueue(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	result, err := read(ctx, r, r.Arg("Queue"))
	if err != nil {
		return ask.Down(w, r.Target.Name, err)
	}
	w.Grow(1024)
	w.BeginObject()
	ask.Head(w, r.Target.Name, nil)
	for _, s := range result.Systems {
		for _, q := range s.Queues {
			s.tellAlive(q)
			writeQueue(w, s, q)
			if alive, ok := s.Get(figWorkersAlive); ok {
				w.Key(figWorkersAlive.String()).Float(alive)
			}
		}
	}
	w.EndObject()
	return nil
}

func writeSystem(w *jsondoc.Writer, s *reading) {
	w.Key("id").String(s.ID())
	w.Key("system").String(s.System)
	w.Key("prefix").String(s.Prefix)
	if s.Marked && (s.Exists || !s.doubt) {
		w.Key("exists").Int(flag(s.Exists))
	}
	writeFigures(w, &s.figures)
	w.Key("unavailable").BeginObject()
	for _, lack := range s.Lacks() {
		name := lack.Figure.String()
		if lack.OfQueues {
			name = "queue." + name
		}
		w.Key(name).String(lack.Reason)
	}
	writeProblems(w, &s.figures)
	if text := s.skipped(); text != "" {
		w.Key("names").String(text)
	}
	w.EndObject()
}

func writeQueue(w *jsondoc.Writer, s *reading, q *queue) {
	id := s.ID()
	w.Key("id").String(id + "/" + q.Name)
	w.Key("system_id").String(id)
	w.Key("system").String(s.System)
	w.Key("prefix").String(s.Prefix)
	w.Key("queue").String(q.Name)
	if listed, known := s.listed(q); known {
		w.Key("listed").Int(flag(listed))
	}
	writeFigures(w, &q.figures)
	w.Key("unavailable").BeginObject()
	if q.absent != "" {
		w.Key("queue").String(q.absent)
	}
	for _, p := range q.Problems {
		if p.Reason != q.absent {
			w.Key(p.Figure.String()).String(p.Reason)
		}
	}
	w.EndObject()
}

// tellAlive says beside a queue why it is not known of its system whether workers live,
// and what it does not know for that.
func (r *reading) tellAlive(q *queue) {
	if _, known := r.Get(figWorkersAlive); !known {
		q.Miss(figWorkersAlive, cmp.Or(r.reason(figWorkersAlive), "it is not known whether workers live"))
	}
	if _, known := q.Get(figAbandoned); !known && !q.missed(figAbandoned) {
		q.Miss(figAbandoned, "it follows from waiting and workers_alive, and one of them is not known")
	}
}

// reason is why a figure of the system is missing, "" when nothing says it.
func (r *reading) reason(name figure) string {
	for _, p := range r.Problems {
		if p.Figure == name {
			return p.Reason
		}
	}
	for _, l := range r.spec.Lacks {
		if l.Figure == name && !l.OfQueues {
			return l.Reason
		}
	}
	return ""
}

func writeFigures(w *jsondoc.Writer, f *figures) {
	f.Each(func(name figure, value float64) { w.KeyPlain(plainFigureNames[name]).Float(value) })
}

func writeProblems(w *jsondoc.Writer, f *figures) {
	for _, p := range f.Problems {
		w.Key(p.Figure.String()).String(p.Reason)
	}
}

// writeFound writes what concerns all systems together; nothing says why there are
// none.
func writeFound(w *jsondoc.Writer, result *result, nothing string) {
	d := &result.Discovery
	w.Key("discovery").BeginObject()
	w.Key("complete").Int(flag(d.Complete))
	if !d.AsOf.IsZero() {
		w.Key("as_of").Float(ask.UnixSeconds(d.AsOf))
	}
	w.Key("scanned").Int(int64(d.Scanned))
	if d.Masters > 0 {
		w.Key("masters").Int(int64(d.Masters))
	}
	w.EndObject()
	var cut ask.Truncations
	for _, s := range result.Systems {
		cut.LimitTo("queues", s.Truncated, 0)
		cut.LimitTo("workers", s.CutWorkers, 0)
		cut.LimitTo("periodic_jobs", s.CutPeriodic, 0)
	}
	cut.LimitTo("clues", d.Dropped, 0)
	cut.Write(w)
	w.Key("unavailable").BeginObject()
	if nothing != "" {
		w.Key("systems").String(nothing)
	}
	writeTimeless(w, result.Timeless)
	if text := deniedText(d.Denied, result.Systems); text != "" {
		w.Key("prefixes").String(text)
	}
	if text := unseenText(d.Unseen); text != "" {
		w.Key("keys").String(text)
	}
	if d.Err != nil {
		w.Key("search").String(d.Err.Error())
	}
	for _, instance := range slices.SortedFunc(maps.Keys(d.Unmarked), instance.Compare) {
		w.Key(instance.ID()).String(d.Unmarked[instance].Error())
	}
	w.EndObject()
}

func flag(on bool) int64 {
	if on {
		return 1
	}
	return 0
}
