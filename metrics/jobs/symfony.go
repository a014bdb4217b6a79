package jobs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// symfony reads the Redis transport of Symfony Messenger. A transport is a stream, and
// that is a queue here; the application chooses its name. Its one group is called
// symfony, unless the application says otherwise, and acknowledged messages are deleted.
// Delayed messages, retries among them, are in a sorted set, <stream>__queue, until a
// worker moves them.
//
// A failure transport is a stream as well. It is known by its first message, which has
// Messenger's stamp, or by its name when it has no consumer: what is in it has failed, and
// does not wait.
//
// Workers are consumers. Their names come from the application, several processes may
// have the same, and they are never removed. One that is idle asks for messages each
// second, and one that handles a message does not; so whether the latter lives is not
// known for redeliver_timeout, an hour by default, and after that as long as a client is
// connected that may be it.
// Sources: Transport/Connection.php of symfony/redis-messenger 5.4 and 7.4, and
// https://redis.io/docs/latest/commands/xinfo-consumers/
type symfony struct{}

const (
	symfonyDelayed = "__queue"
	symfonyGroup   = "symfony"
	// symfonyStamp is the class of the stamp that a message gets when it is sent to a
	// failure transport, at the end of its name.
	symfonyStamp = "SentToFailureTransportStamp"
	// symfonyRedeliver is redeliver_timeout's default, in seconds: how long after it was
	// taken another worker may take a message that is not acknowledged.
	symfonyRedeliver = 3600
)

// symfonyNames are what transports are usually called, or what comes last in their
// names: those of Symfony's own recipe and documents.
var symfonyNames = []string{"messages", "async", "failed"}

var symfonySpec = &spec{
	Name:        "symfony",
	Lists:       true,
	EmptyIsGone: true,
	Prefix:      func(string) string { return "" },
	Clue:        symfonyClue,
	Stream: func(key string) (clue, bool) {
		c := symfonyStreamClue(key)
		c.Rare = true
		return c, !strings.HasSuffix(key, ":events") // of which BullMQ has one for each queue
	},
	Lacks: slices.Concat(
		lackEverywhere("messages to be tried again are among the scheduled ones", figRetry),
		lackEverywhere("a message is deleted when it is acknowledged", figCompleted),
		lackOfQueues("a queue cannot be paused", figPaused),
		lackEverywhere("failed messages are acknowledged as well", figFailedTotal),
		lackOfSystem("consumers are names, and several processes may share one", figWorkersBusy, figWorkersSlots, figWorkersQuiet, figUtilisation),
	),
	Commands: []string{"client|id", "client|list", "xinfo|consumers", "xinfo|groups", "xinfo|stream", "xlen", "xpending", "xrange", "zcard", "zcount", "zrange"},
	Keys: func(_ string, queues []string) []string {
		var out []string
		for _, stream := range append(slices.Clone(symfonyNames), queues...) {
			out = append(out, stream, stream+symfonyDelayed)
		}
		return out
	},
}

// symfonyClue recognizes a set of delayed messages, whatever the stream is called, and
// streams with usual names, for servers before Redis 6. Many others may end in these
// words.
func symfonyClue(key string) (clue, bool) {
	if stream, ok := strings.CutSuffix(key, symfonyDelayed); ok && stream != "" {
		return clue{
			Name:  stream,
			Proof: []redisclient.Command{{"ZRANGE", key, "0", "0"}},
			Proves: func(replies []resp.Value) bool {
				text, err := firstText(replies[0], nil)
				return err == nil && isSymfonyMessage([]byte(text))
			},
			Open: func([]resp.Value) bool { return true },
		}, true
	}
	at := strings.LastIndexAny(key, ":._-")
	last := key[at+1:]
	// Bull and Resque have keys that end in failed.
	if !slices.Contains(symfonyNames, last) || at >= 0 && last == "failed" {
		return clue{}, false
	}
	c := symfonyStreamClue(key)
	c.Rare = last != key
	return c, true
}

