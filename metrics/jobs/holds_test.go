package jobs

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNobodyIsBusyWhereNoneLives, of whatever system: what is still said to run keeps no
// worker from the queue.
func TestNobodyIsBusyWhereNoneLives(t *testing.T) {
	t.Parallel()
	for _, s := range Systems() {
		name := s.Spec().Name
		if s.Spec().lacks(figWorkersAlive, false) || s.Spec().lacks(figActive, true) || name == "horizon" {
			continue
		}
		for alive, saturated := range map[float64]float64{0: 0, 1: 1} {
			r, q := readingOf(t, name), &queue{Name: "a"}
			r.Set(figWorkersAlive, alive)
			q.Set(figActive, 2)
			r.judge(q, 60, 60, r.holds(q))
			want(t, &q.figures, figSaturated, saturated)
		}
		r, q := readingOf(t, name), &queue{Name: "a"}
		r.Miss(figWorkersAlive, "it was refused") // unknown is not 0
		q.Set(figActive, 2)
		r.judge(q, 60, 60, r.holds(q))
		want(t, &q.figures, figSaturated, 1)

		r, q = readingOf(t, name), &queue{Name: "a"} // those of the one queue
		r.Set(figWorkersAlive, 0)
		r.ownAlive = true
		q.Set(figActive, 2)
		require.Equal(t, heldByWork, r.holds(q), name)
	}
}
