package ask

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// maxSideBySide bounds how many servers one check asks at the same time.
const maxSideBySide = 32

// SideBySide calls do for 0 to n-1, at most maxSideBySide of them at once, and
// returns when all have ended. A panic, which outside the check's own goroutine
// would end the process and the agent with it, becomes the error that failed is
// called with.
func SideBySide(n int, do func(i int), failed func(i int, err error)) {
	one := func(i int) {
		defer func() {
			if r := recover(); r != nil {
				failed(i, fmt.Errorf("internal error: %v", r))
			}
		}()
		do(i)
	}
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(n, maxSideBySide) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				one(int(i))
			}
		})
	}
	wg.Wait()
}