// symfonyStreamClue asks whether a stream is a transport.
func symfonyStreamClue(key string) clue {
	return clue{
		Name:  key,
		Proof: []redisclient.Command{{"XINFO", "GROUPS", key}, {"XRANGE", key, "-", "+", "COUNT", "1"}},
		Proves: func(replies []resp.Value) bool {
			groups, err := parseStreamGroups(replies[0])
			if err != nil {
				return false
			}
			if slices.ContainsFunc(groups, func(g streamGroup) bool { return g.name == symfonyGroup }) {
				return true
			}
			entries, err := replies[1].Array()
			return err == nil && len(groups) > 0 && len(entries) > 0 && isSymfonyMessage(symfonyPayload(entries[0]))
		},
		Open: func(replies []resp.Value) bool {
			groups, err := parseStreamGroups(replies[0])
			return err == nil && len(groups) > 0
		},
	}
}

// symfonyPayload is the one field of an entry, called message; nil when there are others.
func symfonyPayload(entry resp.Value) []byte {
	if len(entry.Elems) != 2 {
		return nil
	}
	fields, err := entry.Elems[1].Pairs()
	if err != nil || len(fields) != 2 || string(fields[0].Str) != "message" {
		return nil
	}
	return fields[1].Str
}

// isSymfonyMessage recognizes what a transport keeps of a message: a JSON object with
// body and headers, in PHP's serialization where it is in a stream.
func isSymfonyMessage(text []byte) bool {
	if bytes.HasPrefix(text, []byte("s:")) { // s:<length>:"...";
		_, text, _ = bytes.Cut(text, []byte(`:"`))
		text = bytes.TrimSuffix(text, []byte(`";`))
	}
	if len(text) > maxPayload {
		return hasShape(text, map[string]string{"body": `"`, "headers": ""})
	}
	var raw struct {
		Body    *string `json:"body"`
		Headers any     `json:"headers"`
	}
	return parseJSON(text, &raw) == nil && raw.Body != nil && raw.Headers != nil
}

func (symfony) Spec() *spec { return symfonySpec }

func (symfony) Read(p *poll, r *reading) {
	s := &symfonyReading{p: p, r: r, names: make(map[string]*symfonyWorker)}
	p.holders(r, holder{
		takes: []string{"xack", "xclaim", "xreadgroup"}, asks: []string{"xreadgroup"}, works: []string{"exec", "xadd", "zadd"},
		since: symfonyRedeliver,
	})
	queues := r.Open(r.Found)
	s.left = len(queues)
	r.ReadRest(p, 1, s.rest)
	for _, q := range queues {
		s.queue(q)
	}
	if r.only != "" && (!r.searched || slices.ContainsFunc(slices.Concat(r.Found, r.extra), func(name string) bool { return name != r.only })) {
		r.partWorkers = "workers show in each stream that they consume, and one alone was read: see job.get"
	}
	if len(queues) == 0 {
		s.finish()
	}
}

// symfonyReading reads the transports of an application.
type symfonyReading struct {
	p *poll
	r *reading
	// left are the streams that are not read yet.
	left     int
	failures bool // there is a failure transport
	names    map[string]*symfonyWorker
	err      error // why not all consumers are known
}

// rest asks for what waits in a stream beyond the limit.
func (s *symfonyReading) rest(q *queue) {
	s.p.Ask(func(v resp.Value, err error) {
		var groups []streamGroup
		if err == nil {
			groups, err = parseStreamGroups(v)
		}
		if err != nil {
			q.Miss(figWaiting, "XINFO GROUPS: "+err.Error())
			return
		}
		q.Set(figWaiting, 0)
		for _, g := range groups {
			if lag, _ := q.Get(figWaiting); !g.lagKnown {
				q.Miss(figWaiting, fmt.Sprintf("the server does not know how far group %.64q is", g.name))
			} else if g.lag > lag {
				q.Set(figWaiting, g.lag)
			}
		}
	}, "XINFO", "GROUPS", q.Name)
}

// symfonyStream is a transport while it is read.
type symfonyStream struct {
	*symfonyReading
	q         *queue
	pending   []symfonyPending
	consumers []symfonyConsumer
	// pendingErr and consumersErr are why they are not known.
	pendingErr, consumersErr error
	used                     bool // it has consumers
	// counts: the server does not know how far the group is. there are the messages up to
	// there that are still in the stream, at most one more than those not acknowledged.
	counts   bool
	there    float64
	takenErr error
}

