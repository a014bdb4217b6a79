package storm

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"redisjobs/metrics/jsondoc"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
)

// Metrics read the records that jobs keep of themselves, or the topologies
// of a Storm UI; package storm says what a record is, and what a UI is asked.
var Metrics = []*item.Metric{
	{
		Key:         "storm.job.status",
		Description: "Returns the status of a Storm job as a number, 8 for a stale and 9 for a missing one.",
		Params:      item.ConnParams(paramJob, paramMaxAge),
		Commands:    jobCommands,
		Web:         item.WebToo,
		Collect:     collectStatus,
	},
	{
		Key:         "storm.job.get",
		Description: "Returns the record of a Storm job as JSON, also when the server is down.",
		Params:      item.ConnParams(paramJob, paramMaxAge),
		Commands:    jobCommands,
		Web:         item.WebToo,
		Collect:     collectJob,
	},
	{
		Key:         "storm.jobs.get",
		Description: "Returns the records of all Storm jobs as JSON, also when the server is down.",
		Params:      item.ConnParams(),
		Commands:    jobsCommands,
		Web:         item.WebToo,
		Collect:     collectJobs,
	},
	{
		Key:         "storm.job.discovery",
		Description: "Returns the Storm jobs for low-level discovery.",
		Params:      item.ConnParams(),
		Commands:    jobsCommands,
		Web:         item.WebToo,
		Collect:     collectDiscovery,
	},
	clusterMetric,
}

// jobCommands read one job's record, whatever its layout, and
// jobsCommands find and read all.
var (
	jobCommands  = []string{"time", "type", "hscan", "getrange", "hget", "zscore"}
	jobsCommands = append([]string{"sscan", "lrange", "zrange", "scan", "scard", "llen", "hlen", "zcard"}, jobCommands...)
)

var (
	paramJob = item.Param{
		Name: "Job", Required: true, Check: CheckName,
		Description: "name of the job",
	}
	paramMaxAge = item.Param{
		Name: "MaxAge", Check: ask.CheckAge,
		Description: "age from which a live job is stale, as 90 or 5m; else the record tells",
	}
)

// sourceOf is where the jobs of the request's target are read from.
func sourceOf(r *item.Request) (source, error) {
	o := r.Env.Storm
	if r.Target.Web != nil {
		return newUI(r.Target.Web, r.Target.Memory, o.StaleAfter), nil
	}
	return newStore(o, r.Target, r.Target.Memory)
}

// askJob reads the job that the request names.
func askJob(ctx context.Context, r *item.Request, source source, details bool) (job, error) {
	maxAge, err := ask.ParseAge(r.Arg(paramMaxAge.Name))
	if err != nil {
		return job{}, err
	}
	return source.Job(ctx, query{Name: r.Arg(paramJob.Name), MaxAge: maxAge, Details: details})
}

func collectStatus(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	source, err := sourceOf(r)
	if err != nil {
		return err
	}
	job, err := askJob(ctx, r, source, false)
	if err != nil {
		return err
	}
	if job.Err != nil {
		return fmt.Errorf("job %q: %w", job.Name, job.Err)
	}
	w.Text(strconv.Itoa(int(job.Status)))
	return nil
}

// collectJob answers with the members of a document's head, then those
// that writeJob writes.
func collectJob(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	source, err := sourceOf(r)
	if err != nil {
		return err
	}
	job, err := askJob(ctx, r, source, true)
	if err != nil {
		return ask.Down(w, r.Target.Name, err)
	}
	w.Grow(512)
	w.BeginObject()
	ask.Head(w, r.Target.Name, nil)
	writeJob(w, &job)
	w.EndObject()
	return nil
}

