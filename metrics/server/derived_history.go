package server

import (
	"slices"
	"sync"
	"time"

	"redisjobs/metrics/info"
)

const (
	// The slope of the memory is that over many polls, see slope. With one a
	// minute it needs four minutes and looks back a quarter of an hour.
	memoryStep       = 45 * time.Second
	memorySamples    = 16
	memorySamplesMin = 5
)

// counterNames are the members of derived that tell how fast a counter grows,
// in the order of a counterSample.
var counterNames = [...]struct {
	figure figure
	name   string // "" for those that are no rate of their own
}{
	{figHits, ""},
	{figMisses, ""},
	{figCommands, "commands_per_second"},
	{figConnections, "connections_per_second"},
	{figRejected, "rejected_connections_per_second"},
	{figEvicted, "evicted_keys_per_second"},
	{figExpired, "expired_keys_per_second"},
	{figErrors, "errors_per_second"},
	{figNetInput, "net_input_bytes_per_second"},
	{figNetOutput, "net_output_bytes_per_second"},
}

// counterSample is what the counters stood at, -1 for one that is not known.
type counterSample struct {
	counters [len(counterNames)]int64
	cpu      int64 // of all threads, microseconds
	main     int64 // of the main thread, microseconds
	offset   int64 // of the replication stream
}

// history is what redis.get remembers of one server between polls, in about
// one kilobyte. It belongs to one life of the server: a restart
// begins it anew, and so does a failover to another server.
type history struct {
	mu     sync.Mutex
	began  time.Time // what the times count from; by the process's own clock, that nobody sets
	runID  string
	uptime int64

	recent info.Window[counterSample]
	replID string // of the offsets in recent

	memory ring[memorySample]

	rewrites  int64         // AOF rewrites that have ended, -1 when not known
	rewritten time.Duration // when that number was seen to grow; 0 for never
}

type memorySample struct {
	at   time.Duration
	used int64
}

// ring keeps the newest samples, oldest first.
type ring[T any] struct{ samples []T }

func (r *ring[T]) add(sample T, most int) {
	if len(r.samples) == most {
		r.drop()
	}
	r.samples = append(r.samples, sample)
}

// drop forgets the oldest sample.
func (r *ring[T]) drop() { r.samples = r.samples[:copy(r.samples, r.samples[1:])] }

// trend is what a poll and the history together tell.
type trend struct {
	window time.Duration // 0: nothing is known yet
	// grown are the counters' increases within the window, -1 when not known;
	// cpu, main and offset likewise. Without a window they say nothing.
	grown             [len(counterNames)]int64
	cpu, main, offset int64

	memory      float64 // growth of used_memory, bytes a second
	memoryKnown bool

	rewriteAge      time.Duration
	rewriteAgeKnown bool
}

// poll compares figures with the history and adds them to it.
func (h *history) poll(f *figures, now time.Time) trend {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.follow(f, now)
	at := now.Sub(h.began)
	s := counterSample{cpu: f.cpu(figCPUSys, figCPUUser), main: f.cpu(figMainCPUSys, figMainCPUUser), offset: f.counter(figReplOffset)}
	for i, c := range counterNames {
		s.counters[i] = f.counter(c.figure)
	}
	t := h.rates(at, &s, string(f[figReplID]))
	h.growth(&t, f, at)
	h.rewrite(&t, f, at)
	return t
}

// follow forgets everything when another life of the server has begun. Where
// servers do not say which one it is (Dragonfly, Kvrocks), an uptime that went
// down tells.
func (h *history) follow(f *figures, now time.Time) {
	uptime := f.counter(figUptime)
	runID := string(f[figRunID])
	same := !h.began.IsZero() && runID == h.runID
	if same && runID == "" && uptime >= 0 && now.Sub(h.began) >= h.latest() {
		passed := (now.Sub(h.began) - h.latest()).Seconds()
		// Two servers behind one address have two uptimes, see slackUptime.
		same = uptime >= h.uptime && float64(uptime-h.uptime) <= passed+slackUptime
	}
	if !same || uptime > h.uptime {
		h.uptime = uptime
	}
	if !same {
		h.began, h.runID, h.rewrites, h.rewritten = now, runID, -1, 0
		h.recent.Clear()
		h.memory.samples = h.memory.samples[:0]
	}
}

