package passes

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/metrictest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// slowServer has an endless table of keys, and takes as long as it is told to.
type slowServer struct {
	roundTrip time.Duration
	slices    []time.Time
	keys      int
	extra     func(slice int) time.Duration
}

func (d *slowServer) DoAll(ctx context.Context, cmds ...redisclient.Command) ([]resp.Value, error) {
	if cmds[0][0] == "INFO" {
		return []resp.Value{{Kind: resp.BulkString, Str: []byte("# Server\r\nrun_id:a\r\n# Replication\r\nrole:master\r\n")}}, nil
	}
	if strings.Join(cmds[0], " ") == firstScan {
		return []resp.Value{{Kind: resp.Array}}, nil
	}
	d.slices = append(d.slices, time.Now())
	wait := d.roundTrip
	if d.extra != nil {
		wait += d.extra(len(d.slices))
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(wait):
	}
	values := make([]resp.Value, len(cmds))
	for i, cmd := range cmds {
		v := &values[i]
		v.Kind, v.Int = resp.Integer, 1
		switch cmd[0] {
		case "TIME":
			*v = resp.Value{Kind: resp.Array, Elems: []resp.Value{{Kind: resp.Integer, Int: 5}, {Kind: resp.Integer, Int: int64(i)}}}
		case "TYPE":
			*v = resp.Value{Kind: resp.SimpleString, Str: []byte("string")}
		case "PTTL":
			v.Int = -1
			d.keys++
		case "DBSIZE":
			v.Int = 1 << 40
		case "SCAN":
			*v = resp.Value{Kind: resp.Array, Elems: []resp.Value{{Kind: resp.BulkString, Str: fmt.Appendf(nil, "%d", len(d.slices))}, {Kind: resp.Array}}}
			var count int
			_, _ = fmt.Sscan(cmd[3], &count)
			for n := range count {
				v.Elems[1].Elems = append(v.Elems[1].Elems, resp.Value{Kind: resp.BulkString, Str: fmt.Appendf(nil, "k%d-%d", len(d.slices), n)})
			}
		}
	}
	return values, nil
}

// keyspaceFor lets a pass over the server's keys work for some time.
func keyspaceFor(t *testing.T, d *slowServer, options item.KeyspaceOptions, limit time.Duration) {
	t.Helper()
	k := newRun(t, metrictest.NewTarget(d))
	k.options = options
	k.ask()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	k.workFor(ctx)
}

func TestKeyspaceKeepsToItsBudget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		options item.KeyspaceOptions
		keys    float64
	}{
		{"keys per second", item.KeyspaceOptions{KeysPerSecond: 1000}, 10_000},
		{"few keys per second", item.KeyspaceOptions{KeysPerSecond: 3}, 30},
		// One round trip of 10 ms is under way at a time, whatever the budget.
		{"a far server", item.KeyspaceOptions{KeysPerSecond: 1_000_000}, 10 * 100 * maxSlice},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &slowServer{roundTrip: 10 * time.Millisecond}
				keyspaceFor(t, d, tt.options, time.Minute/6)
				require.InEpsilon(t, tt.keys, d.keys, 0.1)
			})
		})
	}
}

func TestKeyspacePausesWhenTheServerIsSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &slowServer{roundTrip: time.Millisecond}
		// Slow from slice 1000 to 1004, each three times the normal and more.
		d.extra = func(slice int) time.Duration {
			if slice >= 1000 && slice < 1005 {
				return 5 * time.Millisecond
			}
			return 0
		}
		keyspaceFor(t, d, item.KeyspaceOptions{KeysPerSecond: 10_000}, 20*time.Second)
		gap := func(slice int) time.Duration {
			return d.slices[slice].Sub(d.slices[slice-1]).Round(10 * time.Millisecond)
		}
		require.Equal(t, 10*time.Millisecond, gap(999))
		for i, want := range []time.Duration{110, 210, 410, 810, 1610} {
			require.InDelta(t, want*time.Millisecond, gap(1000+i), 1e7, "after slow slice %d", i)
		}
		require.Equal(t, 10*time.Millisecond, gap(1005), "and on at once when it is over")
	})
	synctest.Test(t, func(t *testing.T) {
		d := &slowServer{roundTrip: time.Millisecond}
		d.extra = func(slice int) time.Duration {
			if slice >= 500 {
				return 20 * time.Millisecond
			}
			return 0
		}
		keyspaceFor(t, d, item.KeyspaceOptions{KeysPerSecond: 100}, 30*time.Minute)
		require.Greater(t, d.keys, 50_000, "what is slow for good is normal after some time")
		slowest := time.Duration(0)
		for i := 501; i < len(d.slices); i++ {
			slowest = max(slowest, d.slices[i].Sub(d.slices[i-1]))
		}
		require.InDelta(t, maxPause, slowest, 5e7, "no pause is longer")
	})
}

