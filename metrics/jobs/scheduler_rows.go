package jobs

import (
	"cmp"
	"slices"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/jsondoc"
)

// writePeriodic writes the rows of periodic jobs.
func writePeriodic(w *jsondoc.Writer, readings []*reading) {
	w.Key("periodic_jobs").BeginArray()
	for _, r := range readings {
		for _, c := range r.schedulers {
			for _, j := range c.jobs {
				w.BeginObject()
				w.Key("id").String(j.id)
				w.Key("system_id").String(r.ID())
				w.Key("system").String(r.System)
				w.Key("prefix").String(r.Prefix)
				w.Key("scheduler").String(c.name)
				j.write(w)
				w.EndObject()
			}
		}
	}
	w.EndArray()
}

// write writes what is known of a periodic job, and why the rest is not.
func (j *periodicJob) write(w *jsondoc.Writer) {
	w.Key("name").String(j.name)
	queue := j.queueName
	if j.queue != nil {
		queue = j.queue.Name
	}
	ask.WriteText(w, "queue", printable(queue))
	ask.WriteText(w, "schedule", printable(j.schedule))
	w.Key("enabled").Int(flag(j.held() == ""))
	type member struct {
		name  string
		value float64
		known bool
		why   string
	}
	members := []member{
		{"last_run", j.last, j.last > 0, cmp.Or(j.lastWhy, "it has not run yet")},
		{"next_run", j.next, j.next > 0, cmp.Or(j.nextWhy, "it does not say when it is due")},
		{"late_by", j.late, j.judged, cmp.Or(j.nextWhy, "it does not say when it is due")},
	}
	for _, m := range members {
		if m.known {
			w.Key(m.name).Float(m.value)
		}
	}
	if j.judged {
		w.Key("overdue").Int(flag(j.overdue))
	}
	w.Key("unavailable").BeginObject()
	for _, m := range members {
		if !m.known {
			w.Key(m.name).String(m.why)
		}
	}
	if j.schedule == "" {
		w.Key("schedule").String("the scheduler does not keep it in a form that can be read")
	}
	w.EndObject()
}

// limitPeriodic bounds the rows of all systems together: where there are more, those
// that are late come first.
func limitPeriodic(readings []*reading) {
	type row struct {
		c *scheduler
		j *periodicJob
	}
	var rows []row
	for _, r := range readings {
		for _, c := range r.schedulers {
			if !c.used {
				c.jobs = nil
			}
			for _, j := range c.jobs {
				rows = append(rows, row{c, j})
			}
			r.CutPeriodic += c.unread
		}
	}
	if len(rows) <= maxPeriodicRows {
		return
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(b.j.late, a.j.late) })
	drop := make(map[*periodicJob]bool)
	for _, row := range rows[maxPeriodicRows:] {
		drop[row.j] = true
	}
	for _, r := range readings {
		for _, c := range r.schedulers {
			before := len(c.jobs)
			c.jobs = slices.DeleteFunc(slices.Clone(c.jobs), func(j *periodicJob) bool { return drop[j] })
			r.CutPeriodic += before - len(c.jobs)
		}
	}
}