// collectJobs answers with the head; count and jobs, a row per job; their
// number by_status, in lower case, with other for numbers that have no name
// and unreadable for jobs whose status is not known; partial, whether SCAN
// ended at its budget; truncated, the number of jobs left out; and what is
// unavailable: index, state and heartbeats are keys of more than maxMembers
// members, of which only so many are read, so that the server is not blocked.
func collectJobs(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	source, err := sourceOf(r)
	if err != nil {
		return err
	}
	jobs, err := source.Jobs(ctx)
	if err != nil {
		return ask.Down(w, r.Target.Name, err)
	}
	w.Grow(512 + 384*len(jobs.Jobs))
	w.BeginObject()
	ask.Head(w, r.Target.Name, nil)
	w.Key("count").Int(int64(len(jobs.Jobs)))
	w.Key("jobs").BeginArray()
	for i := range jobs.Jobs {
		w.BeginObject()
		writeJob(w, &jobs.Jobs[i])
		w.EndObject()
	}
	w.EndArray()
	writeByStatus(w, jobs.Jobs)
	w.Key("partial").Bool(jobs.Partial)
	var cut ask.Truncations
	if jobs.Truncated > 0 {
		cut.Add("jobs", jobs.Truncated)
	}
	cut.Write(w)
	w.Key("unavailable").BeginObject()
	if jobs.Skipped > 0 {
		w.Key("jobs").String(fmt.Sprintf("%d names are empty, too long or no valid UTF-8", jobs.Skipped))
	}
	for _, u := range jobs.Unavailable {
		w.Key(u.Name).String(u.Reason)
	}
	w.EndObject()
	w.EndObject()
	return nil
}

// writeJob writes the members of one job: job, key, status and
// status_text (left out when the status is not known), raw_status as the
// record has it, age and success_age in seconds by the server's clock, the
// record's other fields as far as it has them, what writeTopology writes, and
// why what could not be read is unavailable. key is left out for a topology that
// is missing. A time that is more than 60 s ahead of the server's clock tells no
// age, and not whether a live job is stale: its status is not known.
func writeJob(w *jsondoc.Writer, job *job) {
	w.Key("job").String(job.Name)
	ask.WriteText(w, "key", job.Key)
	if job.Err == nil {
		w.Key("status").Int(int64(job.Status))
		w.Key("status_text").String(job.Status.String())
	}
	if raw, ok := job.Text("status"); ok {
		w.Key("raw_status").String(raw)
	}
	if job.HasAge {
		w.Key("age").Float(job.Age)
	}
	if job.HasSuccessAge {
		w.Key("success_age").Float(job.SuccessAge)
	}
	for _, f := range job.Fields {
		switch {
		case f.Name == "status":
		case f.IsText:
			w.Key(f.Name).String(f.Text)
		default:
			w.Key(f.Name).Float(f.Number)
		}
	}
	if job.Topology != nil {
		writeTopology(w, job.Topology)
	}
	w.Key("unavailable").BeginObject()
	for _, u := range job.Unavailable {
		w.Key(u.Name).String(u.Reason)
	}
	w.EndObject()
}

// writeByStatus counts the jobs in each status, those that no job is in
// included: that no job is in it is known.
func writeByStatus(w *jsondoc.Writer, jobs []job) {
	counts := make(map[Status]int64)
	var other, unreadable int64
	for i := range jobs {
		switch job := &jobs[i]; {
		case job.Err != nil:
			unreadable++
		case job.Status > statusMissing:
			other++
		default:
			counts[job.Status]++
		}
	}
	w.Key("by_status").BeginObject()
	for _, s := range Statuses() {
		w.Key(strings.ToLower(s.String())).Int(counts[s])
	}
	w.Key("other").Int(other)
	w.Key("unreadable").Int(unreadable)
	w.EndObject()
}

// defaultJobType stands for the type of a job whose record names none.
const defaultJobType = "job"

// collectDiscovery fails if the jobs cannot be read, or if there are too many of them.
// With an empty list Zabbix would treat all jobs as gone.
func collectDiscovery(ctx context.Context, r *item.Request, w *jsondoc.Writer) error {
	source, err := sourceOf(r)
	if err != nil {
		return err
	}
	jobs, err := source.Jobs(ctx)
	if err != nil {
		return err
	}
	if jobs.Incomplete != nil {
		return jobs.Incomplete // another part of them each time would have Zabbix delete and make items
	}
	w.Grow(96 * len(jobs.Jobs))
	w.BeginArray()
	for i := range jobs.Jobs {
		job := &jobs.Jobs[i]
		kind, ok := job.Text("type")
		if !ok || kind == "" {
			kind = defaultJobType
		}
		w.BeginObject()
		w.Key("{#JOB}").String(job.Name)
		w.Key("{#KEY}").String(job.Key)
		w.Key("{#TYPE}").String(kind)
		if interval, ok := job.Number("interval"); ok {
			w.Key("{#INTERVAL}").Float(interval)
		}
		w.EndObject()
	}
	w.EndArray()
	return nil
}
