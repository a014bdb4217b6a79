package jobs

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// djangoq reads django-q2, and Django Q before it, with their Redis broker: one list
// for each cluster, under the cluster's name. All else is in the application's
// database (schedules, results, failures) or in its cache (what lives).
//
// A task is a pickle, which is not looked into, with Django's signature, which has the
// second in which it was signed: that is when it was put into its list.
// Sources: django_q/brokers/redis_broker.py, pusher.py and signing.py of 1.11.1;
// django/core/signing.py of 4.2.
type djangoq struct{}

const (
	djangoPrefix = "django_q:"
	// maxSignature bounds a signature, in bytes. It has 43 since Django 3.1.
	maxSignature = 128
)

var djangoqSpec = &spec{
	Name:        "djangoq",
	Lists:       true,
	EmptyIsGone: true,
	Prefix:      func(string) string { return "" },
	Clue: func(key string) (clue, bool) {
		rest, ok := strings.CutPrefix(key, djangoPrefix)
		queue, ok2 := strings.CutSuffix(rest, ":q")
		if !ok || !ok2 || queue == "" {
			return clue{}, false
		}
		return clue{
			Name:  queue,
			Proof: []redisclient.Command{{"TYPE", key}, {"LINDEX", key, "0"}},
			Proves: func(replies []resp.Value) bool {
				if !areTypes("list")(replies[:1]) {
					return false
				}
				_, err := parseDjangoTask(replies[1].Str)
				return err == nil || replies[1].Kind == resp.TooLarge
			},
		}, true
	},
	Lacks: slices.Concat(
		lackEverywhere("running tasks are not kept in Redis, and are lost when their cluster is killed", figActive),
		lackOfSystem("running tasks are not kept in Redis, and are lost when their cluster is killed", figOrphaned, figOldestRunning),
		lackEverywhere("schedules are in the application's database", figScheduled, figOverdue),
		lackEverywhere("results and failures are in the application's database", figRetry, figFailed, figCompleted, figProcessed, figFailedTotal),
		lackOfQueues("results and failures are in the application's database", figArrival, figDrain),
		lackOfQueues("a queue cannot be paused", figPaused),
		lackOfSystem("clusters report what they do in the cache of the application", figWorkers, figWorkersDead, figWorkersBusy,
			figWorkersSlots, figUtilisation, figWorkersQuiet),
	),
	Commands: []string{"client|id", "client|list", "lindex", "llen", "type"},
	Keys:     func(string, []string) []string { return []string{djangoPrefix + "*"} },
}

func (djangoq) Spec() *spec { return djangoqSpec }

func (djangoq) Read(p *poll, r *reading) {
	// A cluster has a connection that does nothing but wait for tasks.
	p.listeners(r, []string{"blpop"}, nil)
	queues := r.Open(r.Found)
	r.ReadRest(p, 1, func(q *queue) { p.Count(&q.figures, figWaiting, "LLEN", djangoPrefix+q.Name+":q") })
	for _, q := range queues {
		key := djangoPrefix + q.Name + ":q"
		p.Count(&q.figures, figWaiting, "LLEN", key)
		p.AskPayload(func(v resp.Value, err error) { p.oldest(q, v, err, parseDjangoTask) }, "LINDEX", key, "0")
	}
}

var errNotSigned = errors.New("it has no signature of Django's")

// parseDjangoTask reads the second in which a task was signed. Its signature is what no
// other has.
func parseDjangoTask(text []byte) (oldestJob, error) {
	tail := text[max(0, len(text)-maxSignature):]
	i := bytes.LastIndexByte(tail, ':')
	if i < 0 {
		return oldestJob{}, errNotSigned
	}
	signature := tail[i+1:]
	j := bytes.LastIndexByte(tail[:i], ':')
	if j < 0 || len(signature) < 20 || !isBase64(signature) {
		return oldestJob{}, errNotSigned
	}
	seconds := 0.0
	for _, c := range tail[j+1 : i] {
		digit := strings.IndexByte(djangoDigits, c)
		if digit < 0 {
			return oldestJob{}, errNotSigned
		}
		seconds = seconds*62 + float64(digit)
	}
	if seconds < moment2000 || seconds > moment2200 {
		return oldestJob{}, errMoment
	}
	return oldestJob{id: string(signature), at: seconds}, nil
}

const djangoDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// isBase64 reports whether a text has just the digits of base64 for names of files.
func isBase64(text []byte) bool {
	return bytes.IndexFunc(text, func(c rune) bool { return c != '-' && c != '_' && (c > 'z' || !strings.ContainsRune(djangoDigits, c)) }) < 0
}
