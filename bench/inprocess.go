package main

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// ownCPU is the CPU time of this process.
func ownCPU() (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t)
	return time.Duration(t.Nano()), err
}

// inProcess has workers call op, each its own as made by worker, for the time
// d, and measures this process as testing.B does: time and allocations for one
// call, all workers together. batch is the number of calls between two looks
// at the clock.
func inProcess(workers, batch int, d time.Duration, worker func() (op func() error, err error)) (values, error) {
	ops := make([]func() error, workers)
	for i := range ops {
		var err error
		if ops[i], err = worker(); err != nil {
			return nil, err
		}
	}
	var (
		wg    sync.WaitGroup
		total atomic.Int64
		first atomic.Pointer[error]
		m     [2]runtime.MemStats
	)
	runtime.GC()
	runtime.ReadMemStats(&m[0])
	used, err := ownCPU()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	for _, op := range ops {
		wg.Go(func() {
			for time.Since(began) < d {
				for range batch {
					if err := op(); err != nil {
						why := err // only here, or every call would cost an allocation
						first.CompareAndSwap(nil, &why)
						return
					}
				}
				total.Add(int64(batch))
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	now, err := ownCPU()
	if err != nil {
		return nil, err
	}
	runtime.ReadMemStats(&m[1])
	if e := first.Load(); e != nil {
		return nil, *e
	}
	n := float64(total.Load())
	return values{
		wallTime: float64(took) / n,
		cpu:      float64(now-used) / n / 1e3,
		// Rounded: the runtime itself allocates now and then.
		allocs:     math.Round(100*float64(m[1].Mallocs-m[0].Mallocs)/n) / 100,
		bytesAlloc: math.Round(float64(m[1].TotalAlloc-m[0].TotalAlloc) / n),
	}, nil
}
