package jobs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// celery reads what Celery 5 keeps in its broker: the queues of kombu's Redis
// transport. The prefix is its global_keyprefix, as it is.
//
// Queues are known by their bindings: _kombu.binding.<exchange> is a set of
// routing key, pattern and queue, joined by a separator that the application may
// choose; it is taken from there, see celery_separator.go. Messages with a priority lie in lists of their
// own, <queue><separator><step>; all steps from 1 to 9 are looked at, whatever
// priority_steps says. Queues that are made anew at each start have a UUID in their
// names (those of Broadcast and of events), and are one queue here, with a star for
// it.
//
// Exchanges have names that an application may choose. A worker binds a queue to
// its control exchange, <name>.pidbox, whatever the name is.
// Sources: kombu/transport/redis.py and virtual/base.py of 5.2.4 and 5.6.2.
type celery struct{}

const (
	celeryBinding = "_kombu.binding."
	// celerySeparator is kombu's own.
	celerySeparator = "\x06\x16"
	// celeryPidbox names the exchange to which every worker binds a queue, unless
	// control_exchange names another.
	celeryPidbox = "celery.pidbox"
	// celeryUnacked is kombu's unacked_key, and with _index the unacked_index_key.
	celeryUnacked = "unacked"
	// celeryVisibility is kombu's default visibility_timeout.
	celeryVisibility = time.Hour
)

var celerySpec = &spec{
	Name:  "celery",
	Lists: true,
	Markers: func(prefix string) []marker {
		return []marker{
			{Key: prefix + celeryBinding + "celery", Type: "set"}, {Key: prefix + celeryBinding + celeryPidbox, Type: "set"},
			{Key: prefix + "unacked_index", Type: "zset"},
		}
	},
	Clue: func(key string) (clue, bool) {
		prefix, exchange, ok := strings.Cut(key, celeryBinding)
		if !ok {
			return celeryUnackedClue(key)
		}
		if exchange == "" {
			return clue{}, false
		}
		if exchange == "celeryev" || isReply(exchange) {
			exchange = "" // shows the system, and no queue
		}
		return clue{
			Prefix: prefix, Name: exchange,
			Proof:  []redisclient.Command{{"TYPE", key}},
			Proves: areTypes("set"),
		}, true
	},
	Lacks: slices.Concat(
		lackEverywhere("messages do not say when they were sent", figLatency),
		lackOfQueues("running tasks are not kept in Redis; with acks_late they are among the system's unacked", figActive),
		lackOfSystem("running tasks are not kept in Redis; with acks_late they are among unacked", figActive),
		lackOfQueues("a worker keeps such tasks in its memory; they are among the system's unacked", figScheduled, figOverdue, figRetry),
		lackOfSystem("a worker keeps such tasks in its memory; they are among unacked", figScheduled, figOverdue, figRetry),
		lackOfQueues("each result is a key of its own and does not name its queue", figFailed, figCompleted),
		lackOfSystem("each result is a key of its own, in no list", figFailed, figCompleted),
		lackOfQueues("pausing is a message to the workers, which Redis does not keep", figPaused),
		lackOfQueues("there are no counters", figProcessed, figFailedTotal, figArrival, figDrain),
		lackOfSystem("there are no counters", figProcessed, figFailedTotal),
		lackOfSystem("workers report it in messages that Redis does not keep",
			figWorkersDead, figWorkersBusy, figWorkersSlots, figWorkersQuiet, figUtilisation, figOldestRunning),
		lackOfSystem("it is not known which worker has a message: see unacked_expired and oldest_unacked", figOrphaned),
	),
	Commands: []string{"client|id", "client|list", "hlen", "hscan", "lindex", "llen", "scard", "sscan", "zcount", "zrange"},
	Keys: func(prefix string, queues []string) []string {
		if prefix != "" {
			return []string{prefix + "*"}
		}
		out := []string{celeryBinding + "*", "unacked", "unacked_index", "celery*"}
		for _, queue := range queues {
			out = append(out, queue+"*")
		}
		return out
	},
}

func (celery) Spec() *spec { return celerySpec }

