package targets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// stage is a follower in a bubble, so that time is fake: what its sentinels and
// masters say is the test's, by their addresses.
type stage struct {
	rt    *Runtime
	f     *follower
	say   map[string]func(ctx context.Context, cmds []redisclient.Command) ([]resp.Value, error)
	began time.Time

	mu sync.Mutex
	// asked are the addresses in the order in which they were asked, each with the
	// time since the beginning.
	asked []string
}

const (
	masterA = "10.0.1.1:6379"
	masterB = "10.0.1.2:6379"
)

func sentinelAddr(i int) string { return fmt.Sprintf("10.0.0.%d:26379", i) }

// newStage makes a follower of that many sentinels, for checks of a plugin with
// that timeout. Whoever the test gives no words is mute.
func newStage(t *testing.T, sentinels int, timeout time.Duration) *stage {
	t.Helper()
	s := &stage{began: time.Now(), say: make(map[string]func(context.Context, []redisclient.Command) ([]resp.Value, error))}
	s.rt = runtimeWith(t, func(o *conf.Options) { o.Timeout = timeout })
	var addrs []string
	for i := range sentinels {
		addrs = append(addrs, sentinelAddr(i))
	}
	entry := s.rt.targetAt(t, "sentinel://"+strings.Join(addrs, ",")+"/mymaster")
	s.f = entry.follow
	for _, sentinel := range s.f.sentinels {
		s.play(s.rt.target(sentinel))
	}
	for _, addr := range []string{masterA, masterB} {
		master, err := entry.at(addr)
		require.NoError(t, err)
		s.play(master)
	}
	return s
}

// play has the test answer for a target.
func (s *stage) play(tgt *target) {
	addr := tgt.conf.Address()
	tgt.batch.run = func(ctx context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
		s.mu.Lock()
		s.asked = append(s.asked, fmt.Sprintf("%s at %s", addr, time.Since(s.began)))
		say := s.say[addr]
		s.mu.Unlock()
		if say != nil {
			return say(ctx, cmds)
		}
		<-ctx.Done()
		return nil, &redisclient.Error{Op: "read", Reason: redisclient.ReasonTimeout, Err: ctx.Err()}
	}
}

// names has a sentinel name a master, after some time.
func (s *stage) names(sentinel int, master string, after time.Duration) {
	host, port, _ := net.SplitHostPort(master)
	s.says(sentinelAddr(sentinel), func(context.Context, []redisclient.Command) ([]resp.Value, error) {
		time.Sleep(after)
		return []resp.Value{{Kind: resp.Array, Elems: []resp.Value{bulk(host), bulk(port)}}}, nil
	})
}

// says has a target answer so from now on.
func (s *stage) says(addr string, say func(context.Context, []redisclient.Command) ([]resp.Value, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.say[addr] = say
}

// serves has a server answer as that role, and every command with a text.
func (s *stage) serves(addr, role, text string) {
	s.says(addr, func(_ context.Context, cmds []redisclient.Command) ([]resp.Value, error) {
		var out []resp.Value
		for _, cmd := range cmds {
			if cmd[0] == "ROLE" {
				out = append(out, resp.Value{Kind: resp.Array, Elems: []resp.Value{bulk(role)}})
			} else {
				out = append(out, bulk(text))
			}
		}
		return out, nil
	})
}

// fails has a server fail.
func (s *stage) fails(addr string, err error) {
	s.says(addr, func(context.Context, []redisclient.Command) ([]resp.Value, error) { return nil, err })
}

func bulk(text string) resp.Value { return resp.Value{Kind: resp.BulkString, Str: []byte(text)} }

// get is what a check of two seconds gets for one command.
func (s *stage) get(t *testing.T) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	values, err := s.f.DoAll(ctx, cmd("GET k"))
	if err != nil {
		require.Nil(t, values)
		return "", err
	}
	require.Len(t, values, 1)
	return string(values[0].Str), nil
}

func (s *stage) wantAsked(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	require.Equal(t, want, s.asked)
	s.asked = nil
}

func refusedDial() error {
	return &redisclient.Error{Op: "dial", Reason: redisclient.ReasonTCP, Err: errors.New("connection refused")}
}
