package info

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOffsetsAreComparedWithinOneHistory: each history of writes has a count of its own.
func TestOffsetsAreComparedWithinOneHistory(t *testing.T) {
	t.Parallel()
	const none = "0000000000000000000000000000000000000000"
	history := func(fields string) (History, Identity) {
		x := scanned(t, "# Server\nredis_version:8.2.0\n# Replication\n"+fields)
		id := Identify(x)
		return ReadHistory(x, &id, Masters(x, &id, x.SectionLines("replication"))), id
	}
	const primary = "role:master\nmaster_repl_offset:1000\n"
	const replica = "role:slave\nmaster_host:h\nmaster_port:1\nmaster_link_status:"
	const fresh = primary + "master_replid:aa\nmaster_replid2:" + none + "\nsecond_repl_offset:-1\n"
	const promoted = primary + "master_replid:bb\nmaster_replid2:aa\nsecond_repl_offset:901\n"
	for _, tt := range []struct {
		name, primary, replica string
		want                   Reading
	}{
		{"in step", fresh, "up\nslave_repl_offset:990\nmaster_replid:aa\n", Known(10)},
		{"asked later", fresh, "up\nslave_repl_offset:1010\nmaster_replid:aa\n", Known(0)},
		{"has lost its primary", fresh, "down\nslave_repl_offset:900\nmaster_replid:aa\n", Known(100)},
		{"of another primary, and ahead", fresh, "down\nslave_repl_offset:7313\nmaster_replid:cc\n", Reading{}},
		{"of another primary, and behind", fresh, "down\nslave_repl_offset:356\nmaster_replid:cc\n", Reading{}},
		{"of another primary, linked", fresh, "up\nslave_repl_offset:356\nmaster_replid:cc\n", Reading{}},
		{"no history is none in common", fresh, "down\nslave_repl_offset:356\nmaster_replid:" + none[1:] + "1\n", Reading{}},
		{"copies everything", fresh, "down\nslave_repl_offset:900\nmaster_replid:aa\nmaster_sync_in_progress:1\n", Reading{}},
		{"has not begun to copy", fresh, "down\nslave_repl_offset:1\nmaster_replid:aa\n", Reading{}},
		{"of the time before the promotion", promoted, "down\nslave_repl_offset:900\nmaster_replid:aa\n", Known(100)},
		{"went on with the old primary", promoted, "down\nslave_repl_offset:901\nmaster_replid:aa\n", Reading{}},
		{"until when is not said", primary + "master_replid:bb\nmaster_replid2:aa\n", "down\nslave_repl_offset:5\nmaster_replid:aa\n", Reading{}},
		{"before Redis 4", primary, "down\nslave_repl_offset:900\n", Known(100)},
		{"a primary before Redis 4", primary, "up\nslave_repl_offset:900\nmaster_replid:aa\n", Known(100)},
		{"a primary before Redis 4 that it may not know", primary, "down\nslave_repl_offset:900\nmaster_replid:aa\n", Reading{}},
		{"it does not say", fresh, "up\nmaster_replid:aa\n", Reading{}},
	} {
		p, id := history(tt.primary)
		r, _ := history(replica + tt.replica)
		require.Equal(t, tt.want, id.Lag(p, r), tt.name)
	}
}
