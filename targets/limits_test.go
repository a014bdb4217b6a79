package targets

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/metrics"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/pool"
	"redisjobs/redisclient"
)

// TestTheTimeOfACheck is the shorter of the item's and the plugin's, less a
// twentieth of it that is neither very short nor very long.
func TestTheTimeOfACheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		plugin          time.Duration
		item            int
		allowed, latest time.Duration
	}{
		{3 * time.Second, 0, 2850 * time.Millisecond, 2962500 * time.Microsecond},
		{3 * time.Second, -1, 2850 * time.Millisecond, 2962500 * time.Microsecond},
		{3 * time.Second, 30, 2850 * time.Millisecond, 2962500 * time.Microsecond},
		{3 * time.Second, 2, 1900 * time.Millisecond, 1975 * time.Millisecond},
		{30 * time.Second, 0, 29750 * time.Millisecond, 29937500 * time.Microsecond},
		{30 * time.Second, 1, 950 * time.Millisecond, 987500 * time.Microsecond},
		{600 * time.Millisecond, 0, 550 * time.Millisecond, 587500 * time.Microsecond},
	} {
		rt := &Runtime{options: &conf.Options{Timeout: c.plugin}}
		require.Equal(t, c.allowed, rt.Allowed(c.item), "%+v", c)
		require.Equal(t, c.latest, rt.Latest(c.item), "%+v", c)
		require.Equal(t, rt.Allowed(0)*9/10, rt.dialLimit())
		require.Less(t, rt.dialLimit(), rt.Allowed(0))
	}
}

