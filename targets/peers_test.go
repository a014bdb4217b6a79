package targets

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
)

// named is a target by that address.
func named(t testing.TB, o *conf.Options, addr string) *conf.Target {
	t.Helper()
	resolved, err := o.Resolve(conf.Ref{Conn: addr})
	require.NoError(t, err)
	return resolved
}

// TestAPeerThatIsNotUsedCountsNoMore from that moment on, when there is need for
// its place, and the look for such peers is not made again and again.
func TestAPeerThatIsNotUsedCountsNoMore(t *testing.T) {
	t.Parallel()
	o, err := conf.Decode(nil, conf.Global{})
	require.NoError(t, err)
	root, a, b, c := named(t, o, "root"), named(t, o, "a"), named(t, o, "b"), named(t, o, "c")
	p := peers{each: 2, all: 10, memory: time.Minute}
	began := time.Unix(1_000_000, 0)
	admit := func(peer *conf.Target, after time.Duration) error { return p.admit(root, peer, began.Add(after)) }
	require.NoError(t, admit(a, 0))
	require.NoError(t, admit(b, 30*time.Second))
	require.NoError(t, admit(a, 31*time.Second))
	require.Equal(t, 2, p.count)
	require.Error(t, admit(c, 90*time.Second-1))
	require.Error(t, admit(c, 90*time.Second), "no look within a second of the last one")
	require.Equal(t, 2, p.count)
	require.NoError(t, admit(c, 91*time.Second-1), "a second later b is forgotten, and a not yet")
	require.Equal(t, 2, p.count)
	require.NotContains(t, p.of[root].used, b)
	require.Contains(t, p.of[root].used, a)

	p = peers{each: 2, all: 10, memory: time.Minute}
	require.NoError(t, admit(a, 0))
	require.NoError(t, admit(b, time.Nanosecond))
	require.NoError(t, admit(c, time.Minute), "a was not used for exactly that long")
	require.NotContains(t, p.of[root].used, a)
	require.Contains(t, p.of[root].used, b)
	require.Equal(t, 2, p.count)
}

// TestPeersOfAllTargetsMakeRoomForEachOther when they are not used.
func TestPeersOfAllTargetsMakeRoomForEachOther(t *testing.T) {
	t.Parallel()
	o, err := conf.Decode(nil, conf.Global{})
	require.NoError(t, err)
	one, two := named(t, o, "one"), named(t, o, "two")
	peer := func(i int) *conf.Target { return named(t, o, fmt.Sprint("10.0.0.", i)) }
	p := peers{each: 5, all: 3, memory: time.Minute}
	began := time.Unix(1_000_000, 0)
	for i := range 3 {
		require.NoError(t, p.admit(one, peer(i), began))
	}
	require.ErrorContains(t, p.admit(two, peer(3), began.Add(59*time.Second)), "the servers of all targets have named more than 3 others")
	require.ErrorContains(t, p.admit(two, peer(3), began.Add(time.Minute-1)), "all targets")
	require.Error(t, p.admit(two, peer(3), began.Add(time.Minute-1)))
	require.Equal(t, 3, p.count)
	require.NoError(t, p.admit(two, peer(3), began.Add(time.Minute)), "exactly a second after the last look")
	require.Equal(t, 1, p.count)
	require.NotContains(t, p.of, one, "a target without peers takes no memory")
	require.Contains(t, p.of, two)
	p.forget(one)
	require.Equal(t, 1, p.count)
	p.forget(two)
	require.Zero(t, p.count)
	require.Empty(t, p.of)
}
