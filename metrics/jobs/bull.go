package jobs

import (
	"encoding/base64"
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
	// bullDelay is what the score of a delayed job is multiplied by: the rest is
	// a counter.
	bullDelay = 4096
)

var bullmqSpec = &spec{
	Name:          "bullmq",
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
	Lacks:    bullLacks,
	Commands: append([]string{"hexists"}, bullCommands...),
	Keys:     bullKeys,
}

var bullSpec = &spec{
	Name:          "bull",
	DefaultPrefix: "bull",
	Clue: func(key string) (clue, bool) {
		base, ok := strings.CutSuffix(key, ":id")
		prefix, queue, ok2 := strings.Cut(base, ":") // queues' names may have colons
		if !ok || !ok2 || prefix == "" || queue == "" {
			return clue{}, false
		}
		// A counter called id proves little: one of the lists must be there, and
		// not what BullMQ keeps in its hash. Bull has that hash, too, while a queue
		// is paused, for the sake of BullMQ.
		suffixes := []string{"id", "wait", "active", "paused", "completed", "failed", "delayed", "repeat"}
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
			some := false
			for i, v := range replies[1:] {
				typ, err := v.Text()
				if err != nil || typ != want[i] && (i < 1 || typ != "none") {
					return false
				}
				some = some || i >= 1 && typ == want[i]
			}
			return some
		}
		return c, true
	},
	Lacks:    bullLacks,
	Commands: append([]string{"exists"}, bullCommands...),
	Keys:     bullKeys,
}

// bullMeta asks for what only BullMQ keeps in its hash: the version since 5.0,
// the length since the beginning.
func bullMeta(key string) redisclient.Command {
	return redisclient.Command{"HMGET", key, "version", "opts.maxLenEvents"}
}

var bullLacks = append(
	lackOfQueues("failed jobs that are tried again are among the scheduled ones", figRetry),
	append(lackOfSystem("failed jobs that are tried again are among the scheduled ones", figRetry),
		append(lackOfSystem("a dead worker leaves no trace but the jobs that it ran", figWorkersDead),
			lackOfSystem("workers do not tell what they run, nor how much they could", figWorkersBusy, figWorkersSlots, figUtilisation,
				figWorkersQuiet)...)...)...,
)

var bullCommands = []string{"client|list", "get", "hget", "hmget", "lindex", "llen", "lrange", "pttl", "type", "zcard",
	"zcount", "zrange"}

func bullKeys(prefix string, _ []string) []string { return []string{prefix + ":*"} }

func (bullmq) Spec() *spec { return bullmqSpec }

func (bullmq) Read(p *poll, r *reading) {
	b := newBullReading(p, r)
	for _, q := range r.Open(r.Found) {
		k := b.base(q)
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
		// Up to version 5 the waiting jobs of a paused queue are moved to a list of
		// their own. Of those with a priority only the next one can be told.
		b.oldest(q, []string{"LINDEX", k + "wait", "-1"}, []string{"LINDEX", k + "paused", "-1"},
			[]string{"ZRANGE", k + "prioritized", "0", "0"})
	}
}

func (bull) Spec() *spec { return bullSpec }

func (bull) Read(p *poll, r *reading) {
	b := newBullReading(p, r)
	for _, q := range r.Open(r.Found) {
		k := b.base(q)
		p.Count(&q.figures, figPaused, "EXISTS", k+"meta-paused")
		b.queue(q)
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
	}
}

// bullReading reads what both have in common.
type bullReading struct {
	p *poll
	r *reading
	// oldestRunning is the begin of the running job that began first; 0 for none.
	oldestRunning float64
}

func newBullReading(p *poll, r *reading) *bullReading {
	b := &bullReading{p: p, r: r}
	r.Set(figOldestRunning, 0)
	p.clients(func(names []string, err error) {
		if err != nil {
			r.MissWorkers(fmt.Errorf("CLIENT LIST: %w", err))
			return
		}
		for _, name := range names {
			if b.isWorker(name) {
				r.Workers = append(r.Workers, worker{Alive: true, Busy: -1, Slots: -1})
			}
		}
	})
	return b
}

// base begins the keys of a queue.
func (b *bullReading) base(q *queue) string { return b.r.Prefix + ":" + q.Name + ":" }

// isWorker judges the name of a client: the prefix and the queue in base64, with
// ":w:" and the worker's own name when it has one. Queue events end in ":qe".
func (b *bullReading) isWorker(client string) bool {
	rest, ok := strings.CutPrefix(client, b.r.Prefix+":")
	code, more, _ := strings.Cut(rest, ":")
	if !ok || more != "" && !strings.HasPrefix(more, "w:") {
		return false
	}
	name, err := base64.StdEncoding.DecodeString(code)
	if err != nil {
		return false
	}
	for _, q := range b.r.Queues {
		if q.Name == string(name) {
			return true
		}
	}
	return false
}

