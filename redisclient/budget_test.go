package redisclient_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// sized is a server with strings of that many bytes.
func sized(t *testing.T, sizes map[string]int) *redistest.Server {
	t.Helper()
	s := redistest.Borrow(t)
	for key, size := range sizes {
		s.Do(t, "SET", key, strings.Repeat("x", size))
	}
	return s
}

func connect(t *testing.T, s *redistest.Server) *redisclient.Conn {
	t.Helper()
	c, err := redisclient.Dial(t.Context(), redisclient.Config{Address: s.Addr})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestAReplyOverTheBudgetCostsItselfAlone(t *testing.T) {
	t.Parallel()
	s := sized(t, map[string]int{"huge": 3 << 20, "small": 1 << 10})
	b := redisclient.NewBudget(4<<20, nil)
	c := connect(t, s)
	ctx, lease := b.Begin(t.Context())
	values, err := c.DoAll(ctx, redisclient.Command{"GET", "small"}, redisclient.Command{"GET", "huge"}, redisclient.Command{"GET", "small"})
	require.NoError(t, err)
	require.Len(t, values[0].Str, 1<<10)
	require.ErrorIs(t, values[1].Err(), resp.ErrTooLarge)
	require.ErrorContains(t, values[1].Err(), "bytes for large replies are in use, which is half of the option MaxMemory")
	require.Len(t, values[2].Str, 1<<10, "the stream is in step")
	require.Less(t, b.Stats().Used, int64(256<<10), "what was read past is given back at once")
	require.Positive(t, b.Stats().Used)
	require.EqualValues(t, 1, b.Stats().Refused)
	lease.End()
	require.Zero(t, b.Stats().Used)
	require.LessOrEqual(t, b.Stats().Highest, int64(4<<20))
}

// TestLargeRepliesLeaveRoomForSmallOnes: half of the budget is for replies that
// are not large.
func TestLargeRepliesLeaveRoomForSmallOnes(t *testing.T) {
	t.Parallel()
	s := sized(t, map[string]int{"large": 1 << 20, "small": 100 << 10})
	b := redisclient.NewBudget(4<<20, nil)
	var ends []func()
	kept := 0
	for range 4 {
		ctx, lease := b.Begin(t.Context())
		ends = append(ends, lease.End)
		values, err := connect(t, s).DoAll(ctx, redisclient.Command{"GET", "large"})
		require.NoError(t, err)
		if values[0].Err() == nil {
			kept++
		}
	}
	require.Equal(t, 2, kept)
	for range 8 {
		ctx, lease := b.Begin(t.Context())
		ends = append(ends, lease.End)
		values, err := connect(t, s).DoAll(ctx, redisclient.Command{"GET", "small"})
		require.NoError(t, err)
		require.NoError(t, values[0].Err())
	}
	for _, end := range ends {
		end()
	}
	require.Zero(t, b.Stats().Used)
}

func TestALeaseIsHeldUntilItsLastUserEnds(t *testing.T) {
	t.Parallel()
	s := sized(t, map[string]int{"key": 100 << 10})
	b := redisclient.NewBudget(1<<20, nil)
	shared, lease := b.Begin(t.Context())
	_, err := connect(t, s).DoAll(shared, redisclient.Command{"GET", "key"})
	require.NoError(t, err)
	used := b.Stats().Used
	require.GreaterOrEqual(t, used, int64(100<<10))

	var users sync.WaitGroup
	first, end := b.Begin(t.Context())
	second, end2 := b.Begin(t.Context())
	for _, ctx := range []context.Context{first, second} {
		lease.Hold()
		users.Go(func() { lease.Adopt(ctx) })
	}
	users.Wait()
	lease.End()
	require.Equal(t, used, b.Stats().Used)
	end.End()
	require.Equal(t, used, b.Stats().Used)
	end2.End()
	require.Zero(t, b.Stats().Used)

	// Without a request to use the values nobody needs the memory.
	other, lease := b.Begin(t.Context())
	_, err = connect(t, s).DoAll(other, redisclient.Command{"GET", "key"})
	require.NoError(t, err)
	lease.Adopt(context.Background())
	require.Zero(t, b.Stats().Used)
}

func TestAScopeEndsBeforeItsRequest(t *testing.T) {
	t.Parallel()
	s := sized(t, map[string]int{"key": 100 << 10})
	b := redisclient.NewBudget(1<<20, nil)
	ctx, lease := b.Begin(t.Context())
	defer lease.End()
	inner, end := redisclient.Scope(ctx)
	_, err := connect(t, s).DoAll(inner, redisclient.Command{"GET", "key"})
	require.NoError(t, err)
	require.Positive(t, b.Stats().Used)
	end()
	require.Zero(t, b.Stats().Used)
	plain, end := redisclient.Scope(t.Context())
	require.Equal(t, t.Context(), plain)
	end()
}

// TestAConversationThatBreaksGivesItsMemoryBack with its request.
func TestAConversationThatBreaksGivesItsMemoryBack(t *testing.T) {
	t.Parallel()
	fake := redistest.NewFake(t, redistest.Script{func(p *redistest.Peer) error {
		if _, err := p.ReadCommand(); err != nil {
			return err
		}
		_, _ = p.Write([]byte("$1000000\r\n" + strings.Repeat("x", 500_000)))
		return errors.New("the server dies")
	}})
	c, err := redisclient.Dial(t.Context(), redisclient.Config{Address: fake.Addr})
	require.NoError(t, err)
	b := redisclient.NewBudget(8<<20, nil)
	ctx, lease := b.Begin(t.Context())
	_, err = c.DoAll(ctx, redisclient.Command{"GET", "key"})
	require.Error(t, err)
	lease.End()
	require.Zero(t, b.Stats().Used)
	require.GreaterOrEqual(t, b.Stats().Highest, int64(500_000))
}

func TestReliefComesOnceAfterACrowd(t *testing.T) {
	t.Parallel()
	s := sized(t, map[string]int{"large": 300 << 10, "small": 100 << 10})
	calls := 0
	b := redisclient.NewBudget(1<<20, func() { calls++ })
	for key, want := range map[string]int{"small": 0, "large": 1} {
		ctx, lease := b.Begin(t.Context())
		_, err := connect(t, s).DoAll(ctx, redisclient.Command{"GET", key})
		require.NoError(t, err)
		lease.End()
		if key == "small" {
			require.Equal(t, 0, calls, "it never was crowded")
		} else {
			require.Equal(t, want, calls)
		}
		calls = 0
	}
}

// TestASpentBudgetLeavesSmallRequestsAlone: that a server is up does not depend on
// what others have sent.
func TestASpentBudgetLeavesSmallRequestsAlone(t *testing.T) {
	t.Parallel()
	s := sized(t, map[string]int{"usual": 10 << 10, "large": 100 << 10})
	b := redisclient.NewBudget(1<<20, nil)
	holder, lease := b.Begin(t.Context())
	for i, key := range []string{"large", "usual"} { // the last of it in small steps
		for b.Stats().Refused == uint64(i) {
			_, err := connect(t, s).DoAll(holder, redisclient.Command{"GET", key})
			require.NoError(t, err)
		}
	}
	c := connect(t, s)
	ctx, small := b.Begin(t.Context())
	values, err := c.DoAll(ctx, redisclient.Command{"PING"}, redisclient.Command{"GET", "usual"}, redisclient.Command{"GET", "large"}, redisclient.Command{"PING"})
	require.NoError(t, err)
	require.NoError(t, values[0].Err())
	require.Len(t, values[1].Str, 10<<10)
	require.ErrorIs(t, values[2].Err(), resp.ErrTooLarge)
	require.NoError(t, values[3].Err())
	small.End()
	lease.End()
	require.Zero(t, b.Stats().Used)
}
