package info

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/jsondoc"
)

// mastersOf reads the lines of replication of a server.
func mastersOf(t testing.TB, flavour, replication string) (*Text, Identity, []Master) {
	t.Helper()
	x, id := serverOf(t, flavour, replication)
	return x, id, Masters(x, &id, x.SectionLines("replication"))
}

func rowsOf(masters []Master) string {
	w := jsondoc.New(0)
	WriteMasters(w, masters)
	return w.Document()
}

func TestMasters(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, lines, want string }{
		{"a master has none", "slave0:ip=a,port=1,state=online\nmaster_replid:x\nmaster_repl_offset:5\n", `[]`},
		{"Redis", "master_host:10.0.0.2\nmaster_port:6379\nmaster_link_status:up\nmaster_last_io_seconds_ago:3\nmaster_sync_in_progress:0\n",
			`[{"host":"10.0.0.2","port":6379,"link_up":1,"last_io_seconds":3}]`},
		{"its link is down", "master_host:h\nmaster_port:1\nmaster_link_status:down\nmaster_last_io_seconds_ago:-1\nmaster_link_down_since_seconds:7\n",
			`[{"host":"h","port":1,"link_up":0,"link_down_seconds":7}]`},
		{"it copies everything", "master_host:h\nmaster_port:1\nmaster_link_status:down\nmaster_sync_in_progress:1\nmaster_sync_left_bytes:9\n",
			`[{"host":"h","port":1,"link_up":0,"sync_left_bytes":9}]`},
		{"what is left says nothing without a copy", "master_host:h\nmaster_port:1\nmaster_link_status:up\nmaster_sync_in_progress:0\nmaster_sync_left_bytes:9\n",
			`[{"host":"h","port":1,"link_up":1}]`},
		{"a negative rest is none", "master_host:h\nmaster_port:1\nmaster_sync_in_progress:1\nmaster_sync_left_bytes:-5\n", `[{"host":"h","port":1}]`},
		{"ages of at most the uptime", "master_host:h\nmaster_port:x\nmaster_link_status:up\nmaster_last_io_seconds_ago:1000\nmaster_link_down_since_seconds:1002\n",
			`[{"host":"h","link_up":1,"last_io_seconds":1000}]`},
		{"the link before the host", "master_link_status:up\nmaster_last_io_seconds_ago:1\n", `[{"host":"","link_up":1,"last_io_seconds":1}]`},
		{"nothing before the first host", "master_port:5\nmaster_host:h\nmaster_port:6\n", `[{"host":"h","port":6}]`},
		{"KeyDB before 6.3", "Master 0:\nmaster_host:a\nmaster_port:1\nmaster_link_status:up\nMaster 1:\nmaster_host:b\nmaster_port:2\nmaster_link_status:down\n",
			`[{"host":"a","port":1,"link_up":1},{"host":"b","port":2,"link_up":0}]`},
		{"KeyDB 6.3", "master_host:a\nmaster_port:1\nmaster_link_status:up\nmaster_1_host:b\nmaster_1_port:2\nmaster_1_link_status:down\nmaster_12_host:c\nmaster_12_port:3\n",
			`[{"host":"a","port":1,"link_up":1},{"host":"b","port":2,"link_up":0},{"host":"c","port":3}]`},
		{"what only looks like a number", "master_host:a\nmaster_1x_host:b\nmaster__port:2\n", `[{"host":"a","port":2}]`},
	} {
		_, _, masters := mastersOf(t, "keydb", tt.lines)
		require.Equal(t, tt.want, rowsOf(masters), tt.name)
	}
}

func TestMastersStandInTheServersOrder(t *testing.T) {
	t.Parallel()
	x, id := serverOf(t, "keydb", "master_host:z\nmaster_port:1\nmaster_1_host:a\nmaster_1_port:2\n")
	x.SortSections()
	_, sorted, _ := x.Group(0)
	require.Equal(t, `[{"host":"z","port":1},{"host":"a","port":2}]`, rowsOf(Masters(x, &id, sorted)))
}

