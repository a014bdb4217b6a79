package info

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func kept(w *Window[int]) (out []int) {
	for _, s := range w.Samples {
		out = append(out, s.Value)
	}
	return out
}

func TestAWindowKeepsOneSampleAStep(t *testing.T) {
	t.Parallel()
	var w Window[int]
	require.Nil(t, w.Newest())
	require.Nil(t, w.Base(time.Hour))
	require.True(t, w.Add(0, 1))
	require.False(t, w.Add(RateStep-1, 2), "too early")
	require.True(t, w.Add(RateStep, 3))
	require.False(t, w.Add(RateStep, 4))
	require.Equal(t, []int{1, 3}, kept(&w))
	require.Equal(t, Sample[int]{RateStep, 3}, *w.Newest())
	w.Clear()
	require.Empty(t, w.Samples)
	require.Nil(t, w.Newest())
	require.True(t, w.Add(RateStep, 5), "a window that was cleared begins anew")
	require.Equal(t, []int{5}, kept(&w))
}

func TestTheBaseOfARateIsTheNewestThatIsOldEnough(t *testing.T) {
	t.Parallel()
	var w Window[int]
	for i := range 7 {
		w.Add(time.Duration(i)*RateStep, i)
	}
	require.Nil(t, w.Base(RateWindow-1))
	require.Equal(t, 0, w.Base(RateWindow).Value)
	require.Equal(t, 0, w.Base(RateWindow+RateStep-1).Value)
	require.Equal(t, 1, w.Base(RateWindow+RateStep).Value)
	require.Equal(t, 6, w.Base(time.Hour).Value)
}

// TestAWindowReachesBackFarEnough holds it to its promise for every interval of
// polls: there is a base as soon as RateWindow has gone by, it never is much older
// than it need be, and the window stays bounded.
func TestAWindowReachesBackFarEnough(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{time.Second, 5 * time.Second, 7 * time.Second, 10 * time.Second, 29 * time.Second, 30 * time.Second, 31 * time.Second, time.Minute} {
		var w Window[time.Duration]
		for at := time.Duration(0); at < 10*time.Minute; at += every {
			base := w.Base(at)
			if at >= RateWindow+every {
				require.NotNil(t, base, "%s at %s", every, at)
				require.Less(t, at-base.At, RateWindow+every+RateStep, "%s at %s", every, at)
			}
			w.Add(at, at)
			require.LessOrEqual(t, len(w.Samples), RateSamples, "%s at %s", every, at)
			for i, s := range w.Samples {
				require.Equal(t, s.At, s.Value)
				require.True(t, i == 0 || s.At-w.Samples[i-1].At >= RateStep, "oldest first")
			}
		}
	}
}

func TestAWindowForgetsWhatNoRateNeeds(t *testing.T) {
	t.Parallel()
	var w Window[int]
	for i := range 5 {
		w.Add(time.Duration(i)*RateWindow, i)
	}
	require.Equal(t, []int{2, 3, 4}, kept(&w), "the base, one more for a poll that ends late, and the newest")
	w.Add(5*RateWindow-1, 5)
	require.Equal(t, []int{2, 3, 4, 5}, kept(&w))
	w.Add(time.Hour, 6)
	require.Equal(t, []int{4, 5, 6}, kept(&w))

	var often Window[int]
	for i := range 20 {
		often.Add(time.Duration(i)*RateStep, i)
	}
	require.Equal(t, []int{12, 13, 14, 15, 16, 17, 18, 19}, kept(&often))
}
