package jobs

import (
	"fmt"
	"slices"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// bullmq reads BullMQ 5 and 6, bull its predecessor Bull 3 and 4. Both keep a
// queue in keys that begin with prefix:queue:, and most of those are the same.
// Neither has a list of its queues, of its workers or of what it has processed.
// Sources: src/commands of BullMQ 5.81.5 and 6.7.0, lib/commands of Bull 4.16.5.
type (
	bullmq struct{}
	bull   struct{}
)

const (
	// bullActive bounds the running jobs of a queue that are looked at to see
	// whether their workers live.
	bullActive = 100
	// bullOldest begins their range: new ones are put before the others.
	bullOldest = "-100"
	// bullDelay is what the score of a delayed job is multiplied by: the rest is
	// a counter.
	bullDelay = 4096
)

var bullmqSpec = &spec{
	Name:          "bullmq",
	Lists:         true,
	DefaultPrefix: "bull",
	Clue: func(key string) (clue, bool) {
		// Queues' names have no colon; prefixes may.
		queue, ok := strings.CutSuffix(key, ":meta")
		i := strings.LastIndexByte(queue, ':')
		if !ok || i < 1 || i == len(queue)-1 {
			return clue{}, false
		}
		return clue{
			Prefix: queue[:i], Name: queue[i+1:],
			Proof: []redisclient.Command{bullMeta(key)},
			Proves: func(replies []resp.Value) bool {
				fields, err := replies[0].Array()
				return err == nil && len(fields) == 2 &&
					(strings.HasPrefix(string(fields[0].Str), "bullmq") || !fields[1].IsNull())
			},
		}, true
	},
	Lacks:           bullLacks,
	Commands:        append([]string{"hexists"}, bullCommands...),
	FailureCommands: bullFailureCommands,
	Keys:            bullKeys,
}

var bullSpec = &spec{
	Name:          "bull",
	Lists:         true,
	DefaultPrefix: "bull",
	Clue: func(key string) (clue, bool) {
		base, ok := strings.CutSuffix(key, ":id")
		prefix, queue, ok2 := splitQueue("bull", base)
		if !ok || !ok2 {
			return clue{}, false
		}
		// A counter called id proves little: one of the lists must be there, and
		// not what BullMQ keeps in its hash. Bull has that hash, too, while a queue
		// is paused, for the sake of BullMQ.
		// Bee-Queue has some of these names too, and others that Bull has not.
		suffixes := []string{"id", "wait", "active", "paused", "completed", "failed", "delayed", "repeat", "waiting", "succeeded", "jobs"}
		c := clue{Prefix: prefix, Name: queue, Proof: []redisclient.Command{bullMeta(base + ":meta")}}
		for _, suffix := range suffixes {
			c.Proof = append(c.Proof, redisclient.Command{"TYPE", base + ":" + suffix})
		}
		c.Proves = func(replies []resp.Value) bool {
			meta, err := replies[0].Array()
			if err != nil || slices.ContainsFunc(meta, func(v resp.Value) bool { return !v.IsNull() }) {
				return false
			}
			want := []string{"string", "list", "list", "list", "zset", "zset", "zset", "zset"}
			foreign := []string{"list", "set", "hash"}
			some := false
			for i, v := range replies[1:] {
				typ, err := v.Text()
				if err != nil {
					return false
				}
				if i >= len(want) {
					if typ == foreign[i-len(want)] {
						return false
					}
					continue
				}
				if typ != want[i] && (i < 1 || typ != "none") {
					return false
				}
				some = some || i >= 1 && typ == want[i]
			}
			return some
		}
		return c, true
	},
	Splits:          true,
	Lacks:           bullLacks,
	Commands:        append([]string{"exists", "hlen"}, bullCommands...),
	FailureCommands: bullFailureCommands,
	Keys:            bullKeys,
}

// splitQueue parts the prefix from the name of a queue. Both may have colons: behind
// the system's own prefix all is the name, and with another one it is the last part.
// Configured prefixes are another matter, see Spec.Splits.
func splitQueue(own, base string) (prefix, queue string, ok bool) {
	if queue, ok := strings.CutPrefix(base, own+":"); ok && queue != "" {
		return own, queue, true
	}
	i := strings.LastIndexByte(base, ':')
	if i < 1 || i == len(base)-1 {
		return "", "", false
	}
	return base[:i], base[i+1:], true
}

// bullMeta asks for what only BullMQ keeps in its hash: the version since 5.0,
// the length since the beginning.
func bullMeta(key string) redisclient.Command {
	return redisclient.Command{"HMGET", key, "version", "opts.maxLenEvents"}
}

var bullLacks = append(
	lackOfQueues("failed jobs that are tried again are among the scheduled ones", figRetry),
	append(append(lackEverywhere("the counter of ids also counts jobs that were refused, because one of their id is there", figAdded),
		lackOfSystem("failed jobs that are tried again are among the scheduled ones", figRetry)...),
		append(lackOfSystem("a dead worker leaves no trace but the jobs that it ran", figWorkersDead),
			lackOfSystem("workers do not report what they run, nor how many jobs they could run", figWorkersBusy, figWorkersSlots, figUtilisation,
				figWorkersQuiet)...)...)...,
)

var bullCommands = []string{"client|id", "client|list", "get", "hget", "hmget", "lindex", "llen", "lrange", "pttl", "type", "zcard",
	"zcount", "zrange"}

var bullFailureCommands = []string{"hget", "hmget", "hstrlen", "zcard", "zcount", "zrange"}

func bullKeys(prefix string, _ []string) []string { return []string{prefix + ":*"} }

func (bullmq) Spec() *spec { return bullmqSpec }

func (bullmq) Read(p *poll, r *reading) {
	b := newBullReading(p, r, "bzpopmin", bullmqExists)
	queues := r.Open(r.Found)
	r.ReadRest(p, 3, func(q *queue) {
		b.waiting(q)
		p.Count(&q.figures, figWaiting, "ZCARD", b.base(q)+"prioritized")
	})
	for _, q := range queues {
		k := b.base(q)
		var meta []string // version, opts.maxLenEvents, max
		p.Ask(func(v resp.Value, err error) {
			if elems, err2 := v.Array(); err == nil && err2 == nil {
				for _, e := range elems {
					meta = append(meta, string(e.Str))
					q.Exists = q.Exists || len(e.Str) > 0
				}
			}
		}, "HMGET", k+"meta", "version", "opts.maxLenEvents", "max")
		p.Ask(func(v resp.Value, err error) {
			n, err := number(v, err)
			if err != nil {
				q.Miss(figWaiting, "ZCARD: "+err.Error())
				q.Miss(figPrioritized, "ZCARD: "+err.Error())
				return
			}
			q.Add(figWaiting, n)
			q.Set(figPrioritized, n)
		}, "ZCARD", k+"prioritized")
		p.Count(&q.figures, figWaitingChildren, "ZCARD", k+"waiting-children")
		p.Count(&q.figures, figPaused, "HEXISTS", k+"meta", "paused")
		b.queue(q)
		b.limit(q, func() string {
			if len(meta) == 3 {
				return meta[2]
			}
			return ""
		})
		// Up to version 5 the waiting jobs of a paused queue are moved to a list of
		// their own. Of those with a priority only the next one can be told.
		b.oldest(q, []string{"LINDEX", k + "wait", "-1"}, []string{"LINDEX", k + "paused", "-1"},
			[]string{"ZRANGE", k + "prioritized", "0", "0"})
		b.older(q, k+"wait", k+"paused")
		b.priorities(q)
	}
	b.repeats(queues, b.jobScheduler)
}

func (bull) Spec() *spec { return bullSpec }

func (bull) Read(p *poll, r *reading) {
	b := newBullReading(p, r, "brpoplpush", bullExists)
	queues := r.Open(r.Found)
	r.ReadRest(p, 2, b.waiting)
	for _, q := range queues {
		k := b.base(q)
		p.Count(&q.figures, figPaused, "EXISTS", k+"meta-paused")
		b.queue(q)
		b.limited(q)
		p.Ask(func(v resp.Value, err error) {
			n, err := number(v, err)
			if err == nil && n > 0 {
				err = fmt.Errorf("%.0f jobs have a priority, and the next one is not the oldest", n)
			}
			if err != nil {
				q.Miss(figLatency, err.Error())
			}
		}, "ZCARD", k+"priority")
		b.oldest(q, []string{"LINDEX", k + "wait", "-1"}, []string{"LINDEX", k + "paused", "-1"})
		b.older(q, k+"wait", k+"paused")
	}
	b.repeats(queues, b.repeatable)
}
