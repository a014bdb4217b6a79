package jobs

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient/resp"
)

const (
	// classMinutes is how many whole minutes the figures of job classes are of.
	classMinutes = 5
	// maxClasses bounds the classes of one minute that are read.
	maxClasses = 1000
	// maxHistograms bounds those of which the times are read one by one.
	maxHistograms = maxClassRows
)

// sidekiqBuckets are the upper bounds, in milliseconds, of the times that are
// counted together; those of the last have none.
// Source: lib/sidekiq/metrics/shared.rb, BUCKET_INTERVALS
var sidekiqBuckets = []float64{
	20, 30, 45, 65, 100, 150, 225, 335, 500, 750, 1100, 1700, 2500, 3800, 5750, 8500, 13000, 20000, 30000, 45000, 65000,
	100000, 150000, 225000, 335000, math.Inf(1),
}

// classMetrics is what a system counts by job class.
type classMetrics struct {
	rows map[string]*classRow
	// more: there were more classes than are read.
	more bool
	// read: a minute could be read.
	read bool
}

// classRow is what is known of a job class, over the last classMinutes whole
// minutes of the server's clock. Its row in classes has
//
//	id, system_id, system, prefix, class
//	runs         attempts, failures among them
//	failures     of those
//	rate         attempts per second
//	failed_share failures / runs, 0-1; not without runs
//	mean         time of an attempt that did not fail, seconds; not without any
//	p95          the time that 95 % of them took at most, seconds: the upper bound of
//	             Sidekiq's own interval; left out when it is more than 335 seconds
type classRow struct {
	class             string
	runs, fails, time float64 // time in milliseconds
	histogram         [26]float64
	hasHistogram      bool
}

// sidekiqClasses asks for the counters of the last whole minutes, and for the times
// of the busiest classes. Sidekiq 6.5 and 7 have other keys for them than 8.
// Sources: lib/sidekiq/metrics/tracking.rb and shared.rb of 6.5.12, 7.3.10, 8.1.7
func sidekiqClasses(p *poll, f *failures, k string) {
	f.classes = &classMetrics{rows: make(map[string]*classRow)}
	p.Ask(func(resp.Value, error) { // the server's time is known by now
		minute := time.Unix(int64(p.Now()), 0).UTC().Truncate(time.Minute)
		left := 2 * classMinutes
		for i := range classMinutes {
			at := minute.Add(time.Duration(-1-i) * time.Minute)
			for _, key := range []string{
				at.Format("j|20060102|") + fmt.Sprintf("%d:%d", at.Hour(), at.Minute()),
				at.Format("j|060102|") + fmt.Sprintf("%d:%02d", at.Hour(), at.Minute()),
			} {
				p.Fields(3*maxClasses, func(pairs []resp.Value, more bool, err error) {
					left--
					f.classes.minute(f, pairs, more, err)
					if left == 0 {
						f.classes.histograms(p, f, k, minute)
					}
				}, k+key)
			}
		}
	}, "TYPE", k+"queues")
}

// minute adds the counters of one minute.
func (c *classMetrics) minute(f *failures, pairs []resp.Value, more bool, err error) {
	if err != nil {
		f.problem("classes", fmt.Errorf("HSCAN: %w", err))
		return
	}
	c.read = true
	c.more = c.more || more
	for i := 0; i+1 < len(pairs); i += 2 {
		name := string(pairs[i].Str)
		sep := strings.LastIndexByte(name, '|')
		n, err := pairs[i+1].Float64()
		if sep < 1 || err != nil || n < 0 || len(name) > maxName {
			continue
		}
		row := c.rows[name[:sep]]
		if row == nil {
			if len(c.rows) >= maxClasses {
				c.more = true
				continue
			}
			row = &classRow{class: name[:sep]}
			c.rows[row.class] = row
		}
		switch name[sep+1:] {
		case "p":
			row.runs += n
		case "f":
			row.fails += n
		case "ms":
			row.time += n
		}
	}
}

