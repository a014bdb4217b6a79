package targets

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// TestASharedConversationLastsAsLongAsItsMostPatientCheck, whichever came first.
func TestASharedConversationLastsAsLongAsItsMostPatientCheck(t *testing.T) {
	t.Parallel()
	for name, patience := range map[string][2]time.Duration{
		"the patient one first": {5 * time.Second, 2 * time.Second},
		"the patient one last":  {2 * time.Second, 5 * time.Second},
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
				ask(b, time.Minute, cmd("INFO"))
				one, two := ask(b, patience[0], cmd("GET 1")), ask(b, patience[1], cmd("GET 2"))
				(<-s.conversations).end <- nil
				synctest.Wait()
				require.Equal(t, began.Add(5*time.Second), until)
				shared := <-s.conversations
				time.Sleep(4 * time.Second) // longer than the other check has
				shared.end <- nil
				patient, hasty := one, two
				if patience[0] < patience[1] {
					patient, hasty = two, one
				}
				require.Error(t, hasty.wantError(t))
				require.Len(t, <-patient.values, 1)
				require.NoError(t, <-patient.err)
			})
		})
	}
}

// TestRepliesOfOneCheckCannotOverwriteAnothers: they share an array.
func TestRepliesOfOneCheckCannotOverwriteAnothers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		b := &batcher{run: s.run, limit: 1}
		ask(b, time.Minute, cmd("INFO"))
		replies := make(chan []resp.Value, 2)
		for _, words := range []string{"GET 1", "GET 2"} {
			go func() {
				values, _ := b.DoAll(context.Background(), cmd(words))
				replies <- values
			}()
			synctest.Wait()
		}
		(<-s.conversations).end <- nil
		(<-s.conversations).end <- nil
		first, second := <-replies, <-replies
		_ = append(first, resp.Value{Str: []byte("overwritten")})
		_ = append(second, resp.Value{Str: []byte("overwritten")})
		for _, values := range [][]resp.Value{first, second} {
			require.True(t, strings.HasPrefix(string(values[0].Str), "GET "), "%s", values[0].Str)
		}
	})
}

// TestAPipelineIsBoundedByItsCommands, not by its checks.
func TestAPipelineIsBoundedByItsCommands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		b := &batcher{run: s.run, limit: 1}
		ask(b, time.Minute, cmd("INFO"))
		many := func(word string, n int) (out []redisclient.Command) {
			for range n {
				out = append(out, cmd(word))
			}
			return out
		}
		ask(b, time.Minute, many("GET a", 300)...)
		ask(b, time.Minute, many("GET b", 212)...)
		ask(b, time.Minute, many("GET c", 1)...)
		ask(b, time.Minute, many("GET d", 600)...) // more than a pipeline may have goes alone
		for _, want := range []int{1, 512, 1, 600} {
			c := <-s.conversations
			require.Len(t, c.cmds, want)
			c.end <- nil
			synctest.Wait()
		}
		require.Zero(t, b.active)
		require.Zero(t, b.inside)
	})
}

// TestFewChecksWaitForATargetThatIsSilent: the others get the cause once it has
// been silent for a while, and those that come later at once.
func TestFewChecksWaitForATargetThatIsSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		b := &batcher{run: s.run, limit: 2, maxWaiting: 5}
		began := time.Now()
		var checks []asked
		for range 20 {
			checks = append(checks, ask(b, 3*time.Second, cmd("INFO")))
		}
		for _, a := range checks[5:] {
			err := a.wantError(t)
			require.Equal(t, redisclient.ReasonPool, redisclient.ReasonOf(err))
			require.ErrorContains(t, err, "the server has not answered for 500ms, and 5 checks wait for it already (option Plugins.RedisJobs.MaxWaiting)")
		}
		require.Equal(t, silence, time.Since(began))
		require.Error(t, ask(b, 3*time.Second, cmd("GET a")).wantError(t))
		require.Equal(t, silence, time.Since(began), "at once")
		for range 2 {
			(<-s.conversations).end <- nil
		}
		for _, a := range checks[:2] {
			require.NoError(t, <-a.err)
		}
		synctest.Wait()
		late := ask(b, 3*time.Second, cmd("GET late"))
		(<-s.conversations).end <- nil
		for _, a := range checks[2:5] {
			require.NoError(t, <-a.err, "those that were let in wait on")
		}
		(<-s.conversations).end <- nil
		require.NoError(t, <-late.err, "it answers again: everybody may wait")
		synctest.Wait()
		require.Zero(t, b.inside)
	})
}

// TestManyChecksOfATargetThatAnswersAreServed, however many come at once.
func TestManyChecksOfATargetThatAnswersAreServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := func(_ context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
			time.Sleep(silence - time.Millisecond)
			return make([]resp.Value, len(cmds)), nil
		}
		b := &batcher{run: slow, limit: 2, maxWaiting: 5}
		var checks []asked
		for i := range 1000 {
			checks = append(checks, ask(b, time.Minute, redisclient.Command{"GET", string(rune(i))}))
		}
		for _, a := range checks {
			require.NoError(t, <-a.err)
		}
		require.Zero(t, b.inside)
	})
}

// TestACheckThatIsNoLongerSurplusWaits: those before it have gone.
func TestACheckThatIsNoLongerSurplusWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		b := &batcher{run: s.run, limit: 1, maxWaiting: 2}
		first := ask(b, 10*time.Second, cmd("INFO"))
		hasty := ask(b, silence/2, cmd("GET a"))
		third := ask(b, 10*time.Second, cmd("GET b"))
		require.Error(t, hasty.wantError(t))
		time.Sleep(3 * silence)
		synctest.Wait()
		(<-s.conversations).end <- nil
		first.want(t, "INFO in 1")
		(<-s.conversations).end <- nil
		third.want(t, "GET b in 2")
	})
}

// TestATargetThatHasAnsweredIsNoLongerSilent, though another conversation hangs.
func TestATargetThatHasAnsweredIsNoLongerSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		b := &batcher{run: s.run, limit: 2, maxWaiting: 2}
		first := ask(b, 10*time.Second, cmd("GET 1"))
		hanging := ask(b, 10*time.Second, cmd("GET 2"))
		require.Error(t, ask(b, 10*time.Second, cmd("GET 3")).wantError(t))
		one, two := <-s.conversations, <-s.conversations
		one.end <- nil
		first.want(t, "GET 1 in 1")
		fourth := ask(b, 10*time.Second, cmd("GET 4"))
		fifth := ask(b, 10*time.Second, cmd("GET 5")) // one more than may wait, and not refused at once
		(<-s.conversations).end <- nil
		fourth.want(t, "GET 4 in 3")
		(<-s.conversations).end <- nil
		fifth.want(t, "GET 5 in 4")
		two.end <- nil
		hanging.want(t, "GET 2 in 2")
	})
}