func TestKeyspaceSlicesShrinkToTheTimeThatTheyMayTake(t *testing.T) {
	t.Parallel()
	p := newPace(item.KeyspaceOptions{SliceTime: time.Millisecond}, maxSlice)
	step := func(served time.Duration) int {
		p.next(p.size, 3*time.Millisecond, served)
		return p.size
	}
	require.Equal(t, 32, step(100*time.Microsecond))
	require.Equal(t, 64, step(200*time.Microsecond))
	require.Equal(t, 64, step(300*time.Microsecond), "neither")
	require.Equal(t, maxSlice, step(200*time.Microsecond), "no more than maxSlice")
	require.Equal(t, 32, step(2*time.Millisecond))
	for range 10 {
		step(2 * time.Millisecond)
	}
	require.Equal(t, 1, p.size)
	require.Equal(t, 1, step(0), "without TIME the round trip counts")
}

func TestKeyspaceEndsWhenNobodyAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &slowServer{roundTrip: time.Millisecond}
		began := time.Now()
		keyspaceFor(t, d, item.KeyspaceOptions{KeysPerSecond: 1}, 24*time.Hour)
		require.InDelta(t, unasked, time.Since(began), float64(10*time.Second))
	})
	synctest.Test(t, func(t *testing.T) {
		d := &slowServer{roundTrip: time.Millisecond}
		target := metrictest.NewTarget(d)
		d.extra = func(slice int) time.Duration {
			if slice == 100 {
				target.Memory.Store(memory, nil)
			}
			return 0
		}
		k := newRun(t, target)
		k.ask()
		k.work()
		require.Len(t, d.slices, 100, "its state is forgotten: another pass begins with the next question")
	})
}

func TestKeyspaceWaitsForItsInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &metrictest.ScriptDoer{Replies: map[string]string{
			firstScan:         noKeys,
			"SCAN 0 COUNT 16": "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n", "DBSIZE": ":1\r\n", "TYPE k": "+string\r\n", "PTTL k": ":-1\r\n",
			"MEMORY USAGE k SAMPLES 5": ":50\r\n", "INFO": metrictest.Bulk("# Server\r\nrun_id:a\r\n"), "TIME": "*2\r\n:1\r\n:1\r\n",
		}}
		k := newRun(t, metrictest.NewTarget(d))
		require.Equal(t, 1.0, k.pass()["keys"])
		time.Sleep(testOptions.Interval - time.Second)
		require.Equal(t, 3599.0, k.ask()["age"])
		require.Empty(t, k.works)
		time.Sleep(2 * time.Second)
		doc := k.ask()
		require.Equal(t, 1.0, doc["keys"], "the last pass is shown while the next one is under way")
		require.Equal(t, passWaiting, doc["pass"].(map[string]any)["state"])
		k.work()
		require.Equal(t, 0.0, k.ask()["age"])

		// A pass that was cut off long ago is of no use any more.
		s := stateOf(k.target)
		s.pass, s.state = newPass(k.target, purpose{options: testOptions}, time.Now()), passResting
		old := s.pass
		time.Sleep(rest + time.Second)
		k.ask()
		require.NotSame(t, old, s.pass)
	})
}

func TestKeyspaceListsStayBounded(t *testing.T) {
	t.Parallel()
	options := testOptions
	options.Groups = []*regexp.Regexp{regexp.MustCompile(`^([^:]+):`)}
	sum, other := newSum(options), newSum(options)
	for i := range 10_000 {
		half := &sum
		if i%2 == 1 {
			half = &other
		}
		half.add(keyFigures{key: fmt.Sprintf("g%d:x", i), typ: fmt.Sprintf("type%d", i), ttl: int64(i) * 1e6, memory: int64(i)})
	}
	sum.merge(&other, 1)
	require.Len(t, sum.groups, maxKeyGroups+1)
	require.Len(t, sum.types, maxKeyTypes+1)
	require.EqualValues(t, 10_000, sum.keys)
	total := keyCount{}
	for _, n := range sum.groups {
		total.count += n.count
		total.memory += n.memory
	}
	require.Equal(t, keyCount{10_000, 9999 * 10_000 / 2}, total)
	require.EqualValues(t, 10_000-maxKeyGroups, sum.overflow)
	require.Equal(t, []bigKey{{"g9999:x", "type9999", 9999}, {"g9998:x", "type9998", 9998}, {"g9997:x", "type9997", 9997}}, sum.biggest.keys)

	var top topKeys
	top.most = 2
	for _, k := range []bigKey{{"a", "", 5}, {"b", "", 7}, {"a", "", 6}, {"c", "", 1}, {"a", "", 8}} {
		top.add(k)
	}
	require.Equal(t, []bigKey{{"a", "", 8}, {"b", "", 7}}, top.keys, "each key once")
}
