package info

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// figuresOf writes each replica with what is known of it.
func figuresOf(replicas []Replica, x *Text) string {
	var out []string
	for _, r := range replicas {
		s := fmt.Sprintf("%s:%s", r.IP, r.Port)
		for _, f := range []struct {
			name string
			of   Reading
		}{{"offset", r.Offset}, {"lag", r.Lag}, {"bytes", r.LagBytes}, {"writes", r.LagWrites}} {
			if f.of.Known {
				s += fmt.Sprintf(" %s=%d", f.name, f.of.Value)
			}
		}
		out = append(out, s+" "+string(r.Line.Key(x.Text)))
	}
	return strings.Join(out, ", ")
}

func TestFiguresOfReplicas(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, flavour, rows, want string }{
		{"in the order of their numbers", "redis", "slave10:ip=c,port=1\nslave2:ip=b,port=1\nslave007:ip=x,port=1\nslave0:ip=a,port=1\n",
			"a:1 slave0, b:1 slave2, x:1 slave007, c:1 slave10"},
		{"a lag of at most the uptime", "redis", "slave0:ip=a,port=1,lag=1001\nslave1:ip=b,port=1,lag=1002\nslave2:ip=c,port=1,lag=-1\n",
			"a:1 lag=1001 slave0, b:1 slave1, c:1 slave2"},
		{"bytes behind", "redis", "slave0:ip=a,port=1,offset=60\nslave1:ip=b,port=1,offset=100\nslave2:ip=c,port=1,offset=101\nslave3:ip=d,port=1,offset=0\nmaster_repl_offset:100\n",
			"a:1 offset=60 bytes=40 slave0, b:1 offset=100 bytes=0 slave1, c:1 offset=101 slave2, d:1 offset=0 slave3"},
		{"nothing was ever written", "redis", "slave0:ip=a,port=1,offset=0\nmaster_repl_offset:0\n", "a:1 offset=0 bytes=0 slave0"},
		{"the own offset is not known", "redis", "slave0:ip=a,port=1,offset=60\n", "a:1 offset=60 slave0"},
		{"nor can it be read", "redis", "slave0:ip=a,port=1,offset=60\nmaster_repl_offset:x\n", "a:1 offset=60 slave0"},
		{"the greater of two figures of writes", "dragonfly", "slave0:ip=a,port=1,offset=90,lag=3\nslave1:ip=b,port=1,offset=99,lag=3\nslave2:ip=c,port=1,lag=4\nmaster_repl_offset:100\n",
			"a:1 offset=90 writes=10 slave0, b:1 offset=99 writes=3 slave1, c:1 writes=4 slave2"},
		{"Garnet's offset comes before its lag", "garnet", "slave0:ip=a,port=1,offset=90,lag=3\nslave1:ip=b,port=1,lag=4\nmaster_repl_offset:100\n",
			"a:1 offset=90 bytes=10 slave0, b:1 bytes=4 slave1"},
		{"rows of which something is known are rows", "redis", "slave0:state=online\nslave1:offset=5\nslave2:lag=5\nslave3:ip=a\nslave4:port=5\nslave5:type=x\n",
			": slave0, : offset=5 slave1, : lag=5 slave2, a: slave3, :5 slave4"},
		{"no replicas", "redis", "master_repl_offset:100\nslave:ip=a,port=1\nslave_0:ip=a,port=1\nslave0x:ip=a,port=1\nslave/:ip=a,port=1\nslave::ip=a,port=1\nxlave0:ip=a,port=1\n", ""},
	} {
		x, id := serverOf(t, tt.flavour, tt.rows)
		require.Equal(t, tt.want, figuresOf(FindReplicas(x, &id), x), tt.name)
	}
}