// TestAnAnswerThatIsTooLongIsAnError, and one of the greatest length is none.
func TestAnAnswerThatIsTooLongIsAnError(t *testing.T) {
	t.Parallel()
	metric := &item.Metric{Key: "a.key"}
	rt := &Runtime{options: &conf.Options{MaxAnswer: 100}}
	nowhere, somewhere := &item.Request{}, &item.Request{Target: &item.Target{Name: "tcp://h:1"}}
	require.NoError(t, rt.judge(metric, nowhere, 100, nil))
	require.EqualError(t, rt.judge(metric, nowhere, 101, nil),
		"the answer to a.key has 101 bytes, more than the limit of 100 (option Plugins.RedisJobs.MaxAnswer)")
	for _, length := range []int{0, 101} {
		why := &redisclient.Error{Op: "read", Reason: redisclient.ReasonTimeout, Err: context.DeadlineExceeded}
		err := rt.judge(metric, nowhere, length, why)
		require.EqualError(t, err, "cannot get a.key: read: no answer in the time that the check had")
		require.Equal(t, redisclient.ReasonTimeout, redisclient.ReasonOf(err))
		err = rt.judge(metric, somewhere, length, why)
		require.EqualError(t, err, "cannot get a.key from tcp://h:1: read: no answer in the time that the check had")
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
}

// TestALongParameterIsNamed where the key has a name for it.
func TestALongParameterIsNamed(t *testing.T) {
	t.Parallel()
	metric := &item.Metric{Key: "a.key", Params: []item.Param{{Name: "First"}, {Name: "Second"}}}
	long := strings.Repeat("x", maxParam+1)
	require.NoError(t, checkLengths(metric, []string{long[1:], long[1:], long[1:]}))
	require.ErrorContains(t, checkLengths(metric, []string{"", long}), "a.key: parameter 2 (Second) has 2049 characters")
	require.ErrorContains(t, checkLengths(metric, []string{"", "", long}), "a.key: parameter 3 has 2049 characters")
}

// TestAKeyIsRefusedBeforeAnythingIsAsked when its parameters or target cannot be
// meant.
func TestAKeyIsRefusedBeforeAnythingIsAsked(t *testing.T) {
	t.Parallel()
	rt, _ := reached(t, "127.0.0.1:1")
	for _, c := range []struct {
		key    string
		params []string
		want   string
	}{
		{"redis.server.ping", []string{"tcp://h", "", "", "one too many"}, "parameter"},
		{"redis.server.ping", []string{"tcp://h:0"}, "port"},
		{"redis.server.ping", []string{"http://h:8080"}, "this is a Storm UI"},
		{"storm.cluster.get", []string{"tcp://h"}, "this is a Redis server"},
	} {
		metric, ok := metrics.Lookup(c.key)
		require.True(t, ok, c.key)
		require.ErrorContains(t, rt.Collect(t.Context(), metric, c.params, jsondoc.New(0)), c.want)
		require.ErrorContains(t, rt.Late(t.Context(), metric, c.params, time.Second, jsondoc.New(0)), c.want)
	}
	require.Zero(t, rt.pool.Stats().Dials)
}

// TestALateAnswerSaysWhy without asking anybody, of a server and of a Storm UI.
func TestALateAnswerSaysWhy(t *testing.T) {
	t.Parallel()
	asked := redistest.NewFake(t, answering("+PONG\r\n"))
	rt, target := reached(t, asked.Addr)
	memory := target.public.Memory
	late := func(key, conn string) string {
		metric, ok := metrics.Lookup(key)
		require.True(t, ok, key)
		w := jsondoc.New(0)
		if err := rt.Late(t.Context(), metric, []string{conn}, 1900*time.Millisecond, w); err != nil {
			return err.Error()
		}
		return w.Document()
	}
	require.Contains(t, late("redis.get", "tcp://"+asked.Addr), "no answer within 1.9s")
	require.Contains(t, late("storm.cluster.get", "http://"+asked.Addr), "no answer within 1.9s")
	require.Zero(t, asked.Accepted(), "nobody is asked")
	require.Same(t, memory, target.view().Memory)
	require.Equal(t, &item.Memory{}, memory, "nothing is remembered")

	// A key that reads no server has nobody to blame.
	local := &item.Metric{Key: "local"}
	require.EqualError(t, rt.Late(t.Context(), local, nil, time.Second, jsondoc.New(0)),
		"cannot get local: wait: timeout: no answer within 1s, because the server is slow or its replies are too large")
}

// TestThePoolsErrorsHaveReasons: a server that is not there is not a pool that
// is too small.
func TestThePoolsErrorsHaveReasons(t *testing.T) {
	t.Parallel()
	other := errors.New("another")
	for _, c := range []struct {
		err  error
		op   string
		want redisclient.Reason
	}{
		{&pool.WaitError{Gauges: pool.Gauges{Dialing: 1}, Err: context.DeadlineExceeded}, "dial", redisclient.ReasonTimeout},
		{&pool.WaitError{Gauges: pool.Gauges{Dialing: 1, InUse: 1}, Err: context.DeadlineExceeded}, "wait", redisclient.ReasonPool},
		{&pool.WaitError{Gauges: pool.Gauges{InUse: 1}, Err: context.DeadlineExceeded}, "wait", redisclient.ReasonPool},
		{&pool.WaitError{Err: context.DeadlineExceeded}, "wait", redisclient.ReasonPool},
		{context.DeadlineExceeded, "wait", redisclient.ReasonTimeout},
		{context.Canceled, "wait", redisclient.ReasonOf(context.Canceled)},
		{fmt.Errorf("test: %w", pool.ErrClosed), "wait", redisclient.ReasonClosed},
	} {
		err := explain(c.err)
		var e *redisclient.Error
		require.ErrorAs(t, err, &e, "%v", c.err)
		require.Equal(t, c.op, e.Op, "%v", c.err)
		require.Equal(t, c.want, redisclient.ReasonOf(err), "%v", c.err)
		require.ErrorIs(t, err, c.err)
	}
	require.Same(t, other, explain(other))
	conversation := fmt.Errorf("read: %w", context.DeadlineExceeded)
	require.Same(t, conversation, explain(conversation), "a conversation's own error has its reason")
}

// TestTheShareOfPeers is half of the connections, and never so few that a small
// cluster is not served.
func TestTheShareOfPeers(t *testing.T) {
	t.Parallel()
	require.Equal(t, 50, peerShare(200, 2))
	require.Equal(t, 100, peerShare(200, 1))
	require.Equal(t, 17, peerShare(34, 1))
	require.Equal(t, 16, peerShare(30, 1))
	require.Equal(t, 16, peerShare(100, 100))
}

// TestAClientReachesServersAndStormUIs, and says when one is asked for the other.
func TestAClientReachesServersAndStormUIs(t *testing.T) {
	t.Parallel()
	server := redistest.Borrow(t)
	agents := make(chan string, 1)
	ui := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agents <- r.UserAgent()
		_, _ = w.Write([]byte(`{"a":1}`))
	}))
	t.Cleanup(ui.Close)
	c, err := NewClient(decoded(t, "Timeout=3", "Sessions.A.Uri=tcp://"+server.Addr, "Sessions.S.Uri="+ui.URL))
	require.NoError(t, err)

	doer, name, err := c.Target(conf.Ref{Conn: "A"})
	require.NoError(t, err)
	require.Contains(t, name, server.Addr)
	values, err := doer.DoAll(soon(t), cmd("PING"))
	require.NoError(t, err)
	require.Equal(t, "PONG", string(values[0].Str))

	web, name, err := c.StormUI(conf.Ref{Conn: "S"})
	require.NoError(t, err)
	require.Contains(t, name, ui.URL)
	text, err := web.Get(soon(t), "/api/v1/cluster/summary")
	require.NoError(t, err)
	require.JSONEq(t, `{"a":1}`, string(text))
	require.Contains(t, <-agents, clientName)

	_, _, err = c.Target(conf.Ref{Conn: "S"})
	require.ErrorContains(t, err, "is the address of a Storm UI, not of a Redis server")
	_, _, err = c.StormUI(conf.Ref{Conn: "A"})
	require.ErrorContains(t, err, "is the address of a Redis server, not of a Storm UI")
	_, _, err = c.Target(conf.Ref{Conn: "tcp://h:0"})
	require.Error(t, err)
	_, _, err = c.StormUI(conf.Ref{Conn: "tcp://h:0"})
	require.Error(t, err)

	c.Close()
	_, err = doer.DoAll(soon(t), cmd("PING"))
	require.Equal(t, redisclient.ReasonClosed, redisclient.ReasonOf(err))
}