// queue asks for the figures of one queue, but its oldest job.
func (b *bullReading) queue(q *queue) {
	p, k := b.p, b.base(q)
	p.Count(&q.figures, figWaiting, "LLEN", k+"wait")
	p.Count(&q.figures, figWaiting, "LLEN", k+"paused")
	p.Count(&q.figures, figActive, "LLEN", k+"active")
	p.Count(&q.figures, figScheduled, "ZCARD", k+"delayed")
	p.Count(&q.figures, figFailed, "ZCARD", k+"failed")
	p.Count(&q.figures, figCompleted, "ZCARD", k+"completed")
	p.Count(&q.figures, figAdded, "GET", k+"id")
	b.processed(q)
	p.Ask(func(v resp.Value, err error) {
		p.Count(&q.figures, figOverdue, "ZCOUNT", k+"delayed", "-inf", p.NowArg(1000*bullDelay)) // the time is known by now
		var ids []string
		if err == nil {
			ids, err = v.Strings()
		}
		if err != nil {
			q.Miss(figOrphaned, err.Error())
			b.r.Miss(figOldestRunning, err.Error())
			return
		}
		b.running(q, ids)
	}, "LRANGE", k+"active", "0", fmt.Sprint(bullActive-1))
}

// processed reads the counters that workers keep when they are told to; what
// failed is counted apart.
func (b *bullReading) processed(q *queue) {
	k := b.base(q)
	var counts [2]float64
	var known [2]bool
	for i, key := range []string{"metrics:completed", "metrics:failed"} {
		b.p.Ask(func(v resp.Value, err error) {
			if err == nil && !v.IsNull() {
				counts[i], err = v.Float64()
				known[i] = err == nil
			}
			switch {
			case err != nil:
				q.Miss(figProcessed, err.Error())
				q.Miss(figFailedTotal, err.Error())
			case i == 0:
			case known[0] || known[1]:
				q.Set(figProcessed, counts[0]+counts[1])
				q.Set(figFailedTotal, counts[1])
			default:
				const reason = "the workers keep no metrics"
				q.Miss(figProcessed, reason)
				q.Miss(figFailedTotal, reason)
			}
		}, "HGET", k+key, "count")
	}
}

// running looks at the jobs that were running when the round before was
// answered. A worker holds a lock on each of its jobs, and renews it; without
// one the worker is dead, if the job has not ended in the meantime.
func (b *bullReading) running(q *queue, ids []string) {
	p, k := b.p, b.base(q)
	if len(ids) == 0 {
		q.Set(figOrphaned, 0)
		return
	}
	if len(ids) == bullActive {
		q.Miss(figOrphaned, fmt.Sprintf("%d jobs run or more, and not all were looked at", bullActive))
	}
	unlocked := make(map[string]bool)
	for _, id := range ids {
		p.Ask(func(v resp.Value, err error) {
			ttl, err := number(v, err)
			if err != nil {
				q.Miss(figOrphaned, err.Error())
			} else if ttl == -2 {
				unlocked[id] = true
			}
		}, "PTTL", k+id+":lock")
	}
	p.Strings(func(still []string, err error) {
		if err != nil {
			q.Miss(figOrphaned, err.Error())
			return
		}
		q.Set(figOrphaned, 0)
		for _, id := range still {
			if unlocked[id] {
				q.Add(figOrphaned, 1)
			}
		}
	}, "LRANGE", k+"active", "0", fmt.Sprint(bullActive-1))
	// New ones are put before the others.
	p.Ask(func(v resp.Value, err error) {
		if err == nil && v.IsNull() {
			return // it has ended, and was not kept
		}
		var began float64
		if err == nil {
			began, err = epochOf(v)
		}
		if err != nil {
			b.r.Miss(figOldestRunning, "a running job: "+err.Error())
			return
		}
		if b.oldestRunning == 0 || began < b.oldestRunning {
			b.oldestRunning = began
			b.r.Set(figOldestRunning, p.Age(began))
		}
	}, "HGET", k+ids[len(ids)-1], "processedOn")
}

// oldest asks commands for the id of the job that is next, and then for the time
// at which the oldest of them was added.
func (b *bullReading) oldest(q *queue, commands ...[]string) {
	p, k := b.p, b.base(q)
	q.Set(figLatency, 0)
	for _, cmd := range commands {
		p.Ask(func(v resp.Value, err error) {
			id, err := firstText(v, err)
			if err != nil {
				q.Miss(figLatency, cmd[0]+": "+err.Error())
				return
			}
			if id == "" {
				return
			}
			q.Head += "/" + id
			p.addedAt(q, epochOf, "HGET", k+id, "timestamp")
		}, cmd...)
	}
}

// firstText is a text, or the first one of an array; "" for nothing.
func firstText(v resp.Value, err error) (string, error) {
	if err != nil || v.IsNull() {
		return "", err
	}
	if v.Kind == resp.Array {
		texts, err := v.Strings()
		if err != nil || len(texts) == 0 {
			return "", err
		}
		return texts[0], nil
	}
	return v.Text()
}

// epochOf reads a reply as a time, see parseEpoch.
func epochOf(v resp.Value) (float64, error) {
	text, err := v.Text()
	if err != nil {
		return 0, err
	}
	return parseEpoch(text)
}
