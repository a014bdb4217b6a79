package jobs

// running counts the jobs that workers say they run, in all and by queue.
type running struct {
	r      *reading
	queues map[string]*queue
}

// newRunning begins with no job running.
func newRunning(r *reading, queues []*queue) *running {
	c := &running{r, make(map[string]*queue, len(queues))}
	r.running = c
	if r.only == "" {
		r.Set(figActive, 0)
	}
	for _, q := range queues {
		c.queues[q.Name] = q
		q.Set(figActive, 0)
	}
	return c
}

// count notes a running job.
func (c *running) count(queue string) {
	if c.r.only == "" {
		c.r.Add(figActive, 1)
	}
	if q := c.queues[queue]; q != nil {
		q.Add(figActive, 1)
		q.Seen++
	}
}

// orphan notes that a dead worker has one of those that were counted.
func (c *running) orphan(queue string) {
	c.r.Add(figOrphaned, 1)
	if q := c.queues[queue]; q != nil {
		q.Orphans++
	}
}

// fail says that there is a job of which it is not known whose it is.
func (c *running) fail(err error) {
	const what = "running jobs: "
	c.r.UnknownRun(what + err.Error())
	c.miss(figActive, what+err.Error())
}

// miss makes unknown what was counted of the system and of each queue.
func (c *running) miss(f figure, reason string) {
	c.r.Miss(f, reason)
	for _, q := range c.queues {
		q.Miss(f, reason)
	}
}

// missCut makes unknown what was counted from worker to worker where not all workers were
// read: the others may run jobs as well.
func (r *reading) missCut() {
	if !r.cut() {
		return
	}
	if r.running != nil {
		r.running.miss(figActive, "running jobs: "+r.tooManyWorkers())
	}
	if !r.deadTell {
		return
	}
	if _, known := r.Get(figOrphaned); known {
		r.Miss(figOrphaned, r.tooManyWorkers())
	}
	for _, q := range r.Queues {
		active, _ := q.Get(figActive)
		if orphaned, known := q.Get(figOrphaned); known && orphaned != active {
			q.Miss(figOrphaned, r.tooManyWorkers())
		}
	}
}
