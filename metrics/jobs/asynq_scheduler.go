package jobs

import (
	"strconv"
	"strings"

	"redisjobs/redisclient/resp"
)

// asynqScheduler reads Asynq's schedulers. Each writes its entries every ten seconds;
// they are gone 20 s after its death, but its name stays, whose score is when it is
// taken for dead. Entries have other ids at each start: their type tells them apart.
// Source: scheduler.go, internal/rdb/rdb.go and internal/proto/asynq.proto of v0.26.0.
func asynqScheduler(p *poll, r *reading) {
	s := r.schedule("asynq-scheduler", graceShort)
	s.fades = true
	alive, problem := 0.0, error(nil)
	s.alive = func() (float64, error) { return alive, problem }
	p.Strings(func(pairs []string, err error) {
		var keys []string
		var scores map[string]float64
		if err == nil {
			keys, scores, err = scored(pairs)
		}
		if err != nil {
			problem = err
			s.fail("schedulers", err)
			return
		}
		s.used = len(keys) > 0
		for _, key := range keys {
			if scores[key] < p.Now() || !isMoment(scores[key]) {
				continue
			}
			alive++
			if !strings.HasPrefix(key, "asynq:schedulers:") || len(key) > 2*maxName {
				s.unread++ // it is no key of entries
				continue
			}
			// It writes them anew when half of its time is over: they are not older than
			// what is left.
			asynqEntries(p, r, s, key, scores[key]-p.Now())
		}
	}, "ZRANGE", "asynq:schedulers", strconv.Itoa(-maxSchedulers), "-1", "WITHSCORES")
}

// asynqEntries reads the entries of a scheduler, whose times may be so old.
func asynqEntries(p *poll, r *reading, s *scheduler, key string, stale float64) {
	p.Ask(func(v resp.Value, err error) {
		if n, err := number(v, err); err == nil {
			s.unread += max(0, int(n)-maxPeriodic)
		}
	}, "LLEN", key)
	p.AskPayload(func(v resp.Value, err error) {
		var entries []resp.Value
		if err == nil {
			entries, err = v.Array()
		}
		if err != nil {
			s.fail("entries", err)
			return
		}
		seen := make(map[string]int)
		for _, e := range entries {
			j, err := parseAsynqEntry(e.Str)
			if err != nil {
				s.fail("an entry", err)
				continue
			}
			p.state.heard(r.instance, j.queueName)
			// The same type and schedule in one scheduler is another entry.
			j.key = j.schedule
			if seen[j.name+j.key]++; seen[j.name+j.key] > 1 {
				j.key += " " + strconv.Itoa(seen[j.name+j.key])
			}
			j.stale = stale
			s.add(j)
		}
	}, "LRANGE", key, "0", strconv.Itoa(maxPeriodic-1))
}

// parseAsynqEntry reads message SchedulerEntry; its payload is not looked at.
func parseAsynqEntry(text []byte) (*periodicJob, error) {
	j := &periodicJob{queueName: "default"}
	err := eachField(text, func(number int, _ uint64, bytes []byte) {
		switch number {
		case 2:
			j.schedule = string(bytes[:min(len(bytes), maxName)])
		case 3:
			j.name = string(bytes[:min(len(bytes), maxName)])
		case 5: // Queue("low")
			if queue, ok := strings.CutPrefix(string(bytes[:min(len(bytes), maxName)]), `Queue("`); ok {
				j.queueName = strings.TrimSuffix(queue, `")`)
			}
		case 6:
			j.next, _ = parseTimestamp(bytes)
		case 7:
			j.last, _ = parseTimestamp(bytes) // year 1 before the first run
		}
	})
	return j, err
}
