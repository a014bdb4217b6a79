package targets

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// TestAForgottenTargetsPeersCountNoMore.
func TestAForgottenTargetsPeersCountNoMore(t *testing.T) {
	t.Parallel()
	rt := runtimeWith(t, func(*conf.Options) {})
	entry := rt.targetAt(t, "10.0.0.1")
	peer, err := entry.at("10.0.0.2:6379")
	require.NoError(t, err)
	require.Same(t, entry.conf, peer.foundBy)
	of, err := peer.peer("10.0.0.3:6379")
	require.NoError(t, err)
	require.Equal(t, "tcp://10.0.0.3:6379", of.Name)
	_, err = peer.peer("?")
	require.Error(t, err)
	_, err = peer.node("?")
	require.Error(t, err)
	own := rt.targetAt(t, "10.0.0.4")
	again, err := entry.at("10.0.0.4:6379")
	require.NoError(t, err)
	require.Same(t, own, again)
	require.Nil(t, own.foundBy, "a target that the operator named stays one")
	require.Equal(t, 3, rt.known.peers.count)
	ui := rt.targetAt(t, "http://10.0.0.9:8080")
	require.Nil(t, ui.view().Doer)
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.forgetLocked(entry)
	require.Zero(t, rt.known.peers.count)
	rt.forgetLocked(ui)
	require.Len(t, rt.known.byConf, 3)
	require.Equal(t, 3, rt.known.byUse.Len())
}

// TestTheGoalOfMemoryFollowsTheTargets. Not parallel: it is the process's.
func TestTheGoalOfMemoryFollowsTheTargets(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	limitMemory(100<<20, 1000)
	require.EqualValues(t, 100<<20+64<<20+1000*16<<10, debug.SetMemoryLimit(-1))
	rt := runtimeWith(t, func(o *conf.Options) { o.MaxMemory = 8 << 20 })
	goal := int64(math.MaxInt64)
	debug.SetMemoryLimit(goal)
	for n := 1; n <= 300; n++ {
		rt.targetAt(t, fmt.Sprint("h", n))
		if n == 1 || n%100 == 0 {
			goal = 8<<20 + 64<<20 + int64(n)*16<<10
		}
		require.Equal(t, goal, debug.SetMemoryLimit(-1), "%d targets", n)
	}
}

// TestTheCollectorIsSetWhereItMakesADifference alone. Not parallel, as above.
func TestTheCollectorIsSetWhereItMakesADifference(t *testing.T) {
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	for _, c := range []struct{ targets, want int }{
		{1, 100}, {2, 77}, {1999, 77}, {2000, 50}, {2001, 77}, {4999, 77}, {5000, 25},
		{7999, 77}, {8000, 15}, {8001, 77}, {20000, 77},
	} {
		debug.SetGCPercent(77)
		tuneCollector(c.targets)
		require.Equal(t, c.want, debug.SetGCPercent(77), "%d targets", c.targets)
	}
}

// TestMemoryIsReturnedOnceForACrowd, some seconds after it, and again for the next.
func TestMemoryIsReturnedOnceForACrowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRelief()
		for range 2 {
			r.run()
			time.Sleep(reliefDelay - time.Millisecond)
			r.run()
			synctest.Wait()
			require.True(t, r.due.Load())
			time.Sleep(time.Millisecond)
			synctest.Wait()
			require.False(t, r.due.Load())
		}
	})
}

// TestANameIsLookedUpOnceAMinute, and at the next conversation when too many are
// being looked up.
func TestANameIsLookedUpOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		looked := 0
		n := newNames()
		var left time.Duration
		rt := &Runtime{names: n}
		tgt := &target{rt: rt, host: &hostWatch{host: "redis.example"}}
		n.lookup = lookupOf(func(deadline time.Time) []string {
			looked++
			left = time.Until(deadline)
			return []string{"192.0.2.1"}
		})
		note := func(after time.Duration) int {
			time.Sleep(after)
			tgt.mu.Lock()
			tgt.noteAddrLocked("192.0.2.1:6379")
			tgt.mu.Unlock()
			synctest.Wait()
			return looked
		}
		require.Equal(t, 0, note(0), "the connection was just made")
		require.Equal(t, 0, note(time.Minute-1))
		require.Equal(t, 1, note(1))
		require.Equal(t, 3*time.Second, left)
		require.Equal(t, 1, note(0))
		require.Equal(t, 1, note(time.Minute-1))
		end := make(chan struct{})
		for range lookupsAtOnce {
			require.True(t, n.begin(func() { <-end }))
		}
		require.Equal(t, 1, note(time.Second), "it is due, and there is no room")
		close(end)
		synctest.Wait()
		require.Equal(t, 2, note(0))
		require.Equal(t, 2, note(time.Second))
		require.False(t, tgt.host.astray)
		n.close()
	})
}

// TestAddressesAreComparedInOneForm.
func TestAddressesAreComparedInOneForm(t *testing.T) {
	t.Parallel()
	same := plainIP("192.0.2.1:6379")
	for _, addr := range []string{"192.0.2.1", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:6379"} {
		require.Equal(t, same, plainIP(addr), addr)
	}
	require.Equal(t, plainIP("fe80::1"), plainIP("[fe80::1%eth0]:6379"))
	require.NotEqual(t, same, plainIP("192.0.2.2:6379"))
	for _, none := range []string{"", "redis.example", "redis.example:6379", "/run/redis.sock"} {
		require.False(t, plainIP(none).IsValid(), none)
	}
	require.Empty(t, hostName("tcp", "redis.example"), "without a port it is no address to dial")
	require.Empty(t, hostName("unix", "redis.example:6379"))
}

