package targets

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// TestASentinelHasItsShareOfTheTime: the last one all that is left, and each at
// least half a second.
func TestASentinelHasItsShareOfTheTime(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[time.Duration][]string{ // the inquiry has 2.565 s, 0.855 s and 1.71 s
		3 * time.Second: {"10.0.0.0:26379 at 0s", "10.0.0.1:26379 at 855ms", "10.0.0.2:26379 at 1.71s"},
		time.Second:     {"10.0.0.0:26379 at 0s", "10.0.0.1:26379 at 500ms", "10.0.0.2:26379 at 855ms"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, 3, timeout)
			q := s.f.inquire(time.Now(), "")
			require.Same(t, q, s.f.inquire(time.Now(), "x"), "one at a time")
			<-q.done
			require.Equal(t, s.rt.dialLimit(), time.Since(s.began))
			require.Equal(t, redisclient.ReasonTimeout, redisclient.ReasonOf(q.err))
			s.wantAsked(t, want...)
		})
	}
}

// TestTheSentinelThatKnewIsAskedFirst next time, and the others in their order.
func TestTheSentinelThatKnewIsAskedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 3, 3*time.Second)
		for i := range 3 {
			s.fails(sentinelAddr(i), refusedDial())
		}
		s.names(1, masterA, 0)
		<-s.f.inquire(time.Now(), "").done
		s.wantAsked(t, "10.0.0.0:26379 at 0s", "10.0.0.1:26379 at 0s")
		s.fails(sentinelAddr(1), refusedDial())
		time.Sleep(time.Second)
		q := s.f.inquire(time.Now(), "")
		<-q.done
		s.wantAsked(t, "10.0.0.1:26379 at 1s", "10.0.0.2:26379 at 1s", "10.0.0.0:26379 at 1s")
		require.Equal(t, redisclient.ReasonTCP, redisclient.ReasonOf(q.err))
		require.True(t, strings.HasPrefix(q.said, "sentinels 10.0.0.1:26379, 10.0.0.2:26379, 10.0.0.0:26379: connect: "), q.said)
		require.Equal(t, masterA, s.f.master.conf.Address(), "nobody's word takes nothing away")
	})
}

// TestTheSentinelsAreAskedAgainWhenTheirAnswerIsOld, beside the check.
func TestTheSentinelsAreAskedAgainWhenTheirAnswerIsOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1, 3*time.Second)
		s.names(0, masterA, 0)
		s.serves(masterA, "master", "a")
		for _, step := range []struct {
			after time.Duration
			want  []string
		}{
			{0, []string{"10.0.0.0:26379 at 0s", masterA + " at 0s"}},
			{masterFresh - time.Millisecond, []string{masterA + " at 2.999s"}},
		} {
			time.Sleep(step.after)
			text, err := s.get(t)
			require.NoError(t, err)
			require.Equal(t, "a", text)
			s.wantAsked(t, step.want...)
		}
		time.Sleep(time.Millisecond)
		_, err := s.get(t)
		require.NoError(t, err)
		synctest.Wait()
		require.ElementsMatch(t, []string{"10.0.0.0:26379 at 3s", masterA + " at 3s"}, s.asked)
	})
}

// TestSentinelsThatDoNotAnswerHoldNoMasterUp for longer than their share.
func TestSentinelsThatDoNotAnswerHoldNoMasterUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sentinel func(s *stage)
		role     string
		want     string
		took     time.Duration
	}{
		"mute":                            {func(s *stage) { delete(s.say, sentinelAddr(0)) }, "master", "a", sentinelShare},
		"slow":                            {func(s *stage) { s.names(0, masterB, sentinelShare+time.Millisecond) }, "master", "a", sentinelShare},
		"in time":                         {func(s *stage) { s.names(0, masterB, sentinelShare-time.Millisecond) }, "master", "b", sentinelShare - time.Millisecond},
		"gone":                            {func(s *stage) { s.fails(sentinelAddr(0), refusedDial()) }, "master", "a", 0},
		"the same one":                    {func(s *stage) { s.names(0, masterA, 0) }, "master", "a", 0},
		"one that does not serve yet":     {func(s *stage) { s.names(0, masterB, 0) }, "slave", "a", 0},
		"one that is not to be asked":     {func(s *stage) { s.names(0, "127.0.0.1:0", 0) }, "master", "a", 0},
		"one that refuses like a replica": {func(s *stage) { s.names(0, masterB, 0) }, "READONLY", "a", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, 1, 3*time.Second)
				s.names(0, masterA, 0)
				s.serves(masterA, "master", "a")
				s.serves(masterB, c.role, "b")
				if c.role == "READONLY" {
					s.says(masterB, refusingAsReplica)
				}
				text, err := s.get(t)
				require.NoError(t, err)
				require.Equal(t, "a", text)
				time.Sleep(masterFresh)
				c.sentinel(s)
				began := time.Now()
				text, err = s.get(t)
				require.NoError(t, err)
				require.Equal(t, c.want, text)
				require.Equal(t, c.took, time.Since(began))
				time.Sleep(3 * time.Second) // the inquiry ends
			})
		})
	}
}

