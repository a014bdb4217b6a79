package targets

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// replySize is what each reply of a target takes of the budget, in bytes.
const replySize = 1024

// budgeted is a batcher of one connection whose replies take replySize of its
// budget for each command, before the test ends their conversation.
func budgeted(s *scriptedTarget) *batcher {
	budget := redisclient.NewBudget(1<<20, nil)
	return &batcher{limit: 1, budget: budget, run: func(ctx context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
		_, replies := budget.Begin(context.Background())
		if err := replies.Take(0, replySize*len(cmds)); err != nil {
			return nil, err
		}
		replies.Adopt(ctx) // held as long as the conversation's lease
		return s.run(ctx, cmds)
	}}
}

// leased is a check that keeps what it was answered until end.
func leased(b *batcher, timeout time.Duration, cmds ...redisclient.Command) (result chan error, end func()) {
	result = make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	ctx, lease := b.budget.Begin(ctx)
	go func() {
		defer cancel()
		_, err := b.DoAll(ctx, cmds...)
		result <- err
	}()
	synctest.Wait()
	return result, lease.End
}

// TestSharedRepliesAreHeldUntilTheLastCheckEnds, and no longer.
func TestSharedRepliesAreHeldUntilTheLastCheckEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		b := budgeted(s)
		used := func(commands int) {
			t.Helper()
			require.EqualValues(t, commands*replySize, b.budget.Stats().Used)
		}
		busy, endBusy := leased(b, time.Minute, cmd("PING"))
		one, endOne := leased(b, time.Minute, cmd("INFO"))
		two, endTwo := leased(b, time.Minute, cmd("INFO"))
		hasty, endHasty := leased(b, time.Second, cmd("INFO"))
		other, endOther := leased(b, time.Minute, cmd("GET a"))
		early, endEarly := leased(b, time.Millisecond, cmd("INFO"))
		require.Error(t, <-early)
		endEarly()
		(<-s.conversations).end <- nil
		require.NoError(t, <-busy)
		synctest.Wait()
		used(3)
		endBusy()
		used(2)
		require.Error(t, <-hasty, "it was sent, and the server is slow")
		endHasty()
		(<-s.conversations).end <- nil
		for _, result := range []chan error{one, two, other} {
			require.NoError(t, <-result)
		}
		synctest.Wait()
		for _, end := range []func(){endOne, endOther} {
			end()
			used(2)
		}
		endTwo()
		used(0)
	})
}

// TestACheckThatEndsAsItIsAnsweredHoldsNothing: its time is over in the moment in
// which the answer comes, and nobody would end its part of the lease.
func TestACheckThatEndsAsItIsAnsweredHoldsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		b := budgeted(s)
		b.inside = 2
		gone := b.joinLocked(t.Context(), []redisclient.Command{cmd("INFO")})
		stays := b.joinLocked(t.Context(), []redisclient.Command{cmd("INFO")})
		require.Same(t, gone, stays)
		b.active = 1
		batch := b.nextBatch()
		go b.serve(batch)
		(<-s.conversations).end <- nil
		<-stays.done
		synctest.Wait()
		require.True(t, b.leave(gone, time.Now(), true))
		require.EqualValues(t, replySize, b.budget.Stats().Used, "the other one reads it")
		ctx, lease := b.budget.Begin(t.Context())
		_, err := b.wait(ctx, stays, time.Now(), false)
		require.NoError(t, err)
		require.EqualValues(t, replySize, b.budget.Stats().Used)
		lease.End()
		require.Zero(t, b.budget.Stats().Used)
		require.Zero(t, b.inside)
	})
}

