package targets

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/metrics"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
)

// hangingUpOn answers every command with its name, and closes the connection on
// those that on holds of, as a proxy does with what it does not know: replies to
// what came in the same moment are lost.
func hangingUpOn(t testing.TB, on func(cmd []string) bool) *redistest.Fake {
	return redistest.NewFake(t, redistest.Script{func(p *redistest.Peer) error {
		for {
			cmd, err := p.ReadCommand()
			if err != nil {
				return err
			}
			if on(cmd) {
				return io.EOF
			}
			text := strings.Join(cmd, " ")
			if err := redistest.Write(fmt.Sprintf("$%d\r\n%s\r\n", len(text), text))(p); err != nil {
				return err
			}
		}
	}})
}

// reached is the target of an address, and its runtime.
func reached(t testing.TB, addr string) (*Runtime, *target) {
	t.Helper()
	options, err := conf.Decode(nil, conf.Global{Timeout: 3})
	require.NoError(t, err)
	rt, err := New(options)
	require.NoError(t, err)
	t.Cleanup(func() { rt.Close(time.Second) })
	resolved, err := options.Resolve(conf.Ref{Conn: "tcp://" + addr})
	require.NoError(t, err)
	return rt, rt.target(resolved)
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// texts are the replies, those that are errors with their words.
func texts(t testing.TB, target *target, cmds ...redisclient.Command) (out []string) {
	t.Helper()
	values, err := target.batch.DoAll(soon(t), cmds...)
	require.NoError(t, err)
	for _, v := range values {
		out = append(out, string(v.Str))
	}
	return out
}

func TestACommandThatTheServerHangsUpOnFailsAlone(t *testing.T) {
	t.Parallel()
	bad := map[string]bool{"CLIENT LIST": true, "EVIL x": true}
	f := hangingUpOn(t, func(cmd []string) bool { return bad[strings.Join(cmd, " ")] })
	rt, target := reached(t, f.Addr)
	cmds := []redisclient.Command{cmd("INFO"), cmd("GET a"), cmd("CLIENT LIST"), cmd("GET b"), cmd("GET c"), cmd("EVIL x"), cmd("TIME")}
	want := []string{
		"INFO", "GET a", "HANGUP the server closes the connection on CLIENT LIST instead of answering",
		"GET b", "GET c", "HANGUP the server closes the connection on EVIL instead of answering", "TIME",
	}
	require.Equal(t, want, texts(t, target, cmds...))
	stats := rt.pool.Stats()
	require.Nil(t, stats.Targets[0].Failing, "the target is well")
	require.Zero(t, stats.Refusals)

	dials := f.Accepted()
	require.Equal(t, want, texts(t, target, cmds...))
	require.Equal(t, dials, f.Accepted(), "what is known is not sent again")
	require.Equal(t, want[5:6], texts(t, target, cmds[5]))
	require.Equal(t, "PING", strings.Join(f.Got()[len(f.Got())-1], " "), "a check of nothing else sees whether the server is there")

	// The memory ends.
	delete(bad, "EVIL x")
	target.mu.Lock()
	target.hangUps[commandText(cmds[5])] = time.Now().Add(-time.Second)
	target.mu.Unlock()
	require.Equal(t, []string{"EVIL x"}, texts(t, target, cmds[5]))
}

// TestACommandThatIsNeverAnsweredIsLeftAlone: a proxy ends the connection on TYPE
// and SSCAN, of which a check sends hundreds.
func TestACommandThatIsNeverAnsweredIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := hangingUpOn(t, func(cmd []string) bool {
		return cmd[0] == "TYPE" || cmd[0] == "SSCAN" || cmd[0] == "LLEN" && cmd[1] == "7"
	})
	rt, target := reached(t, f.Addr)
	var cmds []redisclient.Command
	for i := range 300 {
		n := strconv.Itoa(i)
		cmds = append(cmds, cmd("TYPE "+n), cmd("LLEN "+n), cmd("SSCAN "+n))
	}
	for range 2 {
		for i, text := range texts(t, target, cmds...) {
			if i%3 == 1 && i/3 != 7 {
				require.Equal(t, strings.Join(cmds[i], " "), text, "others are answered")
			} else {
				require.Contains(t, text, "HANGUP")
			}
		}
	}
	require.Nil(t, rt.pool.Stats().Targets[0].Failing)
	dials := f.Accepted()
	require.Less(t, dials, 40)
	require.Contains(t, texts(t, target, cmd("TYPE another"))[0], "HANGUP")
	require.Equal(t, []string{"LLEN another"}, texts(t, target, cmd("LLEN another")))
	require.Equal(t, dials, f.Accepted())
}

