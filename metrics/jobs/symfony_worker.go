package jobs

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"redisjobs/redisclient/resp"
)

const (
	// symfonyLooked bounds the messages of a group that are looked at of those that
	// were taken and not acknowledged, and its consumers.
	symfonyLooked = 1000
	// symfonyCounted bounds those that are counted where the server does not know how far
	// a group is.
	symfonyCounted = 100
	// symfonyIdle is how long a consumer that handles no message may not have asked for
	// one and yet live, in seconds; a worker that is idle asks each second.
	symfonyIdle = 60
)

// symfonyPending is a message that a consumer has taken and not acknowledged.
type symfonyPending struct {
	consumer string
	idle     float64 // since when, in seconds
}

// symfonyConsumer is a consumer of one group.
type symfonyConsumer struct {
	name string
	idle float64 // since it asked last, in seconds
	asks bool    // idle is also of questions that had no answer: servers from 7.2 on
}

// group asks for what the consumers of a group have taken, and when they asked last.
func (t *symfonyStream) group(g streamGroup) {
	if !t.p.FollowUps(2) {
		t.pendingErr, t.consumersErr = errManyFollowUps, errManyFollowUps
		return
	}
	if g.pending > symfonyLooked {
		t.pendingErr = tooMany(int(g.pending), "messages were taken", symfonyLooked)
	} else if g.pending > 0 {
		t.p.Ask(func(v resp.Value, err error) {
			rows, err := parseSymfonyPending(v, err)
			t.pending = append(t.pending, rows...)
			t.pendingErr = errors.Join(t.pendingErr, err)
		}, "XPENDING", t.q.Name, g.name, "-", "+", fmt.Sprint(symfonyLooked))
	}
	if g.consumers > symfonyLooked {
		t.consumersErr = tooMany(int(g.consumers), "consumers", symfonyLooked)
	} else if g.consumers > 0 {
		t.p.Ask(func(v resp.Value, err error) {
			rows, err := parseSymfonyConsumers(v, err)
			t.consumers = append(t.consumers, rows...)
			t.consumersErr = errors.Join(t.consumersErr, err)
		}, "XINFO", "CONSUMERS", t.q.Name, g.name)
	}
}

// taken says since when messages are handled, and which of them nobody handles.
func (t *symfonyStream) taken() {
	if t.pendingErr != nil {
		t.q.Miss(figOrphaned, t.pendingErr.Error())
		t.r.UnknownRun(t.pendingErr.Error())
		return
	}
	t.q.Set(figOrphaned, 0)
	lapsed := 0.0
	for _, m := range t.pending {
		t.r.Began(t.p.Now() - m.idle)
		if m.idle >= symfonyRedeliver {
			lapsed++
		}
	}
	t.r.lapsed(t.q, lapsed)
}

// symfonyWorker is what all streams tell of a consumer's name.
type symfonyWorker struct {
	idle    float64
	asks    bool
	handles bool // it has taken a message, less than symfonyRedeliver ago
	lapsed  bool // or longer ago
	queues  []string
}

// merge adds the consumers of a stream to those of the others: a worker may consume
// several.
func (t *symfonyStream) merge() {
	if err := errors.Join(t.consumersErr, t.pendingErr); err != nil {
		t.err = errors.Join(t.err, err)
		return
	}
	for _, c := range t.consumers {
		w := t.names[c.name]
		if w == nil {
			w = &symfonyWorker{idle: c.idle, asks: true}
			t.names[c.name] = w
		}
		w.idle = min(w.idle, c.idle)
		w.asks = w.asks && c.asks
		w.queues = append(w.queues, t.q.Name)
	}
	for _, m := range t.pending {
		if w := t.names[m.consumer]; w != nil {
			w.handles = w.handles || m.idle < symfonyRedeliver
			w.lapsed = w.lapsed || m.idle >= symfonyRedeliver
		}
	}
}

// workers says which consumers live.
func (s *symfonyReading) workers() {
	if s.err != nil {
		s.r.MissWorkers(s.err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.names)) {
		if len(s.r.Workers) == maxWorkers {
			s.r.CutWorkers++
			continue
		}
		w := s.names[name]
		out := worker{Alive: true, Queues: w.queues, Slots: 1}
		nobody, why := s.r.nobodyHolds()
		if w.handles || w.lapsed && !nobody {
			out.Busy = 1
		}
		reason := ""
		switch {
		case w.idle <= symfonyIdle:
		case w.handles:
			reason = "a consumer handles a message, and does not ask for others meanwhile"
		case w.lapsed && !nobody:
			reason = fmt.Sprintf("a consumer has had a message for more than %d s, and %s", symfonyRedeliver, why)
		case !w.asks:
			reason = "the server does not tell when a consumer asked in vain, as Redis does from 7.2 on"
		default:
			out.Alive = false
		}
		if reason != "" {
			s.r.Miss(figWorkersAlive, reason)
			s.r.Miss(figWorkersDead, reason)
		}
		s.r.Workers = append(s.r.Workers, out)
	}
}

var errNoConsumer = errors.New("a consumer does not tell its name and since when it is idle")

// parseSymfonyConsumers reads a reply of XINFO CONSUMERS.
func parseSymfonyConsumers(v resp.Value, err error) ([]symfonyConsumer, error) {
	var rows []resp.Value
	if err == nil {
		rows, err = v.Array()
	}
	if err != nil {
		return nil, fmt.Errorf("XINFO CONSUMERS: %w", err)
	}
	out := make([]symfonyConsumer, 0, len(rows))
	for _, row := range rows {
		fields, err := row.Pairs()
		if err != nil {
			return nil, fmt.Errorf("XINFO CONSUMERS: %w", err)
		}
		name := streamField(fields, "name")
		idle, ok := streamNumber(fields, "idle")
		if !ok || name.Kind != resp.BulkString {
			return nil, errNoConsumer
		}
		asks := !streamField(fields, "inactive").IsNull()
		out = append(out, symfonyConsumer{string(name.Str), idle / 1000, asks})
	}
	return out, nil
}

var errNoPending = errors.New("XPENDING: a message does not tell its consumer and since when")

// parseSymfonyPending reads a reply of XPENDING: rows of id, consumer, milliseconds since
// the message was taken, and how often it was.
func parseSymfonyPending(v resp.Value, err error) ([]symfonyPending, error) {
	var rows []resp.Value
	if err == nil {
		rows, err = v.Array()
	}
	if err != nil {
		return nil, fmt.Errorf("XPENDING: %w", err)
	}
	out := make([]symfonyPending, 0, len(rows))
	for _, row := range rows {
		fields, err := row.Array()
		if err != nil || len(fields) < 3 {
			return nil, errNoPending
		}
		idle, err := fields[2].Float64()
		if err != nil || idle < 0 {
			return nil, errNoPending
		}
		out = append(out, symfonyPending{string(fields[1].Str), idle / 1000})
	}
	return out, nil
}