// TestAnOptionThatCannotBeMetIsAnError and no runtime that fails at each check.
func TestAnOptionThatCannotBeMetIsAnError(t *testing.T) {
	t.Parallel()
	options, err := conf.Decode(nil, conf.Global{Timeout: 3})
	require.NoError(t, err)
	options.MaxConnections = -1
	_, err = New(options)
	require.Error(t, err)
	_, err = NewClient(options)
	require.Error(t, err)
}

// TestAPasswordFileThatChangesRenewsConnections: those that were made with the
// old password are not used again, and a file that is gone is an error that is
// worth reading.
func TestAPasswordFileThatChangesRenewsConnections(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Config{Args: []string{"--requirepass", "one"}})
	file := filepath.Join(t.TempDir(), "pw")
	require.NoError(t, os.WriteFile(file, []byte("one"), 0o600))
	rt, err := New(decoded(t, "Sessions.A.Uri=tcp://"+server.Addr, "Sessions.A.PasswordFile="+file))
	require.NoError(t, err)
	t.Cleanup(func() { rt.Close(time.Second) })
	target := rt.targetAt(t, "A")
	require.Equal(t, []string{"PONG"}, texts(t, target, cmd("PING")))
	require.False(t, target.renewed("one"), "it is the same one")
	require.True(t, target.renewed("two"))
	require.False(t, target.renewed("two"))

	_, fresh := reached(t, server.Addr)
	require.False(t, fresh.renewed("one"), "there are no connections yet")
	require.False(t, fresh.renewed("two"))

	require.NoError(t, os.Remove(file))
	rt.pool.Renew(target.conf)
	_, err = target.batch.DoAll(soon(t), cmd("PING"))
	require.Equal(t, redisclient.ReasonConfig, redisclient.ReasonOf(err))
	require.ErrorContains(t, err, "auth")
	require.ErrorContains(t, err, "PasswordFile")
}

// TestAWordThatIsNoSessionIsHintedAt when it is no host either.
func TestAWordThatIsNoSessionIsHintedAt(t *testing.T) {
	t.Parallel()
	rt := runtimeWith(t, func(*conf.Options) {})
	target := rt.targetAt(t, "Nosuchsession")
	_, err := target.batch.DoAll(soon(t), cmd("PING"))
	if redisclient.ReasonOf(err) != redisclient.ReasonDNS {
		t.Skip("names are not refused here: ", err)
	}
	require.ErrorContains(t, err, "no session named Nosuchsession; no session is configured; restart the agent after a change (no host has this name)")
	target.noteAnswered() // so that it is a host
	rt.pool.Renew(target.conf)
	require.Eventually(t, func() bool { // when the pool tries again
		_, err = target.batch.DoAll(soon(t), cmd("PING"))
		return !errors.As(err, new(*fault))
	}, 10*time.Second, 50*time.Millisecond)
	require.Equal(t, redisclient.ReasonDNS, redisclient.ReasonOf(err), "a host that has answered is down")
	_, err = rt.targetAt(t, "tcp://nosuchhost.invalid").batch.DoAll(soon(t), cmd("PING"))
	require.Equal(t, redisclient.ReasonDNS, redisclient.ReasonOf(err))
	require.NotContains(t, err.Error(), "session")
}
