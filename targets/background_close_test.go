package targets

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
)

// TestBackgroundIsClosedWhenAllOfItHasEnded, for all who close it.
func TestBackgroundIsClosedWhenAllOfItHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackground(2)
		for _, rest := range []time.Duration{time.Second, 2 * time.Second} {
			b.run(func(ctx context.Context) {
				<-ctx.Done()
				time.Sleep(rest)
			}, noPanic(t))
		}
		began := time.Now()
		closed := make(chan time.Duration, 2)
		for range 2 {
			go func() {
				b.close(t.Context())
				closed <- time.Since(began)
			}()
		}
		require.Equal(t, 2*time.Second, <-closed)
		require.Equal(t, 2*time.Second, <-closed)
		b.close(t.Context())
		require.Equal(t, 2*time.Second, time.Since(began))
	})
}

// TestAClientsCloseLeavesWorkUnderWaySomeTime, and no more than that.
func TestAClientsCloseLeavesWorkUnderWaySomeTime(t *testing.T) {
	t.Parallel()
	for rest, want := range map[time.Duration]time.Duration{
		400 * time.Millisecond: 400 * time.Millisecond, time.Second: 500 * time.Millisecond,
	} {
		synctest.Test(t, func(t *testing.T) {
			c := &Client{runtimeWith(t, func(*conf.Options) {})}
			c.rt.Env.Background(func(ctx context.Context) {
				<-ctx.Done()
				time.Sleep(rest)
			}, noPanic(t))
			began := time.Now()
			c.Close()
			require.Equal(t, want, time.Since(began))
			time.Sleep(rest)
		})
	}
}
