package acllog

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// Get returns the ACL log since the last poll of the target by this process: who was
// refused what, and from where. It also has what INFO counts: clients that were turned
// away or disconnected, and replicas that had to copy everything.
//
// The members in addition to the head; each is left out if it is not known:
//
//	first         true: there was no poll before, and the entries are those that
//	              the log happens to hold, so that they say nothing of a rate
//	restarted     true: the server was restarted since the last poll
//	missed        entries since the last poll that are not listed, because the log
//	              has dropped them (Redis 7.2 and newer; acllog-max-len); not with
//	              first
//	refused       refusals since the last poll; not with first
//	denied        the same by reason: {"auth":0,"command":3,"key":0,"channel":0,
//	              "other":0}; not with first
//	entries       the newest first: [{"id":7,"time":1795254114.2,
//	              "reason":"command","context":"toplevel","object":"flushall",
//	              "user":"app","address":"10.0.0.9:4711","client_name":"worker",
//	              "library":"redis-py","count":3,"total":5}]; time is unix time of
//	              the last of them, object the command, key or channel, count the
//	              refusals since the last poll and total all of this entry, in which
//	              the server sums up refusals of one kind within a minute. id exists
//	              from Redis 7.2 on, library where the client tells it
//	by_user       the same by user, the most refusals first: [{"user":"app",
//	              "count":3}]
//	counters      {"rejected_connections":{"total":7,"new":2}}: fields of INFO, see
//	              counterNames; new is since the last poll
//	resync_cause  why replicas had to copy everything since the last poll, as far as
//	              the counters tell; "" when none had
//	unavailable   what the server refused; Redis before 6.0 has no ACL log
//	truncated     rows left out of by_user
//	unreadable    entries that have not the form of one; no member when there are
//	              none
//
// Names of keys and channels are shown, values are not.
var Get = &item.Metric{
	Key:         "redis.acl.log.get",
	Description: "Returns who was refused, turned away or disconnected since the last poll, as JSON.",
	Params:      item.ConnParams(),
	Commands:    []string{"acl|log", "info"},
	Collect:     collect,
}

const (
	// logEntries is how many entries a poll asks for, Redis' own default of
	// acllog-max-len.
	logEntries = 128
	// maxUsers bounds the rows of by_user.
	maxUsers = 50

	memoryName = "redis.acl.log.get"
)

// memory is what is remembered of a target.
type memory struct {
	log      read
	polled   bool // whether the log was ever read
	counters counters
	life     info.Life
}

func collect(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	t := r.Target
	log := &ask.Part{Name: "log", Cmd: redisclient.Command{"ACL", "LOG", strconv.Itoa(logEntries)}}
	server := &ask.Part{Name: "info", Cmd: redisclient.Command{"INFO"}}
	if err := ask.Do(ctx, t, log, server); err != nil {
		return ask.Down(w, t.Name, err)
	}
	if err := ask.StateProblem(log, server); err != nil {
		return ask.Down(w, t.Name, err)
	}
	var entries []entry
	var unreadable ask.Unreadable
	if log.Err == nil {
		var bad int
		entries, bad, log.Err = ask.RowsOf(log.Value, "entry", parseEntry)
		unreadable.Add("entries", bad)
		entries = entries[:min(len(entries), logEntries)] // more were not asked for
	}
	var x info.Text
	if server.Err == nil {
		var text []byte
		if text, server.Err = info.Reply(server.Value); server.Err == nil {
			x, server.Err = info.Scan(text, nil, nil)
		}
	}
	id := info.Identify(&x)
	runID, _ := x.Field("server", "run_id")
	uptime, _ := x.Field("server", "uptime_in_seconds")
	now := readCounters(&x, &id)
	var found news
	t.Memory.Update(memoryName, func(v any) any {
		m, _ := v.(memory)
		if log.Err == nil {
			found = delta(entries, m.log, m.polled, string(runID), info.ParseCount(uptime))
			m.log, m.polled = found.next, true
		}
		if server.Err == nil {
			if m.life.Next(string(runID), info.ParseCount(uptime), time.Now()) == info.Same {
				now.since(m.counters)
			}
			m.counters, m.life = now, info.Life{RunID: string(runID), At: time.Now()}
		}
		return m
	})
	var cut ask.Truncations
	w.Grow(1024 + 256*len(entries))
	w.BeginObject()
	ask.Head(w, t.Name, nil)
	if log.Err == nil {
		found.write(w, entries, &cut)
	}
	if server.Err == nil {
		now.write(w)
		if cause, known := now.resyncCause(&x); known {
			w.Key("resync_cause").String(cause)
		}
	}
	ask.Unavailable(w, log, server)
	cut.Write(w)
	unreadable.Write(w)
	w.EndObject()
	return nil
}

// reasons are the members of denied; every other one counts as other.
var reasons = []string{"auth", "command", "key", "channel", "other"}

func (n *news) write(w *jsondoc.Writer, entries []entry, cut *ask.Truncations) {
	var refused int64
	byReason, byUser := make(map[string]int64), make(map[string]int64)
	for i := range entries {
		e := &entries[i]
		refused += e.fresh
		reason := e.reason
		if !slices.Contains(reasons, reason) {
			reason = "other"
		}
		byReason[reason] += e.fresh
		if e.fresh > 0 {
			byUser[ask.Clip(e.user, ask.MaxName)] += e.fresh
		}
	}
	w.Key("first").Bool(n.First)
	w.Key("restarted").Bool(n.Restarted)
	if !n.First {
		if n.Read.Last >= 0 {
			w.Key("missed").Int(n.missed)
		}
		w.Key("refused").Int(refused)
		w.Key("denied").BeginObject()
		for _, reason := range reasons {
			w.Key(reason).Int(byReason[reason])
		}
		w.EndObject()
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.age, b.age) })
	now := ask.UnixSeconds(time.Now())
	w.Key("entries").BeginArray()
	for i := range entries {
		if entries[i].fresh > 0 {
			entries[i].write(w, now)
		}
	}
	w.EndArray()
	type row struct {
		user  string
		count int64
	}
	var rows []row
	for user, count := range byUser {
		rows = append(rows, row{user, count})
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.user, b.user)) })
	w.Key("by_user").BeginArray()
	for _, row := range rows[:cut.LimitTo("by_user", len(rows), maxUsers)] {
		w.BeginObject()
		w.Key("user").String(row.user)
		w.Key("count").Int(row.count)
		w.EndObject()
	}
	w.EndArray()
}
