package jobs

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// taskiq reads the brokers of taskiq-redis. A queue is a key of the name that the
// application has chosen, without any prefix; its own is "taskiq". All streams are
// found, and lists that have this word in their names; others are configured.
//
//   - RedisStreamBroker: a stream. What its group has not read waits; what was read and
//     not confirmed is active, running or fetched ahead.
//   - ListQueueBroker: a list. What is taken is gone.
//   - PubSubBroker leaves nothing in keys.
//
// Results have a key each, under the task's id. Schedules are in a schedule source.
// Sources: taskiq_redis/redis_broker.py of 1.0.9 and 1.2.4.
type taskiq struct{}

const (
	// taskiqIdle is the time after which Taskiq hands out a message again that was not
	// confirmed, its idle_timeout, in milliseconds. Its workers ask for messages every
	// two seconds unless they are full.
	taskiqIdle = 600_000
	// taskiqPending bounds the messages of a group that are looked at, and its consumers:
	// each start of a worker leaves one. taskiqRows bounds those of all queues together.
	taskiqPending = 1000
	taskiqRows    = 20_000
)

var taskiqSpec = &spec{
	Name:        "taskiq",
	Lists:       true,
	EmptyIsGone: true,
	Prefix:      func(string) string { return "" },
	Clue: func(key string) (clue, bool) {
		if !strings.Contains(key, "taskiq") || taskIDs.MatchString(key) { // which has a result
			return clue{}, false
		}
		return taskiqClue(key), true
	},
	Stream: func(key string) (clue, bool) {
		c := taskiqClue(key)
		c.Rare = true
		return c, !strings.HasSuffix(key, ":events") // of which BullMQ has one for each queue
	},
	Lacks: slices.Concat(
		lackEverywhere("scheduled tasks are in a schedule source", figScheduled, figOverdue),
		lackEverywhere("a task that is tried again is sent again", figRetry),
		lackEverywhere("each result is a key of its own and does not name its queue", figFailed, figCompleted),
		lackOfQueues("a queue cannot be paused", figPaused),
		lackEverywhere("tasks that are done are not counted", figProcessed, figFailedTotal),
		lackOfSystem("workers do not register; a consumer of a stream stays when its worker is dead", figWorkers,
			figWorkersDead, figWorkersBusy, figWorkersSlots, figUtilisation, figWorkersQuiet),
		lackOfSystem("a message that was fetched need not run yet", figOldestRunning),
	),
	Commands: []string{"client|id", "client|list", "lindex", "llen", "type", "xinfo|consumers", "xinfo|groups", "xinfo|stream", "xlen",
		"xpending", "xrange"},
	Keys: func(_ string, queues []string) []string { return append([]string{"*taskiq*"}, queues...) },
}

// taskiqClue asks what a key is.
func taskiqClue(key string) clue {
	return clue{
		Name:   key,
		Proof:  []redisclient.Command{{"TYPE", key}, {"XINFO", "GROUPS", key}, {"XRANGE", key, "-", "+", "COUNT", "1"}, {"LINDEX", key, "-1"}},
		Proves: isTaskiq,
		Open: func(replies []resp.Value) bool {
			return areTypes("list")(replies[:1]) || areTypes("stream")(replies[:1])
		},
	}
}

// taskIDs are what Taskiq makes for tasks.
var taskIDs = regexp.MustCompile("[0-9a-f]{32}$")

// isTaskiq: a stream that has Taskiq's group, or a list or stream with one of its
// messages.
func isTaskiq(replies []resp.Value) bool {
	typ, err := replies[0].Text()
	switch {
	case err != nil:
		return false
	case typ == "list":
		return isTaskiqMessage(replies[3])
	case typ != "stream":
		return false
	}
	if groups, err := parseStreamGroups(replies[1]); err == nil {
		if slices.ContainsFunc(groups, func(g streamGroup) bool { return g.name == "taskiq" }) {
			return true
		}
	}
	entries, err := replies[2].Array()
	if err != nil || len(entries) == 0 || len(entries[0].Elems) != 2 {
		return false
	}
	fields, err := entries[0].Elems[1].Pairs()
	return err == nil && isTaskiqMessage(streamField(fields, "data"))
}

// isTaskiqMessage: whatever the serializer, the names of members are in it.
func isTaskiqMessage(v resp.Value) bool {
	return len(v.Str) <= maxShape && bytes.Contains(v.Str, []byte("task_id")) && bytes.Contains(v.Str, []byte("task_name"))
}

func (taskiq) Spec() *spec { return taskiqSpec }

