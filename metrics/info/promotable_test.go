package info

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhichReplicasSentinelsMayPromote(t *testing.T) {
	t.Parallel()
	row := func(flags, priority string) map[string]string {
		out := map[string]string{"flags": flags}
		if priority != "" {
			out["slave-priority"] = priority
		}
		return out
	}
	for _, tt := range []struct {
		row             map[string]string
		promotable, out bool
	}{
		{row("slave", "100"), true, false}, {row("slave", "1"), true, false}, {row("slave", ""), true, false}, {row("slave", "0"), false, false},
		{row("s_down,slave", "100"), false, true}, {row("slave,o_down", "100"), false, true}, {row("slave,disconnected", "100"), false, true},
		{row("slave,reconf_sent", "100"), true, false},
	} {
		require.Equal(t, []bool{tt.promotable, tt.out}, []bool{Promotable(tt.row), OutOfReach(tt.row)}, "%v", tt.row)
	}
	rows := []map[string]string{row("slave", "100"), row("slave", "0"), row("slave,s_down", "100")}
	for known, want := range map[Reading][2]int64{
		Known(3): {1, 0}, Known(5): {3, 2}, Known(1): {1, 0}, {}: {1, 0},
	} {
		available, unlisted := Available(rows, known)
		require.Equal(t, want, [2]int64{available, unlisted}, "%v", known)
	}
	available, unlisted := Available(nil, Known(1))
	require.Equal(t, [2]int64{1, 1}, [2]int64{available, unlisted})
}
