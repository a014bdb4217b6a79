package jobs

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// TestWhatIsTooHeavy is what a reply has more than.
func TestWhatIsTooHeavy(t *testing.T) {
	t.Parallel()
	large := func(size int) resp.Value { return resp.Value{Kind: resp.TooLarge, Int: int64(size)} }
	weigh := func(sizes ...int) (heavy []int) {
		s := stateOf(&item.Memory{})
		var asks []question
		for i, size := range sizes {
			asks = append(asks, question{cmd: redisclient.Command{"LINDEX", fmt.Sprint(i)}, payload: true, reply: large(size)})
		}
		asks = append(asks, question{cmd: redisclient.Command{"CLIENT", "LIST"}, reply: large(1 << 40)}) // of no key
		s.weigh(asks)
		for i := range asks {
			if s.tooHeavy(&asks[i]) != nil {
				heavy = append(heavy, i)
			}
		}
		return heavy
	}
	require.Empty(t, weigh(maxPayload))
	require.Equal(t, []int{0}, weigh(maxPayload+1))
	require.Equal(t, []int{1}, weigh(maxPayload, maxPayload+1))
	many := make([]int, maxPayloads/maxPayload)
	for i := range many {
		many[i] = maxPayload
	}
	require.Empty(t, weigh(many...))
	require.Len(t, weigh(append(many, 1)...), len(many), "together they are too much")
	require.Equal(t, []int{0, 2}, weigh(maxPayloads, smallPayload, smallPayload+1))

	s := stateOf(&item.Memory{})
	ask := func(n int) question {
		return question{cmd: redisclient.Command{"LINDEX", fmt.Sprint(n)}, payload: true, reply: large(maxPayload + 1)}
	}
	for i := range maxHeavy {
		s.weigh([]question{ask(i)})
	}
	require.Len(t, s.heavy.keys, maxHeavy)
	s.weigh([]question{ask(maxHeavy)})
	require.Len(t, s.heavy.keys, 1, "they are bounded")
}

// TestHowAPollEnds tells whether it was because of the jobs.
func TestHowAPollEnds(t *testing.T) {
	t.Parallel()
	late := error(&redisclient.Error{Op: "read", Reason: redisclient.ReasonTimeout})
	refused := error(&redisclient.Error{Op: "read", Reason: redisclient.ReasonTCP})
	large := fmt.Errorf("read: %w", resp.ErrTooLarge)
	job := &question{cmd: redisclient.Command{"LINDEX", "a", "0"}, payload: true}
	for _, tt := range []struct {
		first error
		pause time.Duration
	}{{late, slowMemory}, {large, heavyMemory}} {
		synctest.Test(t, func(t *testing.T) {
			s := stateOf(&item.Memory{})
			s.judge(true, tt.first)
			require.ErrorContains(t, s.tooHeavy(job), "after a poll with it failed")
			s.judge(false, refused) // it was not because of them
			require.NoError(t, s.tooHeavy(job))
			s.judge(true, tt.first)
			s.judge(false, nil)
			require.ErrorContains(t, s.tooHeavy(job), "after polls with it failed")
			require.ErrorIs(t, s.tooHeavy(job), tt.first)
			time.Sleep(tt.pause - 1)
			require.Error(t, s.tooHeavy(job))
			time.Sleep(time.Nanosecond)
			require.NoError(t, s.tooHeavy(job))

			s.heavy = heavy{}
			s.judge(true, refused)
			s.judge(false, tt.first)
			s.judge(true, nil)
			s.judge(false, nil)
			require.NoError(t, s.tooHeavy(job))
			s.weigh([]question{{cmd: job.cmd, payload: true, reply: resp.Value{Kind: resp.TooLarge, Int: maxPayload + 1}}})
			time.Sleep(heavyMemory - 1)
			require.EqualError(t, s.tooHeavy(job), "it had 1048577 bytes, and is not read again for 10 minutes")
			time.Sleep(time.Nanosecond)
			require.NoError(t, s.tooHeavy(job))
		})
	}
}

// TestWhatIsRememberedOfInstances, and for how long.
func TestWhatIsRememberedOfInstances(t *testing.T) {
	t.Parallel()
	now := time.Unix(fieldAt, 0)
	i := instance{"bullmq", "bull"}
	s := stateOf(&item.Memory{})
	s.see(i, []string{"old"}, now)
	s.see(i, []string{"new"}, now.Add(time.Second))
	s.forget(now.Add(keepNames))
	require.Equal(t, []string{"new", "old"}, s.names(i))
	s.forget(now.Add(keepNames + 1))
	require.Equal(t, []string{"new"}, s.names(i))
	s.see(i, nil, now.Add(time.Minute))
	s.forget(now.Add(time.Minute + keepNames))
	require.Empty(t, s.names(i))
	require.Contains(t, s.instances, i)
	s.forget(now.Add(time.Minute + keepNames + 1))
	require.NotContains(t, s.instances, i)

	names := make([]string, maxNames+1)
	for n := range names {
		names[n] = fmt.Sprint(n)
	}
	s.see(i, names, now)
	require.Len(t, s.names(i), maxNames)
	s.see(i, []string{"0", "x"}, now.Add(time.Second)) // one that is known stays so
	require.Len(t, s.names(i), maxNames)
	require.Equal(t, now.Add(time.Second), s.instances[i].names["0"])

	done := search{asOf: now}
	require.True(t, done.complete(now.Add(keepNames-1)))
	require.False(t, done.complete(now.Add(keepNames)))
	require.False(t, (&search{}).complete(time.Time{}))

	c := clueOf{"bullmq", clue{Prefix: "app", Proves: func(replies []resp.Value) bool { return len(replies) == 1 }}}
	app := instance{"bullmq", "app"}
	require.False(t, s.sawClue(app, c))
	s.judgeClue(app, c, nil)
	require.True(t, s.sawClue(app, c), "it is nobody's")
	require.NotContains(t, s.instances, app)
	c.Name = "mail"
	require.False(t, s.sawClue(app, c))
	s.judgeClue(app, c, make([]resp.Value, 1))
	require.True(t, s.sawClue(app, c))
	require.Equal(t, []string{"mail"}, s.names(app))
	c.Name = "other"
	require.False(t, s.sawClue(app, c))
	s.rejected = make([]string, maxRejected-1)
	for _, name := range []string{"last", "more"} {
		c.Name = name
		s.judgeClue(app, c, nil)
	}
	require.Len(t, s.rejected, maxRejected)
	require.True(t, strings.HasSuffix(s.rejected[maxRejected-1], "last"))
	require.False(t, refusedScan(errors.New("x")))
}