// TestACommandIsRememberedByAllItsWords, up to a bound that counts them all.
func TestACommandIsRememberedByAllItsWords(t *testing.T) {
	t.Parallel()
	require.Equal(t, "GET\x00a", commandText(cmd("GET a")))
	require.NotEqual(t, commandText(redisclient.Command{"GET", "a", "b"}), commandText(redisclient.Command{"GET", "a b"}))
	most := strings.Repeat("k", maxRefusedBytes-len("GET")-2)
	require.Equal(t, "GET\x00"+most, commandText(redisclient.Command{"GET", most}))
	require.Empty(t, commandText(redisclient.Command{"GET", most + "k"}))
	require.Empty(t, commandText(make(redisclient.Command, maxRefusedBytes+1)))

	for words, want := range map[string]string{
		"client list": "CLIENT LIST", "CLIENT": "CLIENT", "get secret": "GET", "PING": "PING", "config get maxmemory": "CONFIG GET",
	} {
		require.Equal(t, want, commandName(cmd(words)))
		require.Equal(t, resp.Error, hangUpReply(cmd(words)).Kind)
	}
}

// TestARefusalIsRememberedForAnHour, and the oldest makes room.
func TestARefusalIsRememberedForAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tgt := &target{}
		require.Nil(t, tgt.refusedNow([]redisclient.Command{cmd("GET a")}))
		tgt.hangUps.noteLocked(commandText(cmd("EVIL 1")), time.Now())
		time.Sleep(time.Minute)
		tgt.hangUps.noteLocked(commandText(cmd("EVIL 2")), time.Now())
		both := []redisclient.Command{cmd("GET a"), cmd("EVIL 1"), cmd("EVIL 2")}
		require.Nil(t, tgt.refusedNow(both[:1]))
		require.Equal(t, []bool{false, true, true}, tgt.refusedNow(both))
		time.Sleep(refusalMemory - time.Minute)
		require.Equal(t, []bool{false, true, true}, tgt.refusedNow(both))
		time.Sleep(time.Nanosecond)
		require.Equal(t, []bool{false, false, true}, tgt.refusedNow(both))
		require.Len(t, tgt.hangUps, 1)
		time.Sleep(time.Minute)
		require.Nil(t, tgt.refusedNow(both))
		require.Empty(t, tgt.hangUps)

		for i := range maxRefusedCommands {
			tgt.hangUps.noteLocked(commandText(redisclient.Command{"EVIL", fmt.Sprint(i)}), time.Now().Add(time.Duration(100-i)))
		}
		require.Len(t, tgt.hangUps, maxRefusedCommands)
		tgt.hangUps.noteLocked(commandText(cmd("EVIL new")), time.Now())
		require.Len(t, tgt.hangUps, maxRefusedCommands)
		require.NotContains(t, tgt.hangUps, commandText(redisclient.Command{"EVIL", fmt.Sprint(maxRefusedCommands - 1)}), "the oldest")
		require.Contains(t, tgt.hangUps, "EVIL\x000")
		require.Contains(t, tgt.hangUps, "EVIL\x00new")
	})
}

// TestAServerThatDoesNotTakeANameIsNamedAgainLater.
func TestAServerThatDoesNotTakeANameIsNamedAgainLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tgt := &target{}
		require.Equal(t, clientName, tgt.clientName())
		tgt.stopNaming()
		time.Sleep(nameMemory - 1)
		require.Empty(t, tgt.clientName())
		time.Sleep(time.Nanosecond)
		require.Equal(t, clientName, tgt.clientName())
	})
}

// TestTheNewestConnectionIsDescribed, whichever answered last.
func TestTheNewestConnectionIsDescribed(t *testing.T) {
	t.Parallel()
	tgt := &target{}
	_, ok := tgt.connInfo()
	require.False(t, ok)
	require.False(t, tgt.hasAnswered())
	older := redisclient.ConnInfo{At: time.Unix(1, 0), Addr: "192.0.2.1:1"}
	newer := redisclient.ConnInfo{At: time.Unix(2, 0), Addr: "192.0.2.1:2"}
	for _, step := range []struct{ noted, want redisclient.ConnInfo }{{older, older}, {newer, newer}, {older, newer}} {
		tgt.noteInfo(step.noted)
		info, ok := tgt.connInfo()
		require.True(t, ok)
		require.Equal(t, step.want, info)
	}
	require.True(t, tgt.hasAnswered())
	other := &target{}
	other.noteAnswered()
	require.True(t, other.hasAnswered())
	_, ok = other.connInfo()
	require.False(t, ok)
}

// lookupOf is a lookup that finds what the test says.
func lookupOf(find func(deadline time.Time) []string) func(context.Context, string) ([]string, error) {
	return func(ctx context.Context, _ string) ([]string, error) {
		deadline, _ := ctx.Deadline()
		return find(deadline), nil
	}
}
