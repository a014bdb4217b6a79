package jobs

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// redbeat reads celery-redbeat, which keeps the schedule of Celery's beat in Redis. It
// may be in another Redis or database than the broker, and has a prefix of its own
// (redbeat_key_prefix): it is a system without queues. Celery's own beat keeps its
// schedule in a file, and django-celery-beat in a database.
// Source: redbeat/schedulers.py and decoder.py of 2.4.2.
type redbeat struct{}

var redbeatSpec = &spec{
	Name:          "redbeat",
	DefaultPrefix: "redbeat:",
	Markers: func(prefix string) []marker {
		return []marker{{Key: prefix + ":schedule", Type: "zset"}, {Key: prefix + ":statics", Type: "set"}}
	},
	Clue: func(key string) (clue, bool) {
		prefix, ok := strings.CutSuffix(key, ":statics")
		if !ok || prefix == "" {
			return clue{}, false
		}
		return clue{
			Prefix: prefix, Rare: true,
			Proof:  []redisclient.Command{{"TYPE", key}, {"TYPE", prefix + ":schedule"}},
			Proves: areTypes("set", "zset"),
		}, true
	},
	Lacks:    redbeatLacks(),
	Commands: []string{"hmget", "pttl", "zcard", "zrange"},
	Keys:     func(prefix string, _ []string) []string { return []string{prefix + "*"} },
}

// redbeatLacks are all figures of queues, jobs and workers: it just sends tasks.
func redbeatLacks() []lack {
	const reason = "it is a scheduler: its tasks are in the queues of Celery"
	out := lackOfSystem(reason, figQueueCount, figQueuesPaused, figQueuesStuck, figQueuesSaturated, figWorkersQuiet)
	out = append(out, lackOfSystem(reason, systemFigures...)...)
	return append(out, lackOfQueues(reason, append(figuresOfQueues[:len(figuresOfQueues):len(figuresOfQueues)], figStuck)...)...)
}

func (redbeat) Spec() *spec { return redbeatSpec }

func (redbeat) Read(p *poll, r *reading) {
	if r.only != "" {
		r.Open(nil)
		return
	}
	s := r.schedule("redbeat", graceShort)
	s.earliest = true
	redbeatLock(p, r, s)
	size := 0
	p.Ask(func(v resp.Value, err error) {
		n, err := number(v, err)
		if err != nil {
			s.fail("schedule", err)
		}
		size = int(n)
		s.used = s.used || size > 0
	}, "ZCARD", r.Prefix+":schedule")
	p.Strings(func(pairs []string, err error) {
		var keys []string
		var scores map[string]float64
		if err == nil {
			keys, scores, err = scored(pairs)
		}
		if err != nil {
			s.fail("schedule", err)
			return
		}
		s.unread = max(0, size-len(keys))
		for i, key := range keys {
			if !p.FollowUps(1) {
				s.unread += len(keys) - i
				return
			}
			if !strings.HasPrefix(key, r.Prefix) || len(key) > 2*maxName {
				s.unread++ // it is no key of an entry
				continue
			}
			redbeatEntry(p, r, s, key, scores[key])
		}
	}, "ZRANGE", r.Prefix+":schedule", "0", strconv.Itoa(maxPeriodic-1), "WITHSCORES")
}

// redbeatLock asks for the lock of the beat that works; others wait for it. A beat
// renews it each time it looks for due entries, and deletes it when it is stopped; a
// killed one keeps it until its time is over, which is 25 minutes if nothing else is
// said (redbeat_lock_timeout). It can be switched off: then there never is one.
func redbeatLock(p *poll, r *reading, s *scheduler) {
	alive, problem := 0.0, error(nil)
	s.alive = func() (float64, error) {
		overdue := 0
		for _, j := range s.jobs {
			if j.held() == "" && j.next > 0 && p.Now()-j.next > s.grace {
				overdue++
			}
		}
		if problem == nil && alive == 0 && overdue == 0 && p.state.lastAlive(r.instance, s.name).IsZero() {
			return 0, errors.New("there is no lock, and it may be switched off (redbeat_lock_key)")
		}
		return alive, problem
	}
	p.Ask(func(v resp.Value, err error) {
		var ttl float64
		ttl, problem = number(v, err)
		if problem == nil && ttl != -2 {
			alive, s.used = 1, true
		}
	}, "PTTL", r.Prefix+":lock")
}

