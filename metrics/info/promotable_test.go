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
		require.Equal(t, []bool{tt.promotable, tt.out}, []bool{Promotable(nil, tt.row), OutOfReach(tt.row)}, "%v", tt.row)
	}
	rows := []map[string]string{row("slave", "100"), row("slave", "0"), row("slave,s_down", "100")}
	for known, want := range map[Reading][2]int64{
		Known(3): {1, 0}, Known(5): {3, 2}, Known(1): {1, 0}, {}: {1, 0},
	} {
		available, unlisted := Available(nil, rows, known)
		require.Equal(t, want, [2]int64{available, unlisted}, "%v", known)
	}
	available, unlisted := Available(nil, nil, Known(1))
	require.Equal(t, [2]int64{1, 1}, [2]int64{available, unlisted})
}

// TestReplicasThatSentinelPassesOver are reached and have a priority, all the same.
// Source: redis src/sentinel.c, sentinelSelectSlave; the fields are those of Redis 8.6
func TestReplicasThatSentinelPassesOver(t *testing.T) {
	t.Parallel()
	up := map[string]string{"flags": "master", "down-after-milliseconds": "1000"}
	down := map[string]string{"flags": "master,s_down", "down-after-milliseconds": "1000", "s-down-time": "60000"}
	for _, tt := range []struct {
		name        string
		changed     map[string]string
		whileUp     bool
		whileDown   bool
		withoutTold bool // where the master's row tells nothing
	}{
		{"all is well", nil, true, true, true},
		{"without its master for as long as that is down", map[string]string{"master-link-down-time": "60000"}, false, true, true},
		{"without its master for ten times down-after", map[string]string{"master-link-down-time": "10000"}, true, true, true},
		{"without its master for longer", map[string]string{"master-link-down-time": "10001"}, false, true, true},
		{"without its master for long", map[string]string{"master-link-down-time": "70001"}, false, false, true},
		{"never had its master", map[string]string{"master-link-down-time": "-1000"}, true, true, true},
		{"INFO of the usual period", map[string]string{"info-refresh": "30000"}, true, false, true},
		{"old INFO", map[string]string{"info-refresh": "30001"}, false, false, false},
		{"no INFO yet", map[string]string{"info-refresh": "0", "runid": ""}, false, false, false},
		{"INFO of this moment", map[string]string{"info-refresh": "0"}, true, true, true},
		{"no answer to PING for five seconds", map[string]string{"last-ok-ping-reply": "5000"}, true, true, true},
		{"no answer to PING for longer", map[string]string{"last-ok-ping-reply": "5001"}, false, false, false},
	} {
		row := map[string]string{"flags": "slave", "runid": "2", "slave-priority": "100", "info-refresh": "885", "last-ok-ping-reply": "5", "master-link-down-time": "0"}
		for name, value := range tt.changed {
			row[name] = value
		}
		require.Equal(t, []bool{tt.whileUp, tt.whileDown, tt.withoutTold}, []bool{Promotable(up, row), Promotable(down, row), Promotable(nil, row)}, tt.name)
		available, _ := Available(up, []map[string]string{row}, Known(1))
		require.Equal(t, tt.whileUp, available == 1, tt.name)
	}
}
