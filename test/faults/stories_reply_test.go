//go:build e2e && linux

package faults

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

func TestStory01_ShiftedReplyAfterCancel(t *testing.T) {
	t.Parallel()
	s := redis(t, redistest.Config{})
	p := start(t, "MaxConnections=1", "Sessions.A.Uri=tcp://"+s.Addr)
	want(t, p, "A", s, key(0))
	before := connections(t, s)

	s.Pause(t) // the commands reach the kernel and are answered later
	text := refused(t, ask(p, 1, "A", key(1)))
	require.Contains(t, text, "A (tcp://"+s.Addr+")")
	require.Contains(t, text, "timeout")
	s.Resume(t)
	for i := range 20 {
		want(t, p, "A", s, key(i+2))
	}
	require.Equal(t, before+1, connections(t, s))
	row := p.Pool(t).Target(t, "A (")
	require.Equal(t, 1, row.Counters.Closed.Broken)
	require.Equal(t, 2, row.Counters.Dials)
	require.Equal(t, 0, row.InUse)
}

func TestStory01_ShiftedReplyAfterOneOfAPipelineGaveUp(t *testing.T) {
	t.Parallel()
	s := redis(t, redistest.Config{})
	between := newProxy(t, s.Addr)
	p := start(t, "MaxConnections=1", "Sessions.A.Uri=tcp://"+between.addr)
	want(t, p, "A", s, key(0))

	between.hold()
	head := ask(p, 3, "A", key(1))
	await(t, patience, "the reply to the first", func() bool { return between.held() == 1 })
	queued := ask(p, 1, "A", key(2))
	sent, other := ask(p, 2, "A", key(3)), ask(p, 3, "A", key(4))

	text := refused(t, queued)
	require.Contains(t, text, "all connections to the target (limit 1) were busy", "it gave up in the queue")
	between.pass(1) // the first is answered, the others leave in one pipeline
	got, err := head.Answer()
	require.NoError(t, err)
	require.Equal(t, value(s, key(1)), got)
	await(t, patience, "the replies to the pipeline", func() bool { return between.held() == 1 })
	require.Contains(t, refused(t, sent), "no answer", "it gave up after the write")
	between.release()
	got, err = other.Answer()
	require.NoError(t, err)
	require.Equal(t, value(s, key(4)), got)
	for i := range 20 {
		want(t, p, "A", s, key(i))
	}
	row := p.Pool(t).Target(t, "A (")
	require.Equal(t, 1, row.Counters.Dials, "who gives up does not break what others wait for")
}

func TestStory02_LateReplyAfterTimeout(t *testing.T) {
	t.Parallel()
	s := redis(t, redistest.Config{TLS: true})
	for name, at := range map[string]struct {
		scheme, addr string
		options      []string
	}{
		"plain": {"tcp", s.Addr, nil},
		"TLS":   {"rediss", s.TLSAddr, []string{"Sessions.A.TLSCAFile=" + s.CAFile, "Sessions.A.TLSServerName=localhost"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			between := newProxy(t, at.addr)
			p := start(t, append(at.options, "MaxConnections=1", "Sessions.A.Uri="+at.scheme+"://"+between.addr)...)
			want(t, p, "A", s, key(0))
			for round := range 3 {
				between.hold()
				late := ask(p, 1, "A", key(1))
				require.Contains(t, refused(t, late), "timeout")
				between.release() // the reply comes a moment too late
				want(t, p, "A", s, key(2+round))
				want(t, p, "A", s, key(12+round))
			}
			row := p.Pool(t).Target(t, "A (")
			require.Equal(t, 3, row.Counters.Closed.Broken)
			require.Equal(t, 4, row.Counters.Dials)

			between.say("$4\r\nlate\r\n") // and one that nobody has asked for
			want(t, p, "A", s, key(20))
			want(t, p, "A", s, key(21))
			row = p.Pool(t).Target(t, "A (")
			require.Equal(t, 1, row.Counters.Closed.Stale)
			require.Equal(t, 5, row.Counters.Dials)
		})
	}
}

// A reply with another one behind it in the same TLS record leaves nothing on the socket that could be looked at.
func TestStory02_SurplusInsideATLSRecord(t *testing.T) {
	t.Parallel()
	ca := redistest.NewCA(t)
	fake := redistest.NewTLSFake(t, ca.ServerTLS(t), redistest.Script{answer(func(_ []string, reply string) (string, bool) {
		return reply + "$4\r\nlate\r\n", false
	})}, redistest.Script{answer(nil)})
	p := start(t, "MaxConnections=1", "Sessions.A.Uri=rediss://"+fake.Addr,
		"Sessions.A.TLSCAFile="+ca.File, "Sessions.A.TLSServerName=localhost")
	require.Contains(t, p.Refused(t, "redis.server.config", "A", "", "first"), "more than was asked for")
	await(t, patience, "the next connection", func() bool {
		got, err := p.Get("redis.server.config", "A", "", "second")
		require.True(t, err != nil || got == valueOf("second"), got)
		return err == nil
	})
	require.Equal(t, 2, fake.Accepted())
}