func (celery) Read(p *poll, r *reading) {
	unacked, pidboxes, exchanges := []string{celeryUnacked}, []string{celeryPidbox}, []string{"celery"}
	for _, name := range r.Found {
		list := &exchanges
		if base, ok := strings.CutPrefix(name, celeryUnackedMark); ok {
			list, name = &unacked, base
		} else if strings.HasSuffix(name, ".pidbox") {
			list = &pidboxes
		}
		if !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	if r.only != "" && !slices.Contains(exchanges, r.only) {
		exchanges = append(exchanges, r.only) // which is what a queue has when nothing else is said
	}
	for _, key := range unacked {
		celeryReadUnacked(p, r, r.Prefix+key)
	}
	p.clients(func(nodes [][]client, err error) { celeryListeners(p, r, nodes, err) })
	// A killed worker stays in it, and others cannot be told from it.
	for _, pidbox := range pidboxes {
		p.Count(&r.figures, figWorkers, "SCARD", r.Prefix+celeryBinding+pidbox)
	}
	bindings := &celeryBindings{names: r.extra}
	if r.only != "" {
		bindings.names = append(slices.Clone(r.extra), r.only)
	}
	for _, pidbox := range pidboxes { // which show the separator where no queue is bound
		p.Ask(func(v resp.Value, err error) {
			if _, members, err := scanned(v, err); err == nil {
				bindings.addPidbox(pidbox, members)
			}
		}, "SSCAN", r.Prefix+celeryBinding+pidbox, "0", "COUNT", "10")
	}
	var problem error
	for i, exchange := range exchanges {
		p.Members(max(100, maxListed/len(exchanges)), func(members []string, size int, err error) {
			if err == nil && size > len(members) {
				err = tooMany(size, "bindings", len(members))
			}
			if err != nil {
				problem = err
			}
			bindings.add(exchange, members)
			if i == len(exchanges)-1 {
				celeryQueues(p, r, bindings, problem)
			}
		}, r.Prefix+celeryBinding+exchange)
	}
}

// celeryQueues reads the queues whose names the bindings told, all but those of
// a binding that could not be read.
func celeryQueues(p *poll, r *reading, bindings *celeryBindings, problem error) {
	foreign, err := bindings.part()
	r.skipNames(nameForeign, foreign)
	problem = cmp.Or(problem, err)
	if problem != nil {
		r.MissSums(problem)
	}
	// Those of other exchanges are known when all keys were searched.
	r.ownList = problem == nil
	r.hasList, r.partList = r.ownList && r.searched, !r.searched
	if r.only != "" {
		r.hasList = true
		r.partWhy = fmt.Sprintf("no binding of the exchanges celery and %s names it: it is not known whether there is such a queue; "+
			"job.get finds those of other exchanges, and Jobs.Queues=celery:%s says that there is one", r.only, r.only)
		if problem != nil {
			r.partList, r.partWhy = true, "it is not known whether there is such a queue: "+problem.Error()
		}
	}
	folded := make(map[string][]string)
	for name := range bindings.separators {
		name = name[:min(len(name), maxName+1)]
		folded[celeryFold(name)] = append(folded[celeryFold(name)], name)
	}
	lists := func(q *queue) []string {
		out := []string{r.Prefix + q.Name}
		for _, separator := range bindings.of(q.Name) {
			for step := 1; step <= 9; step++ {
				out = append(out, r.Prefix+q.Name+separator+strconv.Itoa(step))
			}
		}
		return out
	}
	queues := r.Open(slices.Sorted(maps.Keys(folded)))
	r.ReadRest(p, 1+9*max(1, len(bindings.all)), func(q *queue) {
		for _, list := range lists(q) {
			p.Count(&q.figures, figWaiting, "LLEN", list)
		}
	})
	for _, q := range queues {
		if strings.Contains(q.Name, "*") && len(folded[q.Name]) > 0 {
			celeryFolded(p, r.Prefix, q, folded[q.Name])
			continue
		}
		if !q.Listed && len(bindings.all) == 0 && !r.searched {
			q.Miss(figWaiting, errNoSeparator.Error())
		}
		for _, list := range lists(q) {
			p.Ask(func(v resp.Value, err error) {
				var n int64
				if err == nil {
					n, err = v.Int64()
				}
				if err != nil {
					q.Miss(figWaiting, "LLEN: "+err.Error())
					return
				}
				q.Add(figWaiting, float64(n))
				if n > 0 {
					p.AskPayload(func(v resp.Value, _ error) { q.Head += headHash(v) + " " }, "LINDEX", list, "-1")
				}
			}, "LLEN", list)
		}
	}
}

// celeryListeners counts the clients that may be parts of workers. A worker listens
// for remote control and events, by patterns, and waits for jobs: without such a
// client none lives. Workers of other systems wait for lists as well, so where there
// is remote control, and a client with patterns was seen before, one without counts
// for nothing.
func celeryListeners(p *poll, r *reading, nodes [][]client, err error) {
	r.count(nodes, err, func(c client) bool { return c.listens })
	patterns := slices.ContainsFunc(slices.Concat(nodes...), func(c client) bool { return c.patterns })
	controlled, _ := r.Get(figWorkers)
	if _, seen := p.state.workerSeen(r.instance); patterns {
		p.state.sawWorker(r.instance, 0)
	} else if seen && controlled > 0 {
		r.listeners = 0
	}
}
