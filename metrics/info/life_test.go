package info

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatHappenedBetweenTwoPolls(t *testing.T) {
	t.Parallel()
	now := time.Now()
	minute := Life{RunID: "a", At: now.Add(-time.Minute)}
	for _, tt := range []struct {
		name   string
		before Life
		runID  string
		uptime Reading
		want   Change
	}{
		{"the same life", minute, "a", Known(5000), Same},
		{"it does not say who it is", minute, "", Known(5), Same},
		{"it did not say who it was", Life{At: minute.At}, "a", Known(5), Same},
		{"no name and the same start", Life{At: minute.At, Uptime: Known(1000)}, "", Known(1060), Same},
		{"no name, and a clock that was set", Life{At: minute.At, Uptime: Known(1000)}, "", Known(1110), Same},
		{"no name, and a start since then", Life{At: minute.At, Uptime: Known(1000)}, "", Known(5), Restarted},
		{"no name, and a start soon after another", Life{At: minute.At, Uptime: Known(3)}, "", Known(50), Restarted},
		{"no name, just started", Life{At: minute.At, Uptime: Known(0)}, "", Known(60), Same},
		{"no name, and uptimes are in whole seconds", Life{At: minute.At, Uptime: Known(0)}, "", Known(58), Same},
		{"no name, and another that ran then already", Life{At: minute.At, Uptime: Known(1000)}, "", Known(90000), Replaced},
		{"no name, and a younger one that ran then already", Life{At: minute.At, Uptime: Known(1000)}, "", Known(500), Replaced},
		{"no name, and nobody knows since when it ran", Life{At: minute.At}, "", Known(5), Same},
		{"it began since then", minute, "b", Known(59), Restarted},
		{"uptime is in whole seconds", minute, "b", Known(61), Restarted},
		{"it ran then already", minute, "b", Known(62), Replaced},
		{"nobody knows since when it runs", minute, "b", Reading{}, Replaced},
	} {
		require.Equal(t, tt.want, tt.before.Next(tt.runID, tt.uptime, now), tt.name)
	}
}

func TestHowFarALogWasRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var read LogRead
		next := func(polled bool, newest int64, runID string, uptime int64) LogNews {
			n := read.Next(polled, newest, runID, Known(uptime))
			read = n.Read
			time.Sleep(time.Minute)
			return LogNews{From: n.From, First: n.First, Restarted: n.Restarted}
		}
		require.Equal(t, LogNews{From: 0, First: true}, next(false, 7, "a", 1000))
		require.Equal(t, LogNews{From: 8}, next(true, 9, "a", 1060))
		require.Equal(t, LogNews{From: 10}, next(true, -1, "a", 1120), "it was reset")
		require.EqualValues(t, 9, read.Last)
		require.Equal(t, LogNews{From: 10}, next(true, 4, "a", 1180), "a late answer to an earlier poll")
		require.EqualValues(t, 9, read.Last)
		require.Equal(t, LogNews{From: 0, Restarted: true}, next(true, 2, "b", 30))
		require.Equal(t, LogNews{From: 3}, next(true, 2, "", 90))
		require.Equal(t, LogNews{From: 0, Restarted: true}, next(true, 1, "", 30), "its ids began anew")
		require.Equal(t, LogNews{From: 2}, next(true, 1, "c", 90))
		require.Equal(t, LogNews{From: 0, First: true}, next(true, 50, "d", 90000), "of the one that took over nobody has read anything")
	})
}