// redbeatEntry reads an entry. One that is switched off stays due; one that does not
// come any more has a negative score.
func redbeatEntry(p *poll, r *reading, s *scheduler, key string, due float64) {
	name := strings.TrimPrefix(key, r.Prefix)
	j := &periodicJob{name: name, key: name, next: max(due, 0)}
	if due <= 0 {
		j.ended = "it does not run again"
	}
	s.jobs = append(s.jobs, j)
	p.AskPayload(func(v resp.Value, err error) {
		fields, err := hashFields(2, v, err)
		var text []byte
		if err == nil {
			text, err = payload(fields[0])
		}
		var d redbeatDefinition
		if err == nil {
			err = parseJSON(text, &d)
		}
		if err != nil {
			// It is not known whether it is switched off.
			j.next, j.nextWhy, j.lastWhy = 0, "its record: "+err.Error(), "its record: "+err.Error()
			return
		}
		j.disabled = d.Enabled != nil && !*d.Enabled
		j.schedule = d.Schedule.text()
		if queue, ok := d.Options["queue"].(string); ok {
			j.queueName = queue
		}
		j.last, j.lastWhy = parseRedbeatMeta(fields[1].Str)
	}, "HMGET", key, "definition", "meta")
}

// redbeatDefinition is what is wanted of an entry; arguments are not looked at.
type redbeatDefinition struct {
	Enabled  *bool           `json:"enabled"`
	Schedule redbeatSchedule `json:"schedule"`
	Options  map[string]any  `json:"options"`
}

// redbeatSchedule is one of the kinds of schedules: a crontab, an interval, or
// another, whose kind is shown.
type redbeatSchedule struct {
	Type       string  `json:"__type__"`
	Every      float64 `json:"every"`
	Minute     any     `json:"minute"`
	Hour       any     `json:"hour"`
	DayOfMonth any     `json:"day_of_month"`
	Month      any     `json:"month_of_year"`
	DayOfWeek  any     `json:"day_of_week"`
}

func (s redbeatSchedule) text() string {
	switch s.Type {
	case "interval":
		return everyText(s.Every)
	case "crontab":
		var fields []string
		for _, v := range []any{s.Minute, s.Hour, s.DayOfMonth, s.Month, s.DayOfWeek} {
			text := fmt.Sprint(v)
			if v == nil {
				text = "*"
			}
			fields = append(fields, strings.ReplaceAll(text, " ", ""))
		}
		return strings.Join(fields, " ")
	}
	return s.Type
}

// parseRedbeatMeta reads when an entry was last run; why says why that is not known.
func parseRedbeatMeta(text []byte) (last float64, why string) {
	if len(text) == 0 {
		return 0, ""
	}
	var meta struct {
		Last *struct {
			Year, Month, Day, Hour, Minute, Second, Microsecond int
			Timezone                                            any
			Type                                                string `json:"__type__"`
		} `json:"last_run_at"`
		// Count is missing before the first run, when Last is the beat's first start.
		Count float64 `json:"total_run_count"`
	}
	if err := parseJSON(text, &meta); err != nil {
		return 0, "its last run: " + err.Error()
	}
	if meta.Last == nil || meta.Count < 1 {
		return 0, ""
	}
	l := meta.Last
	zone := time.UTC
	switch name := l.Timezone.(type) {
	case float64: // of one without a name, the seconds from UTC
		if math.Abs(name) > 86400 {
			return 0, "its last run is in an unknown time zone"
		}
		zone = time.FixedZone("", int(name))
	case string:
		loaded, err := time.LoadLocation(name)
		if err != nil || name == "Local" {
			return 0, "its last run is in an unknown time zone"
		}
		zone = loaded
	}
	at := time.Date(l.Year, time.Month(l.Month), l.Day, l.Hour, l.Minute, l.Second, l.Microsecond*1000, zone)
	s := float64(at.UnixMicro()) / 1e6
	if s < moment2000 || s > moment2200 {
		return 0, "its last run is no time"
	}
	return s, ""
}
