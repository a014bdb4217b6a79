package jobs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxQueues bounds the queues that are read in one poll, all systems
	// together.
	MaxQueues = 1000
	// MaxWorkers bounds the workers that are read of one system.
	MaxWorkers = 5000
	// maxName is the longest name of a queue, in bytes.
	maxName = 255
)

// Reading is what one poll learns of one instance of a system.
type Reading struct {
	Instance
	// Found are the names that SCAN found, as the system's Clue calls them;
	// sorted.
	Found []string
	// Exists tells whether one of the Markers is there, as far as Marked.
	Exists, Marked bool

	Figures
	Queues  []*Queue
	Workers []Worker

	// Truncated are the queues, Skipped the names that were left out because they
	// are no text.
	Truncated, Skipped int
	// CutWorkers are the workers that were not read.
	CutWorkers int

	spec  *Spec
	extra []string // configured names of queues
	only  string   // the one queue that is wanted; "" for all
	left  *int     // queues that may still be opened in this poll
}

// Queue is one queue.
type Queue struct {
	Name string
	Figures
	// Listed: the system's own list has it. Configured names may be missing in
	// it.
	Listed bool
	// Head tells the oldest waiting job from the next one; "" when not known.
	Head string
	// HeadRepeats: two jobs may have the same Head.
	HeadRepeats bool
}

// Worker is one process that registered as a worker.
type Worker struct {
	Alive bool
	Quiet bool
	// Busy are the jobs that it runs, Slots those that it could run at once;
	// negative when not known.
	Busy, Slots float64
	// RunningSince is when the oldest of its running jobs began, in unix seconds;
	// 0 for none.
	RunningSince float64
}

// Lacks is what the system does not keep.
func (r *Reading) Lacks() []Lack { return r.spec.Lacks }

// Open returns the queues to read: of those names and the configured ones, each
// once and sorted by name, those that are wanted and within the limit.
func (r *Reading) Open(names []string) []*Queue {
	listed := slices.Clone(names)
	slices.Sort(listed)
	want := slices.Concat(names, r.extra)
	if r.only != "" {
		want = []string{r.only}
	}
	slices.Sort(want)
	var opened []*Queue
	for _, name := range slices.Compact(want) {
		if CheckQueue(name) != nil {
			r.Skipped++
			continue
		}
		if *r.left == 0 {
			r.Truncated++
			continue
		}
		*r.left--
		_, isListed := slices.BinarySearch(listed, name)
		opened = append(opened, &Queue{Name: name, Listed: isListed})
	}
	r.Queues = append(r.Queues, opened...)
	return opened
}

// OpenWorkers returns the workers to read of those names, sorted, and notes how
// many there are.
func (r *Reading) OpenWorkers(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	if len(names) > MaxWorkers {
		r.CutWorkers = len(names) - MaxWorkers
		names = names[:MaxWorkers]
	}
	return names
}

// OpenListed opens the queues of a list that was read, or could not be.
func (r *Reading) OpenListed(names []string, err error) []*Queue {
	if err != nil {
		return r.MissQueues(err)
	}
	return r.Open(names)
}

// MissQueues says that the names of the queues could not be read: then nothing
// is known of any, and no sum. It opens the configured ones, or the one that is
// asked for.
func (r *Reading) MissQueues(err error) []*Queue {
	r.MissSums(err)
	return r.Open(nil)
}

// MissSums says that there may be more queues than are opened.
func (r *Reading) MissSums(err error) {
	for _, f := range slices.Concat(summed, []Figure{Latency, QueueCount, QueuesPaused, QueuesStuck}) {
		if (r.always(f) || f >= QueueCount) && r.settable(f) && !r.spec.lacks(f, true) {
			r.Miss(f, "queues: "+err.Error())
		}
	}
}

// MissWorkers says that nothing is known of the workers.
func (r *Reading) MissWorkers(err error) {
	for _, f := range workerFigures {
		if !r.spec.lacks(f, false) {
			r.Miss(f, err.Error())
		}
	}
}

// CheckQueue says whether a text can be the name of a queue: names are shown,
// and become parts of item keys.
func CheckQueue(name string) error {
	switch {
	case name == "":
		return errors.New("a queue needs a name")
	case len(name) > maxName:
		return fmt.Errorf("the name of a queue has at most %d bytes", maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("the name of a queue is UTF-8 without control characters")
	}
	return nil
}

// FlagOf sets a figure to whether a list of names has the queue.
func (q *Queue) FlagOf(name Figure, list []string, err error) {
	if err != nil {
		q.Miss(name, err.Error())
		return
	}
	q.Flag(name, slices.Contains(list, q.Name))
}

// running counts the jobs that workers say they run, in all and by queue.
type running struct {
	r      *Reading
	queues map[string]*Queue
}

// newRunning begins with no job running.
func newRunning(r *Reading, queues []*Queue) *running {
	c := &running{r, make(map[string]*Queue, len(queues))}
	if r.only == "" {
		r.Set(Active, 0)
	}
	for _, q := range queues {
		c.queues[q.Name] = q
		q.Set(Active, 0)
	}
	return c
}

// count notes a running job.
func (c *running) count(queue string) {
	if c.r.only == "" {
		c.r.Add(Active, 1)
	}
	if q := c.queues[queue]; q != nil {
		q.Add(Active, 1)
	}
}

// fail says that there is a job of which it is not known whose it is.
func (c *running) fail(err error) {
	const what = "running jobs: "
	c.r.Miss(Active, what+err.Error())
	c.r.Miss(OldestRunning, what+err.Error())
	for _, q := range c.queues {
		q.Miss(Active, what+err.Error())
	}
}