func TestAServerThatHangsUpOnEverythingIsFailing(t *testing.T) {
	t.Parallel()
	var hang atomic.Bool
	f := hangingUpOn(t, func([]string) bool { return hang.Load() })
	rt, target := reached(t, f.Addr)
	require.Equal(t, []string{"INFO"}, texts(t, target, cmd("INFO")))
	hang.Store(true)
	_, err := target.batch.DoAll(soon(t), cmd("INFO"), cmd("GET a"))
	require.Equal(t, redisclient.ReasonTCP, redisclient.ReasonOf(err))
	require.NotContains(t, err.Error(), "TLS", "it has answered before")
	require.Empty(t, target.hangUps, "no command is to blame")
	require.NotNil(t, rt.pool.Stats().Targets[0].Failing)

	// Only where nothing was ever answered TLS may be what is missing.
	_, fresh := reached(t, f.Addr)
	_, err = fresh.batch.DoAll(soon(t), cmd("INFO"))
	require.ErrorContains(t, err, "does it want TLS on this port?")
}

func TestAServerThatHangsUpOnItsFirstCommandIsNotFailing(t *testing.T) {
	t.Parallel()
	f := hangingUpOn(t, func(cmd []string) bool { return cmd[0] == "CLIENT" || cmd[0] == "INFO" })
	rt, target := reached(t, f.Addr)
	require.Equal(t, []string{"HANGUP the server closes the connection on INFO instead of answering"}, texts(t, target, cmd("INFO")))
	require.Nil(t, rt.pool.Stats().Targets[0].Failing)
	require.Equal(t, []string{"GET a"}, texts(t, target, cmd("GET a")))
}

func TestAServerThatGoesDownWithinAConversationIsNotACommandsFault(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Args: []string{"--enable-debug-command", "yes"}})
	_, target := reached(t, s.Addr)
	done := make(chan error, 1)
	go func() {
		_, err := target.batch.DoAll(soon(t), cmd("DEBUG SLEEP 5"), cmd("PING"))
		done <- err
	}()
	for target.batch.activeNow() == 0 {
		time.Sleep(time.Millisecond)
	}
	s.Kill(t)
	err := <-done
	require.Equal(t, redisclient.ReasonTCP, redisclient.ReasonOf(err))
	require.Empty(t, target.hangUps)
}

func (b *batcher) activeNow() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.active
}

// TestAReplyLongerThanTheServersBuffer: Redis ends the connection whose replies
// exceed client-output-buffer-limit, with all that it was asked.
func TestAReplyLongerThanTheServersBuffer(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	for range 300 {
		conn, err := net.Dial("tcp", s.Addr)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
	}
	s.Do(t, "CONFIG", "SET", "client-output-buffer-limit", "normal 60000 0 0")
	rt, _ := reached(t, s.Addr)
	doc := func(key string) map[string]any {
		t.Helper()
		metric, ok := metrics.Lookup(key)
		require.True(t, ok)
		w := jsondoc.New(0)
		require.NoError(t, rt.Collect(soon(t), metric, []string{"tcp://" + s.Addr}, w))
		var out map[string]any
		require.NoError(t, json.Unmarshal([]byte(w.Document()), &out))
		return out
	}
	clients := doc("redis.clients.get")
	require.Contains(t, fmt.Sprint(clients["error"], clients["unavailable"]), "CLIENT LIST instead of answering")
	require.EqualValues(t, 1, doc("redis.get")["up"])
	require.EqualValues(t, 1, doc("redis.status")["up"])
}

func TestWhatATargetRefusesIsBounded(t *testing.T) {
	t.Parallel()
	var h hangUps
	now := time.Now()
	for i := range 3 * maxRefusedCommands {
		h.noteLocked(commandText(redisclient.Command{"GET", fmt.Sprint(i)}), now.Add(time.Duration(i)))
	}
	require.Len(t, h, maxRefusedCommands)
	require.Contains(t, h, "GET\x00"+fmt.Sprint(3*maxRefusedCommands-1))
	require.NotContains(t, h, "GET\x000", "the oldest one is forgotten")
	h.noteLocked(commandText(redisclient.Command{"GET", strings.Repeat("k", maxRefusedBytes)}), now)
	require.Len(t, h, maxRefusedCommands, "a long one is not remembered")
}