// TestOneAddressShowsTheReplicaThatIsWorstOff: of several behind one address the
// figures are the worst ones, and the row is that of the worst replica, in whatever
// order the rows stand.
func TestOneAddressShowsTheReplicaThatIsWorstOff(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, better, worse, want string }{
		{"not in sync", "state=online,offset=90,lag=9", "state=send_bulk,offset=99,lag=1", "1/2 lag=9 bytes=10"},
		{"a longer silence", "state=online,offset=90,lag=1", "state=online,offset=90,lag=9", "2/2 lag=9 bytes=10"},
		{"farther behind", "state=online,offset=90,lag=1", "state=online,offset=80,lag=1", "2/2 lag=1 bytes=20"},
		{"none in sync, farther behind", "state=x,offset=90,lag=1", "state=x,offset=80,lag=1", "0/2 lag=1 bytes=20"},
	} {
		for _, first := range []bool{true, false} {
			rows := []string{tt.better, tt.worse}
			if !first {
				rows = []string{tt.worse, tt.better}
			}
			x, id := serverOf(t, "redis", "slave0:ip=a,port=1,"+rows[0]+"\nslave1:ip=a,port=1,"+rows[1]+"\nmaster_repl_offset:100\n")
			got := FindReplicas(x, &id)
			require.Len(t, got, 1, tt.name)
			r := got[0]
			require.Equal(t, tt.want, fmt.Sprintf("%d/%d lag=%d bytes=%d", r.InSync.Value, r.Count, r.Lag.Value, r.LagBytes.Value), tt.name)
			require.Equal(t, "ip=a,port=1,"+tt.worse, string(r.Line.Value(x.Text)), tt.name)
		}
	}

	x, id := serverOf(t, "redis", "slave0:ip=a,port=1,state=online,lag=1\nslave1:ip=a,port=1,lag=9\nslave2:ip=a,port=1,state=online,lag=2\n")
	r := FindReplicas(x, &id)[0]
	require.Equal(t, int64(3), r.Count)
	require.False(t, r.InSync.Known, "of one of them it is not known")
	require.Equal(t, Known(9), r.Lag)

	x, id = serverOf(t, "dragonfly", "slave0:ip=a,port=1,state=online,lag=1\nslave1:ip=a,port=1,state=online,lag=9\nslave2:ip=a,port=1,state=online,lag=2\n")
	require.Equal(t, Known(9), FindReplicas(x, &id)[0].LagWrites)
}

func TestReplicasWithoutAnAddressAreNotOne(t *testing.T) {
	t.Parallel()
	x, id := serverOf(t, "redis", "slave0:state=online\nslave1:state=online\nslave2:port=5,state=online\nslave3:port=5,state=online\n")
	var counts []int64
	for _, r := range FindReplicas(x, &id) {
		counts = append(counts, r.Count)
	}
	require.Equal(t, []int64{1, 1, 2}, counts)
}

func TestBehindIsInBytesOnly(t *testing.T) {
	t.Parallel()
	_, redis := serverOf(t, "redis", "")
	_, dragonfly := serverOf(t, "dragonfly", "")
	require.Equal(t, Known(40), redis.Behind(Known(100), Known(60)))
	require.Equal(t, Known(0), redis.Behind(Known(100), Known(100)))
	require.Equal(t, Known(0), redis.Behind(Known(0), Known(0)))
	for _, r := range []Reading{
		redis.Behind(Known(100), Known(101)), redis.Behind(Known(100), Known(0)), redis.Behind(Reading{}, Known(0)), redis.Behind(Known(100), Reading{Value: 60}),
		dragonfly.Behind(Known(100), Known(60)),
	} {
		require.Equal(t, Reading{}, r)
	}
}

func TestFieldsOfReplicas(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]bool{ // a slave's field, a replica's row
		"slave0": {true, true}, "slave9": {true, true}, "slave12": {true, true}, "slave0_x": {true, false}, "slave1a2": {true, false},
		"slave": {}, "slave_priority": {}, "slave_read_repl_offset": {}, "slavex": {}, "slave/": {}, "slave:": {}, "Slave0": {}, "": {},
	} {
		require.Equal(t, want, [2]bool{IsSlaveField([]byte(name)), IsReplicaField([]byte(name))}, name)
	}
	for value, want := range map[string]int{
		"a,1,online": 3, "a,1": 0, "a,1,online,x": 0, "": 0, "ip=a,port=1": 2,
	} {
		require.Len(t, ReplicaPairs([]byte(value), nil), want, value)
	}
}
