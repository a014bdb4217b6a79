package redisclient

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// endlessBytes gives bytes in no time.
type endlessBytes struct{}

func (endlessBytes) Read(p []byte) (int, error) { return len(p), nil }

// TestLongConversationsTakeTurns: together they read at the pace, whatever their
// number, and a short one does not wait for them.
func TestLongConversationsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const readers, each = 40, freeBytes + 5<<20
		b := NewBudget(64<<20, nil)
		read := func(n int64, deadline time.Time) time.Duration {
			ctx, lease := b.Begin(context.Background())
			defer lease.End()
			f := flow{src: endlessBytes{}}
			f.begin(ctx, deadline)
			began := time.Now()
			_, err := io.CopyN(io.Discard, &f, n)
			require.NoError(t, err)
			return time.Since(began)
		}
		began := time.Now()
		var long sync.WaitGroup
		for range readers {
			long.Go(func() { read(each, time.Time{}) })
		}
		time.Sleep(100 * time.Millisecond)
		require.Zero(t, read(freeBytes, time.Time{}), "a short one")
		require.Equal(t, 50*time.Millisecond, read(each, time.Now().Add(50*time.Millisecond)), "none waits beyond its deadline")
		long.Wait()
		require.InDelta(t, float64(readers*(each-freeBytes))/paceRate, time.Since(began).Seconds(), 0.1)
	})
}

// TestAConversationWithoutABudgetTakesNoTurns: others of the program, such as record.
func TestAConversationWithoutABudgetTakesNoTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := flow{src: endlessBytes{}}
		f.begin(context.Background(), time.Time{})
		began := time.Now()
		_, err := io.CopyN(io.Discard, &f, 100<<20)
		require.NoError(t, err)
		require.Zero(t, time.Since(began))
	})
}
