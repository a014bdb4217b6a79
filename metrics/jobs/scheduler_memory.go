package jobs

import (
	"maps"
	"math"
	"slices"
	"time"
)

// schedulerKey names a kind of scheduler in what is remembered of a target.
type schedulerKey struct {
	instance
	name string
}

// schedulerMemory is what is remembered of one.
type schedulerMemory struct {
	// aliveAt is when one was last seen alive, by this machine's clock; zero for never.
	// seen is when it was last read.
	aliveAt, seen time.Time
	// jobs are those of then, when they fade.
	jobs []*periodicJob
	// expiry is when a lock ends if it is not renewed, and renewed when that was last
	// seen to change, both by the server's clock.
	expiry, renewed float64
	// longest is the longest time to live that was seen of a registration.
	longest float64
	// since are the definitions of jobs, and when they were first seen; 0 for those
	// that were there when they were first looked at.
	since map[string]definition
}

type definition struct {
	text string
	at   float64
}

// memoryOf is what is remembered of a scheduler; s.mu is held.
func (s *state) memoryOf(key schedulerKey) *schedulerMemory {
	now := time.Now()
	m := s.schedulers[key]
	if m == nil {
		maps.DeleteFunc(s.schedulers, func(_ schedulerKey, m *schedulerMemory) bool { return now.Sub(m.seen) > keepSchedulers })
		m = &schedulerMemory{}
		if s.schedulers == nil || len(s.schedulers) >= maxSamples {
			s.schedulers = make(map[schedulerKey]*schedulerMemory)
		}
		s.schedulers[key] = m
	}
	m.seen = now
	return m
}

// lastAlive is when a scheduler was last seen alive; zero for never.
func (s *state) lastAlive(i instance, name string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.schedulers[schedulerKey{i, name}]; m != nil {
		return m.aliveAt
	}
	return time.Time{}
}

// sinceRenewal is for how long the lock of a scheduler was not seen to be renewed: its
// end does not move then. ttl is the time that it still has.
func (s *state) sinceRenewal(i instance, name string, now, ttl float64) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.memoryOf(schedulerKey{i, name})
	if expiry := now + ttl; m.renewed == 0 || m.renewed > now || math.Abs(expiry-m.expiry) > 2 {
		m.expiry, m.renewed = expiry, now
	}
	return now - m.renewed
}

// longestTTL is the longest time to live that was seen of a scheduler's registration.
func (s *state) longestTTL(i instance, name string, ttl float64) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.memoryOf(schedulerKey{i, name})
	m.longest = max(m.longest, ttl)
	return m.longest
}

// remember adds periodic jobs that ran in the last day, and are in no key now.
func (c *scheduler) remember(now float64, jobs []*periodicJob) {
	for _, old := range jobs {
		if now-old.last > keepSchedulers.Seconds() || len(c.jobs) >= maxPeriodic ||
			slices.ContainsFunc(c.jobs, func(j *periodicJob) bool { return j.name == old.name && j.key == old.key }) {
			continue
		}
		j := &periodicJob{name: old.name, key: old.key, queueName: old.queueName, last: old.last, nextWhy: old.nextWhy}
		c.jobs = append(c.jobs, j)
	}
}

// copyJobs copies periodic jobs, that a later poll may judge them anew.
func copyJobs(jobs []*periodicJob) []*periodicJob {
	out := make([]*periodicJob, len(jobs))
	for i, j := range jobs {
		c := *j
		out[i] = &c
	}
	return out
}
