package jobs

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"redisjobs/redisclient/resp"
)

// Workers of Bull and BullMQ show by the names of their connections alone. One that could
// not give it a name, because its own has a blank in it, or because the server allows no
// names, shows only by what it waits with, and by the locks on its jobs.

// bullOthers bounds the queues of other names that are looked for in a poll, because a
// client is called after them.
const bullOthers = 100

// workers notes those that the names of clients show. A worker waits at the node
// of a cluster that has its queue's slot, and may have idle connections to others:
// of each queue the node that has the most counts. A queue that is not among those that
// are read counts when it is there: which workers the system has does not depend on which
// queue is asked for.
func (b *bullReading) workers(nodes [][]client) {
	known := make(map[string]bool)
	for _, name := range b.r.Found {
		known[name] = true
	}
	for q := range b.r.all() {
		known[q.Name] = true
	}
	most := make(map[string]int)
	others := sync.OnceValue(func() map[string]map[string]bool { return b.p.state.bullPrefixes(b.r.Prefix) })
	waits := 0
	for _, clients := range nodes {
		ours, pythons := make(map[string]int), make(map[string]int)
		for _, c := range clients {
			queue, python := bullWorker(b.r.Prefix, c.name, known)
			switch {
			case queue == "":
				if c.cmd == b.waitsWith && !bullElsewhere(b.r.Prefix, c.name, others) {
					waits++
				}
			case python:
				pythons[queue]++
			default:
				ours[queue]++
			}
		}
		for queue, n := range pythons { // each has two connections, one of them to wait
			ours[queue] += (n + 1) / 2
		}
		for queue, n := range ours {
			most[queue] = max(most[queue], n)
		}
	}
	looked := 0
	for _, queue := range slices.Sorted(maps.Keys(most)) {
		switch {
		case known[queue]:
			b.serve(queue, most[queue])
		case looked < bullOthers && b.p.FollowUps(1):
			looked++
			b.exists(b.p, b.r.Prefix+":"+queue, func() { b.serve(queue, most[queue]) })
		}
	}
	b.unnamed = waits
}

// serve notes n workers of a queue. Those beyond the limit live as well.
func (b *bullReading) serve(queue string, n int) {
	if b.serving == nil {
		b.serving = make(map[string]float64)
	}
	b.serving[queue] += float64(n)
	b.living += float64(n)
	for range min(n, maxWorkers-len(b.r.Workers)) {
		b.r.Workers = append(b.r.Workers, worker{Alive: true, Busy: -1, Slots: -1, Queues: []string{queue}})
	}
}

// doubt makes it unknown whether workers live where none has a name and a client waits
// for something as they do.
func (b *bullReading) doubt() {
	if int(b.living) > len(b.r.Workers) {
		b.r.Set(figWorkers, b.living)
		b.r.Set(figWorkersAlive, b.living)
	}
	if b.living > 0 || b.unnamed == 0 {
		return
	}
	for _, f := range []figure{figWorkers, figWorkersAlive} {
		b.r.Miss(f, fmt.Sprintf("no connection has the name of a worker; %d without one wait as workers do", b.unnamed))
	}
}

// bullPrefixes are the queues that were found under other prefixes.
func (s *state) bullPrefixes(but string) map[string]map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]map[string]bool)
	for i, known := range s.instances {
		if i.Prefix == but || i.System != bullSpec.Name && i.System != bullmqSpec.Name {
			continue
		}
		if out[i.Prefix] == nil {
			out[i.Prefix] = make(map[string]bool)
		}
		for name := range known.names {
			out[i.Prefix][name] = true
		}
	}
	return out
}