func (s *symfonyReading) queue(q *queue) {
	t := &symfonyStream{symfonyReading: s, q: q}
	q.Prompt = true
	s.p.Count(&q.figures, figScheduled, "ZCARD", q.Name+symfonyDelayed)
	readStream(s.p, q, t.grouped)
}

// grouped asks for what each group's consumers have. The server's time is known.
func (t *symfonyStream) grouped(groups []streamGroup, err error) {
	t.p.Count(&t.q.figures, figOverdue, "ZCOUNT", t.q.Name+symfonyDelayed, "-inf", t.p.OverdueArg(1000))
	if err != nil {
		err = fmt.Errorf("XINFO GROUPS: %w", err)
		if strings.Contains(err.Error(), "no such key") {
			err = errNoStream
		}
		for _, f := range []figure{figWaiting, figActive, figLatency, figOrphaned, figProcessed, figFailed, figArrival, figDrain} {
			t.q.Miss(f, err.Error())
		}
		t.err = cmp.Or(t.err, err)
		t.read()
		return
	}
	t.q.Exists = true
	if len(groups) == 1 && !groups[0].lagKnown && groups[0].pending <= symfonyCounted {
		groups[0].lagKnown = true
		t.count(groups[0])
	}
	for i, g := range groups {
		t.used = t.used || g.consumers > 0
		if !g.doneKnown {
			t.q.Miss(figProcessed, fmt.Sprintf("the server does not know how much group %.64q has read", g.name))
		} else if done, _ := t.q.Get(figProcessed); i == 0 || g.done < done {
			t.q.Set(figProcessed, g.done)
		}
		t.group(g)
	}
	if len(groups) == 0 {
		t.q.Set(figProcessed, 0)
	}
	var length float64
	t.p.Ask(func(v resp.Value, err error) {
		length, err = number(v, err)
		if err != nil { // it had one before
			t.q.Miss(figFailed, "XLEN: "+err.Error())
		}
		t.p.AskPayload(func(v resp.Value, err error) {
			entries, _ := v.Array()
			if len(entries) == 0 {
				entries = []resp.Value{{Kind: resp.Null}}
			}
			t.first(entries[0], length)
		}, "XRANGE", t.q.Name, "-", "+", "COUNT", "1")
	}, "XLEN", t.q.Name)
}

// count counts the messages that a group has taken and that are still there, for servers
// before Redis 7.0. Where acknowledged ones are deleted, those are the ones that it has not
// acknowledged, and all others wait.
func (t *symfonyStream) count(g streamGroup) {
	t.counts = true
	t.p.AskPayload(func(v resp.Value, err error) {
		var entries []resp.Value
		if err == nil {
			entries, err = v.Array()
		}
		if t.there = float64(len(entries)); err == nil && t.there > g.pending {
			err = errors.New("acknowledged messages are kept, and only servers from Redis 7.0 on know how far a group is")
		}
		t.takenErr = err
	}, "XRANGE", t.q.Name, "-", g.delivered.String(), "COUNT", fmt.Sprint(g.pending+1))
}

var errNoStream = errors.New("there is no such stream: nobody has sent a message to it or asked for one yet")

// first is called last, with the first message of the stream and the number of all.
func (t *symfonyStream) first(entry resp.Value, length float64) {
	message := symfonyPayload(entry)
	q := t.q
	if t.counts && t.takenErr != nil {
		for _, f := range []figure{figWaiting, figArrival, figDrain} {
			q.Miss(f, t.takenErr.Error())
		}
	} else if t.counts {
		q.Set(figWaiting, max(0, length-t.there))
	}
	switch {
	case bytes.Contains(message, []byte(symfonyStamp)), !t.used && strings.Contains(strings.ToLower(q.Name), "fail"):
		t.failures = true
		q.Set(figFailed, length)
		for _, f := range []figure{figWaiting, figLatency, figActive, figOrphaned} {
			q.Set(f, 0)
		}
		q.Head = ""
	default:
		q.Set(figFailed, 0)
		t.taken()
		t.merge()
	}
	t.read()
}

// read counts a stream that was read; after the last one, what follows for all is said.
func (s *symfonyReading) read() {
	if s.left--; s.left == 0 {
		s.finish()
	}
}

func (s *symfonyReading) finish() {
	if !s.failures {
		s.r.Miss(figFailed, "no failure transport was found, and failed messages are in a stream of their own")
	}
	s.workers()
}
