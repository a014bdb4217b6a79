package ask

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/jsondoc"
)

// TestWhatAListLeavesOutIsOneMember: rows beyond the limit, and those that do not fit
// among the others, are one sum.
func TestWhatAListLeavesOutIsOneMember(t *testing.T) {
	t.Parallel()
	var cut Truncations
	require.Equal(t, MaxRows, cut.Limit("a", MaxRows+5))
	cut.Add("a", 3)
	cut.Add("b", 1)
	require.Equal(t, 2, cut.LimitTo("b", 4, 2))
	require.Equal(t, 2, cut.LimitTo("c", 2, 2))
	w := jsondoc.New(0)
	w.BeginObject()
	cut.Write(w)
	w.EndObject()
	require.Equal(t, `{"truncated":{"a":8,"b":3}}`, w.Document())
}
