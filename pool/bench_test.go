package pool_test

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/pool"
)

// nothing is a connection that costs nothing, so that only the pool is measured.
type nothing struct{}

func (*nothing) Alive() error { return nil }
func (*nothing) Err() error   { return nil }
func (*nothing) Close() error { return nil }

func benchPool[K comparable](tb testing.TB, maxPerTarget int) *pool.Pool[K, *nothing] {
	p, err := pool.New(pool.Config[K, *nothing]{
		Dial:         func(context.Context, K) (*nothing, error) { return new(nothing), nil },
		MaxPerTarget: maxPerTarget,
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { closeSoon(tb, p) })
	return p
}

func converse(context.Context, *nothing) error { return nil }

func BenchmarkDo(b *testing.B) {
	ctx := context.Background()
	b.Run("uncontended", func(b *testing.B) {
		p := benchPool[string](b, 1)
		b.ReportAllocs()
		for b.Loop() {
			_ = p.Do(ctx, "a", converse)
		}
	})
	b.Run("contended", func(b *testing.B) { // for the lock; there are enough connections
		p := benchPool[string](b, 1024)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_ = p.Do(ctx, "a", converse)
			}
		})
	})
	b.Run("waiters=63", func(b *testing.B) { // 64 goroutines take turns with one connection
		p := benchPool[string](b, 1)
		left := make(chan struct{}, 64)
		var done sync.WaitGroup
		for range 64 {
			done.Go(func() {
				for range left {
					_ = p.Do(ctx, "a", func(context.Context, *nothing) error { runtime.Gosched(); return nil })
				}
			})
		}
		b.ReportAllocs()
		for b.Loop() {
			left <- struct{}{}
		}
		close(left)
		done.Wait()
	})
	b.Run("targets=10000", func(b *testing.B) {
		p := benchPool[string](b, 1)
		keys := make([]string, 10_000)
		for i := range keys {
			keys[i] = "tcp://host" + strconv.Itoa(i) + ":6379"
			require.NoError(b, p.Do(ctx, keys[i], converse))
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			_ = p.Do(ctx, keys[i], converse)
			if i++; i == len(keys) {
				i = 0
			}
		}
	})
}

func BenchmarkStats(b *testing.B) {
	p := benchPool[int](b, 1)
	for i := range 1000 {
		require.NoError(b, p.Do(context.Background(), i, converse))
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = p.Stats()
	}
}

func TestUncontendedDoDoesNotAllocate(t *testing.T) {
	if redistest.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	p := benchPool[string](t, 1)
	ctx := context.Background()
	require.Zero(t, testing.AllocsPerRun(1000, func() { _ = p.Do(ctx, "a", converse) }))
}
