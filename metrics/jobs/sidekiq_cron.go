package jobs

import (
	"errors"
	"slices"
	"strings"
	"time"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// sidekiqCronMark begins a namespace of sidekiq-cron among the names that SCAN found.
const sidekiqCronMark = "\x00cron "

// sidekiqCronClue recognizes the jobs of sidekiq-cron, whose set is called after their
// namespace. They are there before the first queue is and the first process, and when all
// processes are dead.
func sidekiqCronClue(key string) (clue, bool) {
	prefix, namespace, ok := strings.Cut(key, "cron_jobs")
	if !ok || len(namespace) > maxName || prefix != "" && !strings.HasSuffix(prefix, ":") {
		return clue{}, false
	}
	name := ""
	switch namespace {
	case "", ":default": // which are always asked for
	default:
		if namespace[0] != ':' || namespace == ":" {
			return clue{}, false
		}
		name = sidekiqCronMark + namespace[1:]
	}
	return clue{
		Prefix: withoutColon(prefix), Name: name, Rare: true,
		Proof: []redisclient.Command{{"SSCAN", key, "0", "COUNT", "10"}},
		Proves: func(replies []resp.Value) bool {
			_, members, err := scanned(replies[0], nil)
			return err == nil && slices.ContainsFunc(members, func(m string) bool { return isCronJob(m, prefix) })
		},
	}, true
}

// isCronJob reports whether a member of a set is the key of a job of sidekiq-cron: an
// application may have a set of that name, too.
func isCronJob(member, prefix string) bool {
	return strings.HasPrefix(strings.TrimPrefix(member, prefix), "cron_job:") && len(member) <= 2*maxName
}

// sidekiqCron reads the jobs of sidekiq-cron. Every living process looks for due ones
// each 30 s. When a job runs next is in no key: it follows from its crontab, which is
// UTC if it names no zone, and its last run.
// Source: lib/sidekiq/cron/job.rb of 2.3.1; before 2.0 there were no namespaces.
func sidekiqCron(p *poll, r *reading, k string) {
	s := r.schedule("sidekiq-cron", gracePolled)
	s.alive, s.ofWorkers = r.livingWorkers, true
	sets := []string{"cron_jobs:default", "cron_jobs"}
	for _, name := range r.Found {
		if namespace, ok := strings.CutPrefix(name, sidekiqCronMark); ok {
			sets = append(sets, "cron_jobs:"+namespace)
		}
	}
	asked := 0
	for _, set := range sets {
		p.Members(maxPeriodic, func(members []string, size int, err error) {
			if err != nil {
				if !isWrongType(err) { // an application's own key
					s.fail(set, err)
				}
				return
			}
			read := len(members)
			members = slices.DeleteFunc(members, func(m string) bool { return !isCronJob(m, k) })
			if len(members) == 0 {
				return
			}
			s.used = true
			s.unread += size - read
			for i, member := range members {
				if asked >= maxPeriodic || !p.FollowUps(2) {
					s.unread += len(members) - i
					return
				}
				asked++
				sidekiqCronJob(p, s, k+strings.TrimPrefix(member, k))
			}
		}, k+set)
	}
}

// sidekiqCronLayout is how times are written.
const sidekiqCronLayout = "2006-01-02 15:04:05 Z0700"

// sidekiqCronJob reads one job; key is that of its hash. The set of its runs begins
// with the time of its definition.
func sidekiqCronJob(p *poll, s *scheduler, key string) {
	j := &periodicJob{key: key}
	p.Strings(func(pairs []string, err error) {
		if err != nil || len(pairs) == 0 {
			return
		}
		if _, scores, err := scored(pairs); err == nil {
			if at := scores[pairs[0]]; isMoment(at) {
				j.made = at
			}
		}
	}, "ZRANGE", key+":enqueued", "-1", "-1", "WITHSCORES")
	p.AskPayload(func(v resp.Value, err error) {
		var fields []resp.Value
		if err == nil {
			fields, err = v.Array()
		}
		if err == nil && (len(fields) != 5 || fields[0].IsNull()) {
			err = errors.New("it is no job of sidekiq-cron")
		}
		if err != nil {
			s.fail("a job", err)
			return
		}
		j.name, j.schedule, j.disabled = string(fields[0].Str), string(fields[1].Str), string(fields[2].Str) == "disabled"
		var message struct {
			Queue string `json:"queue"`
		}
		if parseJSON(fields[4].Str, &message) == nil {
			j.queueName = message.Queue
		}
		if at, err := parseDate(string(fields[3].Str), sidekiqCronLayout, time.RFC3339); err == nil {
			j.last = at
		} else if len(fields[3].Str) > 0 {
			j.lastWhy = "its last run is no time"
		}
		c, err := parseCrontab(j.schedule, time.UTC)
		j.tick = func(after float64) (float64, error) {
			if err != nil {
				return 0, err
			}
			return c.next(after)
		}
		s.jobs = append(s.jobs, j)
	}, "HMGET", key, "name", "cron", "status", "last_enqueue_time", "message")
}

// sidekiqSchedulerLayouts are how it writes times: in the time zone called UTC, which
// containers have, with a Z, and with the zone's name where it is a time of Ruby's own.
// Source: EtOrbi::EoTime#to_s in lib/et-orbi/time.rb of et-orbi 1.2.11
var sidekiqSchedulerLayouts = []string{sidekiqCronLayout, "2006-01-02 15:04:05 MST", time.RFC3339}

// sidekiqScheduler reads the jobs of sidekiq-scheduler, which runs in every process
// and keeps when it runs them next.
// Source: lib/sidekiq-scheduler/{redis_manager,utils}.rb of 6.0.2.
func sidekiqScheduler(p *poll, r *reading, k string) {
	s := r.schedule("sidekiq-scheduler", graceShort)
	s.alive, s.ofWorkers = r.livingWorkers, true
	p.Fields(maxPeriodic, func(pairs []resp.Value, more bool, err error) {
		if err != nil {
			if !isWrongType(err) { // an application's own key
				s.fail("schedules", err)
			}
			return
		}
		var names []string
		for i := 0; i+1 < len(pairs) && len(names) < maxPeriodic; i += 2 {
			name := string(pairs[i].Str)
			if len(name) > maxName {
				continue
			}
			j := &periodicJob{name: name}
			if j.schedule, j.queueName, j.disabled = parseSidekiqSchedule(pairs[i+1].Str); j.schedule == "" {
				continue // it is an application's own hash
			}
			s.jobs = append(s.jobs, j)
			names = append(names, name)
		}
		if len(names) == 0 {
			return
		}
		s.used = true
		if more {
			s.unread++ // at least
		}
		sidekiqScheduled(p, s, k+"sidekiq-scheduler:", names)
	}, k+"schedules")
}

// isWrongType reports whether a key is of another type than the one that was asked for.
func isWrongType(err error) bool { return strings.Contains(err.Error(), "WRONGTYPE") }

// sidekiqScheduled asks for the times of the jobs of those names, and whether they
// are switched off.
func sidekiqScheduled(p *poll, s *scheduler, k string, names []string) {
	jobs := s.jobs
	for _, hash := range []struct {
		name string
		take func(j *periodicJob, text []byte)
	}{
		{"next_times", func(j *periodicJob, text []byte) {
			j.next, _ = parseDate(string(text), sidekiqSchedulerLayouts...)
		}},
		{"last_times", func(j *periodicJob, text []byte) {
			if at, err := parseDate(string(text), sidekiqSchedulerLayouts...); err == nil {
				j.last = at
			} else {
				j.lastWhy = "its last run is no time"
			}
		}},
		{"states", func(j *periodicJob, text []byte) {
			var state struct {
				Enabled *bool `json:"enabled"`
			}
			if parseJSON(text, &state) == nil && state.Enabled != nil {
				j.disabled = !*state.Enabled
			}
		}},
	} {
		p.AskPayload(func(v resp.Value, err error) {
			var values []resp.Value
			if err == nil {
				values, err = v.Array()
			}
			if err == nil && len(values) != len(jobs) {
				err = errors.New("HMGET: expected a value for each job")
			}
			if err != nil {
				s.fail(hash.name, err)
				return
			}
			for i, v := range values {
				if !v.IsNull() && len(v.Str) <= maxPayload {
					hash.take(jobs[i], v.Str)
				}
			}
		}, slices.Concat([]string{"HMGET", k + hash.name}, names)...)
	}
}

// parseSidekiqSchedule reads the definition of a job: its schedule as it was written,
// the queue, and whether it is switched off.
func parseSidekiqSchedule(text []byte) (schedule, queue string, disabled bool) {
	var raw map[string]any
	if parseJSON(text, &raw) != nil {
		return "", "", false
	}
	for _, kind := range []string{"cron", "every", "interval", "at", "in"} {
		value := raw[kind]
		if list, ok := value.([]any); ok && len(list) > 0 { // the schedule, and its options
			value = list[0]
		}
		if text, ok := value.(string); ok && text != "" {
			schedule = text
			if kind != "cron" {
				schedule = kind + " " + text
			}
			break
		}
	}
	queue, _ = raw["queue"].(string)
	enabled, ok := raw["enabled"].(bool)
	return schedule, queue, ok && !enabled
}