func (taskiq) Read(p *poll, r *reading) {
	// A worker waits for messages, or confirms them on the same connection.
	takes := []string{"brpop", "xack", "xautoclaim", "xreadgroup"}
	p.listeners(r, takes, nil)
	p.holders(r, holder{takes: takes, asks: []string{"xreadgroup"}, works: []string{"exec", "xadd"}, since: taskiqIdle / 1000})
	queues := r.Open(r.Found)
	limit := min(taskiqPending, taskiqRows/max(1, len(queues)))
	for _, q := range queues {
		p.Ask(func(v resp.Value, err error) {
			var typ string
			if err == nil {
				typ, err = v.Text()
			}
			if err == nil && !taskiqQueue(p, r, q, typ, limit) {
				err = errors.New("a key of type " + typ + " is no queue")
			}
			if err != nil {
				for _, f := range []figure{figWaiting, figActive, figLatency, figOrphaned, figArrival, figDrain} {
					q.Miss(f, "TYPE: "+err.Error())
				}
			}
		}, "TYPE", q.Name)
	}
}

// taskiqQueue asks for what a key of that type tells.
func taskiqQueue(p *poll, r *reading, q *queue, typ string, limit int) bool {
	missing := []figure{figActive, figOrphaned, figArrival, figDrain}
	reason := "a list does not keep it, and workers that are killed lose their tasks"
	switch typ {
	case "none":
		q.Set(figWaiting, 0)
		q.Set(figLatency, 0)
		reason = "there is no such key now"
	case "list":
		p.Count(&q.figures, figWaiting, "LLEN", q.Name)
		p.AskPayload(func(v resp.Value, _ error) { q.Head = headHash(v) }, "LINDEX", q.Name, "-1")
		missing = append(missing, figLatency)
		reason = "a list does not keep it"
	case "stream":
		q.Exists = true
		readStream(p, q, func(groups []streamGroup, err error) { taskiqOrphans(p, r, q, limit, groups, err) })
		return true
	default:
		return false
	}
	for _, f := range missing {
		q.Miss(f, reason)
	}
	return true
}

// taskiqOrphans counts the messages that should have been handed out again, and whose
// consumer has not asked for any for as long: the oldest of each group are looked at.
func taskiqOrphans(p *poll, r *reading, q *queue, limit int, groups []streamGroup, err error) {
	if err == nil && !p.FollowUps(2*len(groups)) {
		err = errManyFollowUps
	}
	if err != nil {
		q.Miss(figOrphaned, err.Error())
		return
	}
	q.Set(figOrphaned, 0)
	for _, g := range groups {
		if g.pending == 0 {
			continue
		}
		if int(g.consumers) > limit {
			q.Miss(figOrphaned, tooMany(int(g.consumers), "consumers", limit).Error())
			continue
		}
		var idle map[string]float64
		p.Ask(func(v resp.Value, err error) {
			if idle, err = parseConsumers(v, err); err != nil {
				q.Miss(figOrphaned, "XINFO CONSUMERS: "+err.Error())
			}
		}, "XINFO", "CONSUMERS", q.Name, g.name)
		p.Ask(func(v resp.Value, err error) {
			n, err := countAbandoned(v, err, idle)
			switch {
			case err != nil:
				q.Miss(figOrphaned, "XPENDING: "+err.Error())
			case n == 0 && int(g.pending) > limit:
				q.Miss(figOrphaned, tooMany(int(g.pending), "messages that are not confirmed", limit).Error())
			default:
				r.lapsed(q, n)
			}
		}, "XPENDING", q.Name, g.name, "-", "+", strconv.Itoa(limit))
	}
}

// parseConsumers reads for how long the consumers of a group have not asked for
// anything, in milliseconds.
func parseConsumers(v resp.Value, err error) (map[string]float64, error) {
	var rows []resp.Value
	if err == nil {
		rows, err = v.Array()
	}
	if err != nil {
		return nil, err
	}
	out := make(map[string]float64, len(rows))
	for _, row := range rows {
		fields, err := row.Pairs()
		if err != nil {
			return nil, err
		}
		idle, ok := streamNumber(fields, "idle")
		if !ok {
			return nil, errors.New("a consumer does not tell when it was seen")
		}
		out[string(streamField(fields, "name").Str)] = idle
	}
	return out, nil
}

// countAbandoned counts the rows of XPENDING, of messages that nobody works on as far
// as can be told: idle says for how long their consumers have not asked for anything.
func countAbandoned(v resp.Value, err error, idle map[string]float64) (float64, error) {
	var rows []resp.Value
	if err == nil {
		rows, err = v.Array()
	}
	if err != nil {
		return 0, err
	}
	n := 0.0
	for _, row := range rows {
		if len(row.Elems) != 4 {
			return 0, errors.New("expected 4 members of a message")
		}
		since, err := row.Elems[2].Float64()
		if err != nil {
			return 0, err
		}
		if last, ok := idle[string(row.Elems[1].Str)]; since >= taskiqIdle && (!ok || last >= taskiqIdle) {
			n++
		}
	}
	return n, nil
}
