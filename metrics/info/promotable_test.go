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

// TestWhichReplicasOfAClusterTakeOver: what they say of the link, as servers print it.
func TestWhichReplicasOfAClusterTakeOver(t *testing.T) {
	t.Parallel()
	defaults := Validity{NodeTimeout: Known(15_000), PingPeriod: Known(10), Factor: Known(10)}
	always := Validity{NodeTimeout: Known(15_000), PingPeriod: Known(10), Factor: Known(0)}
	const down = "master_host:10.0.0.1\r\nmaster_link_status:down\r\n"
	for _, tt := range []struct {
		name, text             string
		validity               Validity
		neverSynced, takesOver bool
	}{
		{"the link is up", "master_host:10.0.0.1\r\nmaster_link_status:up\r\nslave_repl_offset:1\r\n", defaults, false, true},
		{"nothing is said", "", defaults, false, true},
		{"never up", down + "slave_repl_offset:1\r\nmaster_link_down_since_seconds:-1\r\n", defaults, true, false},
		{"never up, and any age is allowed: it has no data", down + "slave_repl_offset:0\r\nmaster_link_down_since_seconds:-1\r\n", always, true, false},
		{"never up since a restart", down + "slave_repl_offset:9000\r\nmaster_link_down_since_seconds:-1\r\n", defaults, true, false},
		{"never up, before Redis 6.2", down + "slave_repl_offset:1\r\nmaster_link_down_since_seconds:1796066234\r\n", defaults, true, false},
		{"no offset, and no time", down + "slave_repl_offset:1\r\n", Validity{}, true, false},
		{"no time", down + "slave_repl_offset:2\r\n", Validity{}, false, true},
		{"for as long as it may", down + "slave_repl_offset:90\r\nmaster_link_down_since_seconds:160\r\n", defaults, false, true},
		{"for longer", down + "slave_repl_offset:90\r\nmaster_link_down_since_seconds:161\r\n", defaults, false, false},
		{"for longer, and any age is allowed", down + "slave_repl_offset:90\r\nmaster_link_down_since_seconds:99999\r\n", always, false, true},
		{"for longer, and the configuration is not known", down + "slave_repl_offset:90\r\nmaster_link_down_since_seconds:161\r\n", Validity{}, false, true},
		{"for much longer, and the configuration is not known", down + "slave_repl_offset:90\r\nmaster_link_down_since_seconds:1801\r\n", Validity{}, false, false},
		{"a part of the configuration", down + "slave_repl_offset:90\r\nmaster_link_down_since_seconds:161\r\n", Validity{Factor: Known(1)}, false, true},
		{"no number", down + "slave_repl_offset:90\r\nmaster_link_down_since_seconds:x\r\n", defaults, false, true},
		{"one of two masters (KeyDB)", down + "slave_repl_offset:1\r\nmaster_link_down_since_seconds:-1\r\nmaster_1_host:10.0.0.3\r\nmaster_1_link_status:up\r\n", defaults, false, true},
	} {
		x, err := Scan([]byte("# Server\r\nredis_version:7.0.15\r\nuptime_in_seconds:100000\r\n# Replication\r\nrole:slave\r\n"+tt.text), nil, nil)
		require.NoError(t, err)
		id := Identify(&x)
		masters := Masters(&x, &id, x.SectionLines("replication"))
		require.Equal(t, []bool{tt.neverSynced, tt.takesOver}, []bool{NeverSynced(&id, masters), TakesOver(&id, masters, tt.validity)}, tt.name)
	}
}
