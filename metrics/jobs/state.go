package jobs

import (
	"sync"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
)

const memoryName = "jobs"

// state is what is remembered of a target. No I/O is done under mu.
type state struct {
	mu        sync.Mutex
	instances map[instance]*known
	search    search
	refusals  *ask.Refusals
	unmarked  map[instance]error // why it is not known whether it is there
	samples   map[sampleKey]*sample
	heavy     // of jobs that job.get reads
	// heavyFailures is that of job.failures.get: what the one item learns must not
	// keep jobs from the other.
	heavyFailures heavy
	// connected has the systems of which a worker was seen among the clients.
	connected map[instance]seenWorker
	// listened has those that may be workers of systems whose workers show only there.
	listened map[instance]listened
	// entries are the jobs at the heads of queues, where the time of one may be rewritten.
	entries map[sampleKey]*entry
	// lists has the names in a system's own list of queues when it was read last.
	lists map[instance][]string
	// schedulers is what is remembered of those of periodic jobs.
	schedulers map[schedulerKey]*schedulerMemory
	// rejected are clues that the polls since the last search have examined in vain.
	rejected []string
	// alone: until then it is known that the server is in no cluster.
	alone time.Time
}

// stateOf returns a target's state, a new one the first time.
func stateOf(memory *item.Memory) *state {
	var s *state
	refusals := ask.RefusalsOf(memory)
	memory.Update(memoryName, func(v any) any {
		var ok bool
		if s, ok = v.(*state); !ok {
			s = &state{instances: make(map[instance]*known), unmarked: make(map[instance]error),
				refusals: refusals}
		}
		return s
	})
	return s
}