// TestFailedConversationsHoldNothing: errors, panics, and calls that are tried
// again alone.
func TestFailedConversationsHoldNothing(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]error{
		"refused":  &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("refused")},
		"protocol": &redisclient.Error{Op: "read", Reason: redisclient.ReasonProtocol, Err: errors.New("garbled")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScripted()
				b := budgeted(s)
				var results []chan error
				var ends []func()
				for _, words := range []string{"PING", "GET a", "GET b"} {
					result, end := leased(b, time.Minute, cmd(words))
					results, ends = append(results, result), append(ends, end)
				}
				for range 4 {
					select {
					case c := <-s.conversations:
						c.end <- end
					default:
					}
					synctest.Wait()
				}
				for i, result := range results {
					require.ErrorIs(t, <-result, end)
					ends[i]()
				}
				synctest.Wait()
				require.Zero(t, b.budget.Stats().Used)
				require.Zero(t, b.active)
				require.Zero(t, b.inside)
			})
		})
	}
}

// TestABrokenReplyOfOneCallIsNotAskedForAgain: there is nobody else to serve.
func TestABrokenReplyOfOneCallIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		b := &batcher{run: s.run, limit: 1}
		broken := &redisclient.Error{Op: "read", Reason: redisclient.ReasonProtocol, Err: errors.New("too long")}
		ask(b, time.Second, cmd("PING"))
		bad := ask(b, time.Second, cmd("GET bad"))
		(<-s.conversations).end <- nil
		(<-s.conversations).end <- broken
		require.ErrorIs(t, bad.wantError(t), broken)
		synctest.Wait()
		require.Empty(t, s.conversations)
		require.Equal(t, 2, s.begun)
	})
}

// TestAConversationWithoutDeadlineIsOneOfACheckWithoutOne, whoever came first, in
// one call and in several.
func TestAConversationWithoutDeadlineIsOneOfACheckWithoutOne(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		words    [3]string
		patience [3]time.Duration // 0: none
		want     time.Duration
	}{
		"one call, first without":     {[3]string{"GET", "GET", "GET"}, [3]time.Duration{0, time.Second, 2 * time.Second}, 0},
		"one call, last without":      {[3]string{"GET", "GET", "GET"}, [3]time.Duration{time.Second, 2 * time.Second, 0}, 0},
		"one call, all with":          {[3]string{"GET", "GET", "GET"}, [3]time.Duration{time.Second, 3 * time.Second, 2 * time.Second}, 3 * time.Second},
		"several calls, first":        {[3]string{"GET", "TTL", "TYPE"}, [3]time.Duration{0, time.Second, 2 * time.Second}, 0},
		"several calls, second":       {[3]string{"GET", "TTL", "TYPE"}, [3]time.Duration{time.Second, 0, 2 * time.Second}, 0},
		"several calls, all with one": {[3]string{"GET", "TTL", "TYPE"}, [3]time.Duration{time.Second, 3 * time.Second, 2 * time.Second}, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScripted()
				var until time.Time
				b := &batcher{limit: 1, run: func(ctx context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
					until, _ = ctx.Deadline()
					return s.run(ctx, cmds)
				}}
				began := time.Now()
				ask(b, time.Minute, cmd("PING"))
				for i, word := range c.words {
					ctx, cancel := context.Background(), func() {}
					if c.patience[i] > 0 {
						ctx, cancel = context.WithTimeout(ctx, c.patience[i])
					}
					go func() {
						defer cancel()
						_, _ = b.DoAll(ctx, cmd(word))
					}()
					synctest.Wait()
				}
				(<-s.conversations).end <- nil
				synctest.Wait()
				var want time.Time
				if c.want > 0 {
					want = began.Add(c.want)
				}
				require.Equal(t, want, until)
				(<-s.conversations).end <- nil
				synctest.Wait()
				require.Zero(t, b.inside)
			})
		})
	}
}

