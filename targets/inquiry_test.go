package targets

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/metrics/item"
	"redisjobs/pool"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// TestAReplyToRoleIsRead.
func TestAReplyToRoleIsRead(t *testing.T) {
	t.Parallel()
	array := func(elems ...resp.Value) resp.Value { return resp.Value{Kind: resp.Array, Elems: elems} }
	for want, reply := range map[string]resp.Value{
		"master": array(bulk("master"), bulk("0")), "replica": array(bulk("slave")), "sentinel": array(bulk("sentinel")),
	} {
		role, err := readRole(reply)
		require.NoError(t, err)
		require.Equal(t, want, role)
	}
	_, err := readRole(array())
	require.ErrorContains(t, err, "the reply to ROLE is empty")
	_, err = readRole(array(array()))
	require.Error(t, err)
	_, err = readRole(bulk("master"))
	require.Error(t, err)
}

// TestAMastersErrorNamesIt once, in what a document shows of a failing target too.
func TestAMastersErrorNamesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1, 3*time.Second)
		master, err := s.f.t.at(masterA)
		require.NoError(t, err)
		require.NoError(t, s.f.explain(master, nil, "x"))
		err = s.f.explain(master, &pool.FailingError{Target: "t", Err: refusedDial(), Ago: time.Second, InARow: 2}, "")
		var failing *pool.FailingError
		require.ErrorAs(t, err, &failing)
		require.Equal(t, 2, failing.InARow)
		require.EqualError(t, failing.Err, "master mymaster at "+masterA+": "+refusedDial().Error())
		require.ErrorContains(t, s.f.explain(master, refusedDial(), "said"), refusedDial().Error()+" (said)")
		err = s.f.explain(master, &notMasterError{masterA, "replica"}, "said")
		require.Equal(t, redisclient.ReasonSentinel, redisclient.ReasonOf(err))
		require.ErrorContains(t, err, "master mymaster: "+masterA+" says that it is not a master but a replica (said)")
	})
}

// TestAnInquiryThatPanicsIsAnError for all who wait, and the next one is made.
func TestAnInquiryThatPanicsIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1, 3*time.Second)
		s.f.sentinels = []*conf.Target{nil}
		_, err := s.get(t)
		require.ErrorContains(t, err, "internal error while asking the sentinels")
		require.Nil(t, s.f.asking)
		require.Equal(t, &item.Memory{}, s.f.view().Memory)
	})
}

// TestASentinelsAnswerIsRead, and what is none is named.
func TestASentinelsAnswerIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1, 3*time.Second)
		say := func(v resp.Value) (string, error) {
			s.say[sentinelAddr(0)] = func(context.Context, []redisclient.Command) ([]resp.Value, error) {
				return []resp.Value{v}, nil
			}
			return s.f.askOne(t.Context(), s.rt.target(s.f.sentinels[0]), 1)
		}
		array := func(words ...string) (v resp.Value) {
			v.Kind = resp.Array
			for _, w := range words {
				v.Elems = append(v.Elems, bulk(w))
			}
			return v
		}
		for want, host := range map[string]string{"10.0.1.1:6379": "10.0.1.1", "[2001:db8::1]:6379": "2001:db8::1", "[2001:db8::2]:6379": "[2001:db8::2]"} {
			addr, err := say(array(host, "6379"))
			require.NoError(t, err)
			require.Equal(t, want, addr)
		}
		for want, v := range map[string]resp.Value{
			"no master is known by this name":       {Kind: resp.Null},
			"this is a server, not a sentinel":      {Kind: resp.Error, Str: []byte("ERR unknown command 'SENTINEL'")},
			"NOPERM":                                {Kind: resp.Error, Str: []byte("NOPERM no")},
			"integer":                               {Kind: resp.Integer, Int: 1},
			"expected host and port, got 1 members": array("a"),
			"expected host and port, got 3 members": array("a", "b", "c"),
			"expected host and port, got 0 members": array(),
		} {
			_, err := say(v)
			require.ErrorContains(t, err, want)
			if want != "this is a server, not a sentinel" {
				require.NotContains(t, err.Error(), "26379")
			}
		}
	})
}

// TestADoubtIsNotAnsweredByAnInquiryWithoutIt: the sentinels were being asked for
// another reason when the master failed, and the first one does not know yet.
func TestADoubtIsNotAnsweredByAnInquiryWithoutIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 2, 3*time.Second)
		s.names(0, masterA, 10*time.Millisecond)
		s.serves(masterA, "master", "a")
		s.serves(masterB, "master", "b")
		_, err := s.get(t)
		require.NoError(t, err)
		time.Sleep(masterFresh)
		s.names(1, masterB, 0)
		s.fails(masterA, refusedDial())
		text, err := s.get(t)
		require.NoError(t, err)
		require.Equal(t, "b", text)
		require.Equal(t, 3, len(slices.DeleteFunc(s.asked, func(at string) bool { return !strings.HasPrefix(at, sentinelAddr(0)) })))
	})
}

// TestAMasterThatFailsIsNotAskedTwice when the sentinels name no other, or do not
// answer: its own error is told, with what they said.
func TestAMasterThatFailsIsNotAskedTwice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sentinel func(s *stage)
		said     string
	}{
		"they name it":  {func(*stage) {}, "(sentinel 10.0.0.0:26379 says " + masterA + ")"},
		"they are gone": {func(s *stage) { s.fails(sentinelAddr(0), refusedDial()) }, "(sentinel 10.0.0.0:26379: connect: connection refused)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, 1, 3*time.Second)
				s.names(0, masterA, 0)
				s.serves(masterA, "master", "a")
				_, err := s.get(t)
				require.NoError(t, err)
				time.Sleep(time.Second)
				s.asked = nil
				s.fails(masterA, &redisclient.Error{Op: "read", Reason: redisclient.ReasonProtocol, Err: errors.New("garbled")})
				c.sentinel(s)
				_, err = s.get(t)
				require.EqualError(t, err, "master mymaster at "+masterA+": read: garbled "+c.said)
				require.Equal(t, redisclient.ReasonProtocol, redisclient.ReasonOf(err))
				s.wantAsked(t, masterA+" at 1s", "10.0.0.0:26379 at 1s")

				// A renewal that names the same one costs no second conversation.
				s.names(0, masterA, 0)
				s.serves(masterA, "master", "a")
				time.Sleep(masterFresh)
				_, err = s.get(t)
				require.NoError(t, err)
				synctest.Wait()
				require.ElementsMatch(t, []string{"10.0.0.0:26379 at 4s", masterA + " at 4s"}, s.asked)
			})
		})
	}
}

// TestOnlyARefusalLikeAReplicasIsOne: other errors are the commands' replies, and a
// value is what it is.
func TestOnlyARefusalLikeAReplicasIsOne(t *testing.T) {
	t.Parallel()
	for _, v := range []resp.Value{
		bulk("READONLY is a value"),
		{Kind: resp.Error, Str: []byte("WRONGTYPE Operation against a key holding the wrong kind of value")},
		{Kind: resp.Error, Str: []byte("READONLYISH no")},
	} {
		require.NoError(t, readOnly([]resp.Value{bulk("x"), v}), "%s", v.Str)
	}
	err := readOnly([]resp.Value{bulk("x"), {Kind: resp.Error, Str: []byte("READONLY You can't write against a read only replica.")}})
	require.Equal(t, redisclient.ReasonSentinel, redisclient.ReasonOf(err))
}
