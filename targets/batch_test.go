package targets

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// scriptedTarget is a target whose conversations last until the test ends
// them; each reply names its command and the conversation it came in.
type scriptedTarget struct {
	conversations chan *conversation
	begun         int
}

type conversation struct {
	number int
	cmds   []redisclient.Command
	end    chan error
}

func newScripted() *scriptedTarget {
	return &scriptedTarget{conversations: make(chan *conversation, 100)}
}

func (s *scriptedTarget) run(ctx context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
	s.begun++ // in a bubble one goroutine runs between two waits
	c := &conversation{s.begun, cmds, make(chan error, 1)}
	s.conversations <- c
	select {
	case err := <-c.end:
		if err != nil {
			return nil, err
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var out []resp.Value
	for _, cmd := range cmds {
		out = append(out, resp.Value{Kind: resp.BulkString, Str: fmt.Appendf(nil, "%s in %d", strings.Join(cmd, " "), c.number)})
	}
	return out, nil
}

// asked is one check under way.
type asked struct {
	values chan []string
	err    chan error
}

func ask(b *batcher, timeout time.Duration, cmds ...redisclient.Command) asked {
	a := asked{make(chan []string, 1), make(chan error, 1)}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		values, err := b.DoAll(ctx, cmds...)
		var texts []string
		for _, v := range values {
			texts = append(texts, string(v.Str))
		}
		a.values <- texts
		a.err <- err
	}()
	synctest.Wait()
	return a
}

func (a asked) want(t *testing.T, values ...string) {
	t.Helper()
	require.Equal(t, values, <-a.values)
	require.NoError(t, <-a.err)
}

func (a asked) wantError(t *testing.T) error {
	t.Helper()
	require.Empty(t, <-a.values)
	err := <-a.err
	require.Error(t, err)
	return err
}

func cmd(words string) redisclient.Command { return strings.Fields(words) }

func TestChecksGoOutAtOnceWhileAConnectionIsFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		b := &batcher{run: s.run, limit: 2}
		one, two := ask(b, time.Second, cmd("GET a")), ask(b, time.Second, cmd("GET a"))
		require.Len(t, s.conversations, 2)
		(<-s.conversations).end <- nil
		(<-s.conversations).end <- nil
		one.want(t, "GET a in 1")
		two.want(t, "GET a in 2")
		require.Zero(t, b.active)
	})
}

func TestChecksThatWaitLeaveAsOnePipeline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		b := &batcher{run: s.run, limit: 1}
		busy := ask(b, time.Second, cmd("INFO"))
		get := ask(b, time.Second, cmd("TIME"), cmd("GET a"))
		same1, same2 := ask(b, time.Second, cmd("INFO all")), ask(b, time.Second, cmd("INFO all"))
		other := ask(b, time.Second, cmd("GET b"))
		require.Len(t, s.conversations, 1, "the connection is busy")
		(<-s.conversations).end <- nil
		synctest.Wait()
		second := <-s.conversations
		require.Equal(t, []redisclient.Command{cmd("TIME"), cmd("GET a"), cmd("INFO all"), cmd("GET b")}, second.cmds,
			"in order, identical ones once")
		second.end <- nil
		busy.want(t, "INFO in 1")
		get.want(t, "TIME in 2", "GET a in 2")
		same1.want(t, "INFO all in 2")
		same2.want(t, "INFO all in 2")
		other.want(t, "GET b in 2")
		synctest.Wait()
		require.Zero(t, b.active)
	})
}

func TestAReplyIsNeverOlderThanTheQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		b := &batcher{run: s.run, limit: 1}
		first := ask(b, time.Second, cmd("GET a"))
		second := ask(b, time.Second, cmd("GET a"))
		(<-s.conversations).end <- nil
		(<-s.conversations).end <- nil
		first.want(t, "GET a in 1")
		second.want(t, "GET a in 2")
	})
}

func TestAPipelineIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		b := &batcher{run: s.run, limit: 1}
		ask(b, time.Second, cmd("INFO"))
		for i := range maxBatch + 10 {
			ask(b, time.Second, redisclient.Command{"GET", fmt.Sprint(i)})
		}
		(<-s.conversations).end <- nil
		second := <-s.conversations
		require.Len(t, second.cmds, maxBatch)
		second.end <- nil
		third := <-s.conversations
		require.Len(t, third.cmds, 10)
		third.end <- nil
		synctest.Wait()
		require.Zero(t, b.active)
	})
}

func TestAWaitEndsWithItsOwnDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		b := &batcher{run: s.run, limit: 1}
		busy := ask(b, 10*time.Second, cmd("INFO"))
		began := time.Now()
		gone := ask(b, time.Second, cmd("GET gone"))
		short := ask(b, 3*time.Second, cmd("GET both"))
		long := ask(b, 5*time.Second, cmd("GET both"))
		err := gone.wantError(t)
		require.Equal(t, time.Second, time.Since(began))
		require.Equal(t, redisclient.ReasonPool, redisclient.ReasonOf(err))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Contains(t, err.Error(), "all connections to the target (limit 1) were busy with earlier checks")

		(<-s.conversations).end <- nil
		busy.want(t, "INFO in 1")
		second := <-s.conversations
		require.Equal(t, []redisclient.Command{cmd("GET both")}, second.cmds, "who gave up is not asked for")
		err = short.wantError(t)
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Equal(t, redisclient.ReasonTimeout, redisclient.ReasonOf(err), "it was sent: the server is slow")
		second.end <- nil
		long.want(t, "GET both in 2")
		synctest.Wait()
		require.Zero(t, b.active)
	})
}

func TestWaitsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := newScripted()
		b := &batcher{run: target.run, limit: 1}
		first := ask(b, time.Minute, redisclient.Command{"PING"})
		require.Zero(t, b.figures())
		same := []asked{ask(b, time.Minute, redisclient.Command{"INFO"}), ask(b, time.Minute, redisclient.Command{"INFO"})}
		hasty := ask(b, 100*time.Millisecond, redisclient.Command{"TIME"})
		require.Equal(t, waits{waiting: 3, count: 3}, b.figures())
		time.Sleep(200 * time.Millisecond)
		hasty.wantError(t)
		synctest.Wait()
		require.Equal(t, waits{waiting: 2, count: 3, time: 100 * time.Millisecond, timeouts: 1}, b.figures())
		(<-target.conversations).end <- nil
		second := <-target.conversations
		time.Sleep(time.Second) // of service, not of waiting
		second.end <- nil
		first.want(t, "PING in 1")
		for _, a := range same {
			a.want(t, "INFO in 2")
		}
		synctest.Wait()
		require.Equal(t, waits{count: 3, time: 500 * time.Millisecond, timeouts: 1}, b.figures())
	})
}

func TestABrokenReplyFailsItsOwnCheckOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		b := &batcher{run: s.run, limit: 1}
		broken := &redisclient.Error{Op: "read", Reason: redisclient.ReasonProtocol, Err: errors.New("too long")}
		busy := ask(b, time.Second, cmd("INFO"))
		bad, good := ask(b, time.Second, cmd("GET bad")), ask(b, time.Second, cmd("GET good"))
		for _, err := range []error{nil, broken, broken, nil} {
			(<-s.conversations).end <- err
			synctest.Wait()
		}
		busy.want(t, "INFO in 1")
		require.ErrorIs(t, bad.wantError(t), broken)
		good.want(t, "GET good in 4")
	})
}

func TestAFailureOfTheTargetIsToldToAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		b := &batcher{run: s.run, limit: 1}
		refused := &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("refused")}
		busy := ask(b, time.Second, cmd("INFO"))
		one, two := ask(b, time.Second, cmd("GET 1")), ask(b, time.Second, cmd("GET 2"))
		(<-s.conversations).end <- refused
		(<-s.conversations).end <- refused
		require.ErrorIs(t, busy.wantError(t), refused)
		require.ErrorIs(t, one.wantError(t), refused)
		require.ErrorIs(t, two.wantError(t), refused)
		require.Empty(t, s.conversations, "one try for all")
	})
}

func TestAPanicInASharedConversationIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		panics := false
		b := &batcher{limit: 1, run: func(ctx context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
			if panics {
				panic("boom")
			}
			return s.run(ctx, cmds)
		}}
		busy := ask(b, time.Second, cmd("INFO"))
		shared := ask(b, time.Second, cmd("GET 1"))
		panics = true
		(<-s.conversations).end <- nil
		busy.want(t, "INFO in 1")
		require.ErrorContains(t, shared.wantError(t), "internal error in a shared conversation: boom")
		synctest.Wait()
		require.Zero(t, b.active)
	})
}