// slackUptime is how many seconds more than have passed an uptime may have grown
// by between two polls: for a clock that was set, and for rounding.
const slackUptime = 60

// latest is when the newest sample was taken.
func (h *history) latest() time.Duration {
	if newest := h.recent.Newest(); newest != nil {
		return newest.At
	}
	return 0
}

// rates compares a sample with the newest one that is old enough for a rate, and
// keeps it.
func (h *history) rates(at time.Duration, s *counterSample, replID string) trend {
	if newest := h.recent.Newest(); newest != nil && at >= newest.At {
		// Another history of the data set: its offsets cannot be compared.
		if replID != h.replID || s.offset < newest.Value.offset {
			for i := range h.recent.Samples {
				h.recent.Samples[i].Value.offset = -1
			}
		}
		// CONFIG RESETSTAT sets all counters but CPU's to zero.
		for i, v := range s.counters {
			if v >= 0 && v < newest.Value.counters[i] {
				h.recent.Clear()
				break
			}
		}
	}
	var t trend
	if base := h.recent.Base(at); base != nil {
		t.window = at - base.At
		for i := range s.counters {
			t.grown[i] = grown(base.Value.counters[i], s.counters[i])
		}
		t.cpu, t.main = grown(base.Value.cpu, s.cpu), grown(base.Value.main, s.main)
		t.offset = grown(base.Value.offset, s.offset)
	}
	if h.recent.Add(at, *s) {
		h.replID = replID
	}
	return t
}

func grown(from, to int64) int64 {
	if from < 0 || to < from {
		return -1
	}
	return to - from
}

// growth tells how fast the memory grows. While a server loads its data set
// that says nothing of later.
func (h *history) growth(t *trend, f *figures, at time.Duration) {
	used, known := f.count(figUsedMemory)
	if loading, _ := f.count(figLoading); loading != 0 || !known {
		h.memory.samples = h.memory.samples[:0]
		return
	}
	if n := len(h.memory.samples); n == 0 || at-h.memory.samples[n-1].at >= memoryStep {
		h.memory.add(memorySample{at, used}, memorySamples)
	}
	if len(h.memory.samples) >= memorySamplesMin {
		t.memory, t.memoryKnown = slope(h.memory.samples), true
	}
}

// slope is the median of the slopes between all pairs of samples, in units a
// second: up to a quarter of the samples may be far off, as a poll that saw a
// big temporary key is, and it stays what the others say.
// Source: Theil (1950), Sen (1968).
func slope(samples []memorySample) float64 {
	var buf [memorySamples * (memorySamples - 1) / 2]float64
	all := buf[:0]
	for i, a := range samples {
		for _, b := range samples[i+1:] {
			all = append(all, float64(b.used-a.used)/(b.at-a.at).Seconds())
		}
	}
	slices.Sort(all)
	middle := len(all) / 2
	if len(all)%2 == 0 {
		return (all[middle-1] + all[middle]) / 2
	}
	return all[middle]
}

// rewrite notes when the number of AOF rewrites grows: the server does not say
// when the last one ended. The counter grows when one begins.
func (h *history) rewrite(t *trend, f *figures, at time.Duration) {
	rewrites, known := f.count(figAOFRewrites)
	running, runningKnown := f.count(figAOFRewriting)
	if !known || !runningKnown || at < h.latest() {
		return
	}
	ended := rewrites - running
	if h.rewrites >= 0 && ended > h.rewrites && string(f[figAOFStatus]) == "ok" {
		h.rewritten = at
	}
	h.rewrites = ended
	if h.rewritten > 0 {
		t.rewriteAge, t.rewriteAgeKnown = at-h.rewritten, true
	}
}

// perSecond is an increase within the window as a rate.
func (t *trend) perSecond(increase int64) (float64, bool) {
	if increase < 0 || t.window <= 0 {
		return 0, false
	}
	return float64(increase) / t.window.Seconds(), true
}
