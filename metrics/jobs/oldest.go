package jobs

import "redisjobs/redisclient/resp"

// addedAt asks when a job was added, and makes its age the queue's latency if
// that is no greater one. read takes the time in unix seconds from the reply.
func (p *poll) addedAt(q *queue, read func(resp.Value) (float64, error), cmd ...string) {
	p.Ask(func(v resp.Value, err error) {
		var at float64
		if err == nil {
			at, err = read(v)
		}
		if err != nil {
			q.Miss(figLatency, "oldest job: "+err.Error())
			return
		}
		q.HeadAt = at
		q.waitsSince(p, q.Head, at)
	}, cmd...)
}

// Where jobs may be put before others (LIFO, at_front, priorities), the next one is not the
// oldest. So those beside it and at the other end are looked at, too, and the one that had
// waited longest at the last poll as long as it waits: a job that others overtake is seen
// before they do. The latency is the greatest of all that were looked at.

// manyQueues is how many queues are read before just the other end is looked at.
const manyQueues = 100

// waitsSince notes that a job waits since then; q's latency is that of the oldest.
func (q *queue) waitsSince(p *poll, id string, at float64) {
	q.waits(p, at)
	if q.oldestID == "" || at < q.oldestAt {
		q.oldestID, q.oldestAt = id, at
	}
}

// waitedLongest is the job that had waited longest in a queue at the last poll; "" for
// none.
func (s *state) waitedLongest(i instance, queue string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.sampleOf(sampleKey{i, queue}); old != nil {
		return old.oldest
	}
	return ""
}

// oldestJob is what is wanted of a queue's oldest job.
type oldestJob struct {
	id string
	at float64 // when it was added, in unix seconds
	// again: it was added a second time since, and does not say when.
	again bool
	// attempts is how often it was tried, where at is then when it was touched last.
	attempts float64
	// problem is why it cannot be told when it was added, though it is a job.
	problem error
}

// oldest takes a queue's head and latency from its oldest job itself; a null is
// an empty queue. parse may know the id though it returns an error.
func (p *poll) oldest(q *queue, v resp.Value, err error, parse func(text []byte) (oldestJob, error)) {
	if err == nil && v.IsNull() {
		q.Set(figLatency, 0)
		return
	}
	var text []byte
	if err == nil {
		text, err = payload(v)
	}
	var job oldestJob
	if err == nil {
		job, err = parse(text)
	}
	q.Head, q.HeadAt = job.id, job.at
	switch {
	case err != nil:
		q.Miss(figLatency, "oldest job: "+err.Error())
	case job.again:
		q.FirstSeen = true
	default:
		q.waits(p, job.at)
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