func refusingAsReplica(context.Context, []redisclient.Command) ([]resp.Value, error) {
	return []resp.Value{
		{Kind: resp.Array, Elems: []resp.Value{bulk("master")}},
		{Kind: resp.Error, Str: []byte("READONLY You can't write against a read only replica.")},
	}, nil
}

// TestACheckGoesToTheNewMaster when the old one fails, has become a replica, or
// refuses like one, though the sentinels' last answer is fresh; and when the new
// one fails too, the error is its.
func TestACheckGoesToTheNewMaster(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]func(s *stage){
		"it is gone":          func(s *stage) { s.fails(masterA, refusedDial()) },
		"it is a replica":     func(s *stage) { s.serves(masterA, "slave", "old") },
		"it refuses like one": func(s *stage) { s.says(masterA, refusingAsReplica) },
		"it refuses to say more": func(s *stage) {
			s.fails(masterA, &redisclient.Error{Op: "auth", Reason: redisclient.ReasonAuth, Err: errors.New("no")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, 2, 3*time.Second)
				s.names(0, masterA, 0)
				s.names(1, masterA, 0)
				s.serves(masterA, "master", "a")
				_, err := s.get(t)
				require.NoError(t, err)
				s.names(1, masterB, 0) // the first sentinel does not know yet
				s.serves(masterB, "master", "b")
				old(s)
				memory := s.f.view().Memory
				text, err := s.get(t)
				require.NoError(t, err)
				require.Equal(t, "b", text)
				require.NotSame(t, memory, s.f.view().Memory)
				require.Equal(t, 1, s.f.first)
				s.asked = nil
				text, err = s.get(t)
				require.NoError(t, err)
				require.Equal(t, "b", text)
				s.wantAsked(t, masterB+" at 0s")

				// Then nobody serves.
				time.Sleep(time.Second)
				for _, broken := range []func(){func() { s.fails(masterB, refusedDial()) }, func() { s.says(masterB, refusingAsReplica) }} {
					broken()
					_, err = s.get(t)
					require.ErrorContains(t, err, "master mymaster")
					require.ErrorContains(t, err, "sentinel 10.0.0.1:26379 says "+masterB, "what each sentinel said")
					require.ErrorContains(t, err, "sentinel 10.0.0.0:26379 says "+masterA)
					time.Sleep(time.Second)
				}
			})
		})
	}
}

// TestAFullPoolSaysNothingOfAMaster: the sentinels are not asked.
func TestAFullPoolSaysNothingOfAMaster(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1, 3*time.Second)
		s.names(0, masterA, 0)
		for _, reason := range []redisclient.Reason{redisclient.ReasonPool, redisclient.ReasonClosed} {
			time.Sleep(time.Second)
			s.serves(masterA, "master", "a")
			_, err := s.get(t)
			require.NoError(t, err)
			time.Sleep(time.Second)
			s.asked = nil
			s.fails(masterA, &redisclient.Error{Op: "wait", Reason: reason, Err: errors.New("full")})
			_, err = s.get(t)
			require.ErrorContains(t, err, "master mymaster at "+masterA+": wait: full")
			require.Equal(t, reason, redisclient.ReasonOf(err))
			require.NotContains(t, err.Error(), "sentinel")
			require.Len(t, s.asked, 1)
			time.Sleep(time.Second)
		}
	})
}

