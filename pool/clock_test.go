package pool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A pool that was made before the clock was set, or the machine slept, tells
// times of the clock of now.
func TestMomentsAreToldByTheClockOfNow(t *testing.T) {
	p := &Pool[string, *nobody]{made: time.Now().Add(-time.Hour)}
	now := p.now()
	wall := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) // whatever the clock said when p was made
	require.Equal(t, wall, now.onClock(now, wall))
	require.Equal(t, wall.Add(-time.Minute), now.add(-time.Minute).onClock(now, wall))
	require.Equal(t, wall.Add(time.Second), now.add(time.Second).onClock(now, wall))
	require.InDelta(t, float64(time.Hour), float64(now), float64(time.Minute))
}

type nobody struct{}

func (*nobody) Alive() error { return nil }
func (*nobody) Err() error   { return nil }
func (*nobody) Close() error { return nil }
