package jobs

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"redisjobs/redisclient/resp"
)

// resqueLockDead is how long a scheduler has not renewed its lock that is dead: they
// do so every five seconds. The lock itself stays for three minutes.
const resqueLockDead = 45

// resqueScheduler reads whether resque-scheduler lives, or that of node-resque, and
// their periodic jobs. Those of a configuration file leave nothing but their last run;
// dynamic ones are in Redis, and when they run next follows from it.
// Source: lib/resque/scheduler/{lock/base,scheduling_extensions,delaying_extensions}.rb
// of 5.0.0; src/core/scheduler.ts of node-resque 9.7.1.
func resqueScheduler(p *poll, r *reading, s *scheduler, k string) {
	if r.only == "" {
		resqueSchedules(p, s, k)
	}
	s.partial = true
	alive, problem := 0.0, error(nil)
	s.alive = func() (float64, error) { return alive, problem }
	// The namespace stands twice in the name of resque-scheduler's own lock.
	for _, lock := range []string{k + k + "resque_scheduler_master_lock", k + "resque_scheduler_leader_lock"} {
		p.Ask(func(v resp.Value, err error) {
			ttl, err := number(v, err)
			switch {
			case err != nil:
				problem = err
			case ttl == -2:
			default:
				s.used = true
				if ttl < 0 || p.state.sinceRenewal(r.instance, lock, p.Now(), ttl/1000) < resqueLockDead {
					alive++
				}
			}
		}, "PTTL", lock)
	}
}

// resqueSchedules reads the definitions and the last runs.
func resqueSchedules(p *poll, s *scheduler, k string) {
	jobs := make(map[string]*periodicJob)
	job := func(name string) *periodicJob {
		j := jobs[name]
		if j == nil && (len(s.jobs) >= maxPeriodic || name == "" || len(name) > maxName) {
			s.unread++
			return &periodicJob{}
		}
		if j == nil {
			j = &periodicJob{name: name, nextWhy: "its schedule is in the configuration of the scheduler, and not in Redis"}
			jobs[name] = j
			s.jobs = append(s.jobs, j)
		}
		return j
	}
	for _, hash := range []struct {
		name string
		take func(j *periodicJob, text []byte)
	}{
		{"persistent_schedules", func(j *periodicJob, text []byte) {
			j.nextWhy = ""
			j.schedule, j.queueName, _ = parseSidekiqSchedule(text)
			j.tick = resqueTick(j.schedule)
		}},
		{"delayed:last_enqueued_at", func(j *periodicJob, text []byte) { j.last, _ = parseDate(string(text), resqueLayouts...) }},
	} {
		p.Fields(maxPeriodic, func(pairs []resp.Value, more bool, err error) {
			if err != nil {
				s.fail(hash.name, err)
				return
			}
			s.used = s.used || len(pairs) > 0
			if more {
				s.unread++ // at least
			}
			for i := 0; i+1 < len(pairs); i += 2 {
				hash.take(job(string(pairs[i].Str)), pairs[i+1].Str)
			}
		}, k+hash.name)
	}
}

var errOtherZone = errors.New("its crontab is in the time zone of the scheduler, which is not in Redis")

// resqueTick is the tick of a schedule as it is shown.
func resqueTick(schedule string) func(after float64) (float64, error) {
	if text, ok := strings.CutPrefix(schedule, "every "); ok {
		every, err := parseRufus(text)
		return func(after float64) (float64, error) { return after + every, err }
	}
	c, err := parseCrontab(schedule, time.UTC)
	if err == nil && c.zone == time.UTC && !c.everywhere() && !strings.HasSuffix(schedule, "UTC") {
		err = errOtherZone
	}
	return func(after float64) (float64, error) {
		if err != nil {
			return 0, err
		}
		return c.next(after)
	}
}

var (
	rufusPart = regexp.MustCompile(`^(\d{1,6})([wdhms])`)
	rufusUnit = map[string]float64{"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
)

// parseRufus reads an interval in seconds as rufus-scheduler writes it: 1h30m.
func parseRufus(text string) (float64, error) {
	sum := 0.0
	for rest := text; rest != ""; {
		m := rufusPart.FindStringSubmatch(rest)
		if m == nil {
			return 0, errCrontab
		}
		n, _ := strconv.Atoi(m[1])
		sum += float64(n) * rufusUnit[m[2]]
		rest = rest[len(m[0]):]
	}
	if sum <= 0 {
		return 0, errCrontab
	}
	return sum, nil
}