// TestAnInquiryServesThoseWhoDoubtInTheSameMoment, and nobody who knows more than
// it did.
func TestAnInquiryServesThoseWhoDoubtInTheSameMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1, 3*time.Second)
		s.names(0, masterA, 0)
		ask := func(since time.Time, suspect string) *inquiry {
			q := s.f.inquire(since, suspect)
			<-q.done
			return q
		}
		start := time.Now()
		q := ask(start, "")
		time.Sleep(askPause - 1)
		require.Same(t, q, ask(time.Now(), ""))
		require.Same(t, q, ask(time.Now(), masterB), "it has named another one")
		time.Sleep(time.Nanosecond)
		require.Same(t, q, ask(start.Add(-1), ""), "it began later")
		next := ask(start, "")
		require.NotSame(t, q, next, "it began no later")
		doubting := ask(start, masterA)
		require.NotSame(t, next, doubting, "it is the one in doubt that was named")
		require.Same(t, doubting, ask(time.Now(), masterA), "which was asked with that doubt")
		require.True(t, next.unsuspecting(s.f.master))
		require.False(t, doubting.unsuspecting(s.f.master))

		time.Sleep(time.Second)
		s.fails(sentinelAddr(0), refusedDial())
		failed := ask(time.Now(), "")
		require.Error(t, failed.err)
		require.False(t, failed.unsuspecting(s.f.master))
		require.Same(t, failed, ask(time.Now(), masterA), "nobody answers them either")
	})
}

// TestAFirstCheckWaitsForTheSentinels as long as it has time.
func TestAFirstCheckWaitsForTheSentinels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1, 5*time.Second)
		_, ok := s.f.connInfo()
		require.False(t, ok)
		began := time.Now()
		_, err := s.get(t)
		require.Equal(t, 2*time.Second, time.Since(began))
		require.Equal(t, redisclient.ReasonTimeout, redisclient.ReasonOf(err))
		require.ErrorContains(t, err, "master mymaster: the sentinels have not answered yet")
		time.Sleep(5 * time.Second)
		s.names(0, masterA, 1900*time.Millisecond)
		s.serves(masterA, "master", "a")
		text, err := s.get(t)
		require.NoError(t, err)
		require.Equal(t, "a", text)

		master, err := s.f.t.at(masterA)
		require.NoError(t, err)
		_, ok = s.f.connInfo()
		require.False(t, ok)
		master.noteInfo(redisclient.ConnInfo{At: time.Now(), Addr: masterA})
		info, ok := s.f.view().ConnInfo()
		require.True(t, ok)
		require.Equal(t, masterA, info.Addr)
		sentinels := s.f.view().Sentinels()
		require.Len(t, sentinels, 1)
		require.Equal(t, s.rt.target(s.f.sentinels[0]).public.Name, sentinels[0].Name)
	})
}

// TestACheckWithoutTimeAsksNobodyElse: the inquiry goes on for the next one.
func TestACheckWithoutTimeAsksNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1, 3*time.Second)
		s.names(0, masterA, 0)
		s.serves(masterA, "master", "a")
		_, err := s.get(t)
		require.NoError(t, err)
		delete(s.say, masterA)
		s.names(0, masterB, 10*time.Millisecond)
		s.serves(masterB, "master", "b")
		time.Sleep(time.Second)
		_, err = s.get(t)
		require.ErrorContains(t, err, "master mymaster at "+masterA)
		require.Equal(t, redisclient.ReasonTimeout, redisclient.ReasonOf(err))
		time.Sleep(time.Second)
		text, err := s.get(t)
		require.NoError(t, err)
		require.Equal(t, "b", text)
	})
}

// TestARoleThatMayNotBeAskedForIsNotAskedForAnHour, of that master.
func TestARoleThatMayNotBeAskedForIsNotAskedForAnHour(t *testing.T) {
	t.Parallel()
	for refusal, remembered := range map[string]bool{
		"NOPERM this user has no permissions to run the 'role' command": true,
		"ERR unknown command 'ROLE'":                                    true,
		"LOADING Redis is loading the dataset in memory":                false,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, 1, 3*time.Second)
			roles := 0
			s.names(0, masterA, 0)
			s.say[masterA] = func(_ context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
				var out []resp.Value
				for _, cmd := range cmds {
					if cmd[0] == "ROLE" {
						roles++
						out = append(out, resp.Value{Kind: resp.Error, Str: []byte(refusal)})
					} else {
						out = append(out, bulk("a"))
					}
				}
				return out, nil
			}
			get := func() {
				t.Helper()
				text, err := s.get(t)
				require.NoError(t, err)
				require.Equal(t, "a", text)
			}
			get()
			time.Sleep(roleMemory - 1)
			get()
			want := 1
			if !remembered {
				want = 2
			}
			require.Equal(t, want, roles, refusal)
			time.Sleep(time.Nanosecond)
			get()
			require.Equal(t, want+1, roles, refusal)
			time.Sleep(time.Minute)
			s.names(0, masterB, 0)
			s.say[masterB] = s.say[masterA]
			time.Sleep(time.Second)
			get()
			require.Greater(t, roles, want+1, "another master is asked for it")
		})
	}
}
