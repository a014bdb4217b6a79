package stall

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAwakeLeavesOutWhatTheMachineStoodStill(t *testing.T) {
	began := time.Now()
	at := func(seconds int) time.Time { return began.Add(time.Duration(seconds-100) * time.Second) }
	Watch()
	seen.mu.Lock()
	seen.all = []span{{at(0), at(10)}, {at(20), at(21)}, {at(30), at(40)}}
	seen.mu.Unlock()
	for _, c := range []struct{ from, to, want int }{
		{50, 60, 10}, {11, 19, 8}, {15, 25, 9}, {5, 25, 14}, {35, 36, 0}, {38, 42, 2}, {10, 20, 10},
	} {
		require.Equal(t, time.Duration(c.want)*time.Second, Awake(at(c.from), at(c.to)), "%v", c)
	}
	require.GreaterOrEqual(t, Awake(began, time.Now()), time.Duration(0))
}
