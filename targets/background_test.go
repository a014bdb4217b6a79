package targets

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func noPanic(t *testing.T) func(error) {
	return func(err error) { require.NoError(t, err) }
}

func TestBackgroundRunsFewAtOnceAndInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackground(2)
		began := time.Now()
		var mu sync.Mutex
		var ended []string
		for i := range 5 {
			b.run(func(context.Context) {
				time.Sleep(time.Second + time.Duration(i)*time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				ended = append(ended, fmt.Sprintf("%d after %s", i, time.Since(began)))
			}, noPanic(t))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"0 after 1s", "1 after 1.001s", "2 after 2.002s", "3 after 2.004s", "4 after 3.006s"}, ended)
		require.Zero(t, b.running)
	})
}

func TestBackgroundSurvivesAPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackground(1)
		var failure error
		done := false
		b.run(func(context.Context) { panic("oh") }, func(err error) { failure = err })
		b.run(func(context.Context) { done = true }, noPanic(t))
		synctest.Wait()
		require.EqualError(t, failure, "internal error: oh")
		require.True(t, done, "its place is free again")
	})
}

func TestBackgroundEndsWithItsOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackground(1)
		var why error
		b.run(func(ctx context.Context) {
			<-ctx.Done()
			time.Sleep(time.Second) // the rest of a conversation
			why = ctx.Err()
		}, noPanic(t))
		b.run(func(context.Context) { why = errors.New("a work that waited was done") }, noPanic(t))
		began := time.Now()
		b.close(t.Context())
		require.Equal(t, time.Second, time.Since(began))
		require.ErrorIs(t, why, context.Canceled)
		b.run(func(context.Context) { why = errors.New("it runs after the end") }, noPanic(t))
		synctest.Wait()
		require.ErrorIs(t, why, context.Canceled)
		b.close(t.Context())
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBackground(1)
		b.run(func(context.Context) { time.Sleep(time.Hour) }, noPanic(t))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		b.close(ctx)
		require.Equal(t, time.Second, time.Since(began), "nobody waits longer than that")
		time.Sleep(time.Hour)
	})
}