// bullElsewhere reports whether a connection has the name of a worker of another prefix
// than ours: of one of those that were found, or of any by its form. Where ours ends in that
// prefix the queue must be known there: something between may put more before the keys.
// The form is looked at first: there may be as many prefixes as connections.
func bullElsewhere(ours, client string, others func() map[string]map[string]bool) bool {
	plain, _, _ := strings.Cut(client, ":w:")
	i := strings.LastIndexByte(plain, ':')
	if i >= 1 && !strings.HasSuffix(ours, plain[:i]) {
		queue, err := base64.StdEncoding.DecodeString(plain[i+1:])
		if err == nil && checkQueue(string(queue)) == nil {
			return true
		}
	}
	if !strings.Contains(client, ":") {
		return false // it has no prefix
	}
	for prefix, known := range others() {
		if queue, _ := bullWorker(prefix, client, known); queue != "" && (known[queue] || !strings.HasSuffix(ours, prefix)) {
			return true
		}
	}
	return false
}

// bullWorker is the queue of a worker, by the name of its connection: the prefix and the
// queue in base64, or, of BullMQ for Python, as it is; with ":w:" and the worker's own
// name when it has one. Queue events end in ":qe". Known are queues of the system: names
// that may be read in two ways are one of these.
// Sources: lib/worker.js of Bull 4.16.5; redis-queue-backend.ts of BullMQ 6, backends/
// redis_backend.py of BullMQ for Python 3.4
func bullWorker(prefix, client string, known map[string]bool) (queue string, python bool) {
	name, ok := strings.CutPrefix(client, prefix+":")
	if !ok {
		return "", false
	}
	plain, _, _ := strings.Cut(name, ":w:")
	decoded, err := base64.StdEncoding.DecodeString(plain)
	queue = string(decoded)
	switch {
	case err == nil && known[queue]:
		return queue, false
	case known[plain]:
		return plain, true
	case err == nil && checkQueue(queue) == nil:
		return queue, false
	}
	// A prefix of the application may be the beginning of what is called a queue here.
	if i := strings.LastIndexByte(plain, ':'); i >= 0 {
		last, err := base64.StdEncoding.DecodeString(plain[i+1:])
		queue = plain[:i+1] + string(last)
		if err == nil && known[queue] {
			return queue, false
		}
	}
	switch {
	case checkQueue(plain) == nil && !strings.Contains(plain, ":"):
		return plain, true
	}
	return "", false
}

// bullmqExists calls then when there is a queue with that beginning of its keys.
func bullmqExists(p *poll, base string, then func()) {
	p.Ask(func(v resp.Value, err error) {
		fields, err := hashFields(2, v, err)
		if err == nil && (strings.HasPrefix(string(fields[0].Str), "bullmq") || !fields[1].IsNull()) {
			then()
		}
	}, bullMeta(base+":meta")...)
}

// bullExists is that of Bull: it has a counter, and not what BullMQ keeps.
func bullExists(p *poll, base string, then func()) {
	is := true
	bullmqExists(p, base, func() { is = false })
	p.Ask(func(v resp.Value, err error) {
		if err == nil && !v.IsNull() && is {
			then()
		}
	}, "GET", base+":id")
}

// limited counts the jobs of Bull that its rate limit holds back. It delays those that are
// beyond it, and notes of each in which set of such jobs it is: there is one, or one for
// each group. With bounceBack it leaves them where they are, and only the workers know
// how far the limit goes.
// Source: lib/commands/moveToActive-8.lua of Bull 4.16.5
func (b *bullReading) limited(q *queue) {
	k := b.base(q)
	var held float64
	var heldErr error
	b.p.Ask(func(v resp.Value, err error) { held, heldErr = number(v, err) }, "HLEN", k+"limiter:index")
	b.p.Ask(func(v resp.Value, err error) {
		left, err := number(v, err)
		waiting, known := q.Get(figWaiting)
		if scheduled, known := q.Get(figScheduled); known { // an entry may have outlived its job
			held = min(held, scheduled)
		}
		switch err = cmp.Or(heldErr, err); {
		case err != nil:
			q.Miss(figRateLimited, "limiter: "+err.Error())
		case held > 0 || left <= 0 || known && waiting == 0:
			q.Set(figRateLimited, held)
		default:
			q.Miss(figRateLimited, "jobs wait while a limiter counts, and whether it holds them back (bounceBack) is known to the workers alone")
		}
	}, "PTTL", k+"limiter")
}