// TestARepliesLinesAreOneChecksAlone: a check that takes its reply line by line
// shares neither its commands nor its conversation, and the reply comes to it.
func TestARepliesLinesAreOneChecksAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		var byLine []bool
		b := &batcher{limit: 1, run: func(ctx context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
			byLine = append(byLine, redisclient.HasLines(ctx))
			return s.run(ctx, cmds)
		}}
		list := cmd("CLIENT LIST")
		ask(b, time.Minute, cmd("PING"))
		var results []chan error
		start := func(lines bool, cmd redisclient.Command) {
			ctx := context.Background()
			if lines {
				ctx = redisclient.WithLines(ctx, list, func([]byte) {})
			}
			result := make(chan error, 1)
			results = append(results, result)
			go func() {
				_, err := b.DoAll(ctx, cmd)
				result <- err
			}()
			synctest.Wait()
		}
		for _, lines := range []bool{false, true, true, false} {
			start(lines, list)
		}
		start(false, cmd("GET a"))
		for _, want := range []redisclient.Command{cmd("PING"), list, list, list, cmd("GET a")} {
			c := <-s.conversations
			require.Equal(t, []redisclient.Command{want}, c.cmds)
			c.end <- nil
			synctest.Wait()
		}
		for _, result := range results {
			require.NoError(t, <-result)
		}
		require.Equal(t, []bool{false, false, true, true, false}, byLine)
		require.Zero(t, b.active)
		require.Zero(t, b.inside)
	})
}

// TestEverybodyMayWaitWithoutABound for a target that is silent.
func TestEverybodyMayWaitWithoutABound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &batcher{run: newScripted().run, limit: 1}
		began := time.Now()
		for range 20 {
			a := ask(b, time.Hour, cmd("PING"))
			defer func() { a.wantError(t) }()
		}
		require.ErrorContains(t, ask(b, 3*time.Second, cmd("INFO")).wantError(t), "were busy with earlier checks")
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

// TestACheckThatIsSurplusNoMoreWaitsOn: others have given up since.
func TestACheckThatIsSurplusNoMoreWaitsOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &batcher{run: newScripted().run, limit: 1, maxWaiting: 2}
		began := time.Now()
		busy := ask(b, time.Minute, cmd("PING"))
		gone := ask(b, silence-time.Millisecond, cmd("GET a"))
		surplus := ask(b, 3*time.Second, cmd("INFO"))
		require.Equal(t, 3, b.insideNow())
		gone.wantError(t)
		require.ErrorContains(t, surplus.wantError(t), "were busy with earlier checks")
		require.Equal(t, 3*time.Second, time.Since(began))
		busy.wantError(t)
		require.Zero(t, b.inside)
	})
}

// TestATargetThatRefusesIsNotSilent: an error that comes at once is an answer, and
// those that wait get it too.
func TestATargetThatRefusesIsNotSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("refused")}
		b := &batcher{limit: 1, maxWaiting: 2, run: func(context.Context, []redisclient.Command) ([]resp.Value, error) {
			time.Sleep(silence - silence/looks)
			return nil, refused
		}}
		var checks []asked
		for i := range 3 * maxBatch {
			checks = append(checks, ask(b, time.Minute, redisclient.Command{"GET", string(rune('a' + i))}))
		}
		for _, a := range checks {
			require.ErrorIs(t, a.wantError(t), refused)
		}
		require.Zero(t, b.inside)
	})
}

// TestATargetIsSilentNoMoreOnceNobodyAsksIt: what it was before says nothing
// about the next checks.
func TestATargetIsSilentNoMoreOnceNobodyAsksIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		late := &redisclient.Error{Op: "read", Reason: redisclient.ReasonTimeout, Err: context.DeadlineExceeded}
		b := &batcher{limit: 1, maxWaiting: 1, run: func(context.Context, []redisclient.Command) ([]resp.Value, error) {
			time.Sleep(2 * time.Second)
			return nil, late
		}}
		for range 2 {
			began := time.Now()
			busy := ask(b, time.Minute, cmd("PING"))
			surplus := ask(b, time.Minute, cmd("INFO"))
			require.ErrorContains(t, surplus.wantError(t), "MaxWaiting")
			require.Equal(t, silence, time.Since(began))
			require.ErrorContains(t, ask(b, time.Minute, cmd("INFO")).wantError(t), "MaxWaiting")
			require.Equal(t, silence, time.Since(began))
			require.ErrorIs(t, busy.wantError(t), late)
			synctest.Wait()
			require.Zero(t, b.active)
		}
	})
}

func (b *batcher) insideNow() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inside
}