func TestSumLinks(t *testing.T) {
	t.Parallel()
	unknown := Reading{}
	const up, down = "master_host:a\nmaster_link_status:up\nmaster_last_io_seconds_ago:", "master_host:b\nmaster_link_status:down\nmaster_link_down_since_seconds:"
	for _, tt := range []struct {
		name, lines string
		want        Links
	}{
		{"a master", "", Links{}},
		{"up", up + "3\n", Links{Up: Known(1), LastIO: Known(3)}},
		{"two up: the longest silence", up + "3\n" + up + "5\n" + up + "4\n", Links{Up: Known(1), LastIO: Known(5)}},
		{"down", down + "7\n", Links{Up: Known(0), Down: Known(7)}},
		{"two down: the longest", down + "7\n" + down + "9\n" + down + "8\n", Links{Up: Known(0), Down: Known(9)}},
		{"one of two down: no silence", up + "3\n" + down + "7\n", Links{Up: Known(0), Down: Known(7)}},
		{"in the other order", down + "7\n" + up + "3\n", Links{Up: Known(0), Down: Known(7)}},
		{"unknown", "master_host:a\nmaster_last_io_seconds_ago:3\n", Links{}},
		{"one of two unknown", up + "3\nmaster_host:b\n", Links{Up: Known(1), LastIO: Known(3)}},
		{"KeyDB knows of one more that is down", up + "3\nmaster_global_link_status:down\n", Links{Up: Known(0)}},
		{"or of none", up + "3\nmaster_global_link_status:up\n", Links{Up: Known(1), LastIO: Known(3)}},
		{"of no master at all", "master_global_link_status:down\n", Links{}},
		{"copies add up", down + "1\nmaster_sync_in_progress:1\nmaster_sync_left_bytes:30\n" + down + "1\nmaster_sync_in_progress:1\nmaster_sync_left_bytes:12\n" +
			down + "1\nmaster_sync_in_progress:0\nmaster_sync_left_bytes:500\n" + down + "1\nmaster_sync_in_progress:1\n",
			Links{Up: Known(0), Down: Known(1), SyncLeft: Known(42)}},
		{"received and not applied", "master_host:a\nslave_read_repl_offset:100\nslave_repl_offset:60\nmaster_host:b\nslave_read_repl_offset:100\nslave_repl_offset:90\n",
			Links{Unapplied: Known(40)}},
		{"all applied", "master_host:a\nslave_read_repl_offset:100\nslave_repl_offset:100\n", Links{Unapplied: Known(0)}},
		{"applied more than received", "master_host:a\nslave_read_repl_offset:99\nslave_repl_offset:100\n", Links{Unapplied: unknown}},
		{"one of the two", "master_host:a\nslave_read_repl_offset:99\n", Links{Unapplied: unknown}},
		{"the other", "master_host:a\nslave_repl_offset:0\n", Links{Unapplied: unknown}},
	} {
		x, id, masters := mastersOf(t, "keydb", tt.lines)
		require.Equal(t, tt.want, SumLinks(x, &id, masters), tt.name)
	}
	x, id, masters := mastersOf(t, "dragonfly", "master_host:a\nslave_read_repl_offset:100\nslave_repl_offset:60\n")
	require.Equal(t, Links{}, SumLinks(x, &id, masters), "Dragonfly's offsets are no bytes")
}

// TestWorstIsTheFirstThatIsDown reads what stands between the two places.
func TestWorstIsTheFirstThatIsDown(t *testing.T) {
	t.Parallel()
	const a, b, c = "master_host:a\nmaster_link_status:up\n", "master_host:b\nmaster_link_status:down\n", "master_host:c\nmaster_link_status:down\n"
	for lines, want := range map[string]string{
		"": "", a: "a", a + b + c: "b", b + a: "b", c + a + b: "c", "master_host:x\n" + a: "a", a + "master_host:x\n": "x", a + b + "master_host:x\n": "b",
	} {
		x, _, masters := mastersOf(t, "keydb", lines)
		first, last := Worst(masters)
		got := ""
		for _, l := range x.SectionLines("replication") {
			if l.Start >= first && l.Start <= last && string(l.Key(x.Text)) == "master_host" {
				got += string(l.Value(x.Text))
			}
		}
		require.Equal(t, want, got, "%q", lines)
	}
}
