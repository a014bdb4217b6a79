package info

import "time"

// A target's samples are shared by all items that ask for it, which may have
// different intervals and belong to different Zabbix servers. So what is said
// of the time "between two polls" never is that between any two of them: it is
// the time back to the newest sample that is old enough, whoever asked for it.
const (
	// RateWindow is the shortest time that a rate is calculated over.
	RateWindow = 30 * time.Second
	// RateStep is the time between two samples that are kept; RateSamples of them
	// reach back farther than RateWindow however often is asked.
	RateStep    = 5 * time.Second
	RateSamples = 8
)

// Sample is what was seen at a time, which counts from any moment.
type Sample[T any] struct {
	At    time.Duration
	Value T
}

// Window keeps the newest samples of counters, oldest first, as far back as a
// rate needs them. It is not safe for use by several requests at once.
type Window[T any] struct{ Samples []Sample[T] }

// Newest returns the newest sample, nil when there is none.
func (w *Window[T]) Newest() *Sample[T] {
	if n := len(w.Samples); n > 0 {
		return &w.Samples[n-1]
	}
	return nil
}

// Base returns the newest sample that is at least RateWindow older than at, nil
// when there is none.
func (w *Window[T]) Base(at time.Duration) *Sample[T] {
	for i := len(w.Samples) - 1; i >= 0; i-- {
		if at-w.Samples[i].At >= RateWindow {
			return &w.Samples[i]
		}
	}
	return nil
}

// Add keeps a sample, unless one was kept less than RateStep before, and reports
// whether it did.
func (w *Window[T]) Add(at time.Duration, value T) bool {
	if newest := w.Newest(); newest != nil && at-newest.At < RateStep {
		return false
	}
	if len(w.Samples) == RateSamples {
		w.drop()
	}
	w.Samples = append(w.Samples, Sample[T]{at, value})
	// The first but one will do for a caller that comes later; one more for a poll
	// that ends late. There may be ten thousand windows.
	for len(w.Samples) > 2 && at-w.Samples[2].At >= RateWindow {
		w.drop()
	}
	return true
}

// Clear forgets all samples.
func (w *Window[T]) Clear() { w.Samples = w.Samples[:0] }

func (w *Window[T]) drop() { w.Samples = w.Samples[:copy(w.Samples, w.Samples[1:])] }