// sorted are the rows, the busiest first.
func (c *classMetrics) sorted() []*classRow {
	out := make([]*classRow, 0, len(c.rows))
	for _, row := range c.rows {
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b *classRow) int { return cmp.Or(cmp.Compare(b.runs, a.runs), cmp.Compare(a.class, b.class)) })
	return out
}

// histograms asks for the times of the busiest classes.
func (c *classMetrics) histograms(p *poll, f *failures, k string, minute time.Time) {
	var fetch []string
	for i := range sidekiqBuckets {
		fetch = append(fetch, "GET", "u16", "#"+strconv.Itoa(i))
	}
	rows := c.sorted()
	for _, row := range rows[:min(len(rows), maxHistograms)] {
		for i := range classMinutes {
			at := minute.Add(time.Duration(-1-i) * time.Minute)
			for _, key := range []string{
				row.class + "-" + at.Format("02-15:") + strconv.Itoa(at.Minute()),
				"h|" + row.class + "-" + fmt.Sprintf("%d-%d:%d", at.Day(), at.Hour(), at.Minute()),
			} {
				p.Ask(func(v resp.Value, err error) {
					if err == nil {
						err = row.add(v)
					}
					f.problem("p95", err)
				}, append([]string{"BITFIELD_RO", k + key}, fetch...)...)
			}
		}
	}
}

// add adds a minute's times.
func (r *classRow) add(v resp.Value) error {
	counts, err := v.Array()
	if err == nil && len(counts) != len(r.histogram) {
		err = errors.New("BITFIELD_RO: another number of counters than was asked for")
	}
	if err != nil {
		return err
	}
	for i, c := range counts {
		n, err := c.Int64()
		if err != nil || n < 0 {
			return errors.New("BITFIELD_RO: a counter is none")
		}
		r.histogram[i] += float64(n)
		r.hasHistogram = r.hasHistogram || n > 0
	}
	return nil
}

// p95 is the upper bound of the interval in which the 95th of a hundred attempts is,
// in milliseconds; infinite in the last one.
func (r *classRow) p95() float64 {
	all := 0.0
	for _, n := range r.histogram {
		all += n
	}
	sum := 0.0
	for i, n := range r.histogram {
		if sum += n; sum >= 0.95*all {
			return sidekiqBuckets[i]
		}
	}
	return math.Inf(1)
}

// writeClasses writes the rows of all systems that count by class.
func writeClasses(w *jsondoc.Writer, result *failuresResult, cut *ask.Truncations) {
	w.Key("classes").BeginArray()
	for _, f := range result.Systems {
		if f.classes == nil || !f.tells {
			continue
		}
		rows := f.classes.sorted()
		n := cut.LimitTo("classes", len(rows), maxClassRows)
		if f.classes.more {
			cut.Add("classes", 1)
		}
		for _, row := range rows[:n] {
			w.BeginObject()
			row.write(w, f)
			w.EndObject()
		}
	}
	w.EndArray()
}

func (r *classRow) write(w *jsondoc.Writer, f *failures) {
	class := ask.Line(r.class, maxClassName)
	w.Key("id").String(f.ID() + "/" + class)
	w.Key("system_id").String(f.ID())
	w.Key("system").String(f.System)
	w.Key("prefix").String(f.Prefix)
	w.Key("class").String(class)
	w.Key("runs").Float(r.runs)
	w.Key("failures").Float(r.fails)
	w.Key("rate").Float(ask.SixDigits(r.runs / (classMinutes * 60)))
	if r.runs > 0 {
		w.Key("failed_share").Float(ask.SixDigits(min(1, r.fails/r.runs)))
	}
	if done := r.runs - r.fails; done > 0 {
		w.Key("mean").Float(ask.SixDigits(r.time / done / 1000))
	}
	if p95 := r.p95(); r.hasHistogram && !math.IsInf(p95, 1) {
		w.Key("p95").Float(p95 / 1000)
	}
}
