package targets

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// sentinelSaying is a sentinel, as far as a follower asks it, that gives an
// address.
func sentinelSaying(t testing.TB, addr string) *redistest.Fake {
	host, port, _ := strings.Cut(addr, ":")
	return redistest.NewFake(t, answering(fmt.Sprintf("*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(host), host, len(port), port)))
}

// answering gives one answer to every command but CLIENT SETNAME.
func answering(reply string) redistest.Script {
	return redistest.Script{func(p *redistest.Peer) error {
		for {
			cmd, err := p.ReadCommand()
			if err != nil {
				return err
			}
			text := reply
			if cmd[0] == "CLIENT" {
				text = "+OK\r\n"
			}
			if err := redistest.Write(text)(p); err != nil {
				return err
			}
		}
	}}
}

// followed is the target of the master that sentinels name.
func followed(t testing.TB, sentinels ...*redistest.Fake) (*Runtime, *target) {
	t.Helper()
	var addrs []string
	for _, s := range sentinels {
		addrs = append(addrs, s.Addr)
	}
	options, err := conf.Decode(nil, conf.Global{Timeout: 2})
	require.NoError(t, err)
	rt, err := New(options)
	require.NoError(t, err)
	t.Cleanup(func() { rt.Close(time.Second) })
	resolved, err := options.Resolve(conf.Ref{Conn: "sentinel://" + strings.Join(addrs, ",") + "/mymaster"})
	require.NoError(t, err)
	return rt, rt.target(resolved)
}

func getKey(t testing.TB, target *target) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 1900*time.Millisecond)
	defer cancel()
	values, err := target.view().DoAll(ctx, redisclient.Command{"GET", "k"})
	if err != nil {
		return "", err
	}
	require.Len(t, values, 1, "ROLE's reply is not the caller's")
	return string(values[0].Str), nil
}

func masterWith(t testing.TB, value string) *redistest.Server {
	t.Helper()
	s := redistest.Borrow(t)
	s.Do(t, "SET", "k", value)
	return s
}

func TestASentinelThatIsMuteOrGoneIsPassedOver(t *testing.T) {
	t.Parallel()
	master := masterWith(t, "v")
	released := make(chan struct{})
	t.Cleanup(func() { close(released) })
	mute := redistest.NewFake(t, redistest.Script{redistest.StallUntil(released)})
	gone := redistest.NewFake(t, redistest.Script{redistest.Close()})
	unknowing := redistest.NewFake(t, answering("*-1\r\n"))
	_, target := followed(t, gone, unknowing, mute, sentinelSaying(t, master.Addr))
	value, err := getKey(t, target)
	require.NoError(t, err)
	require.Equal(t, "v", value)
	require.Equal(t, 3, target.follow.first, "the one that knew is asked first next time")
}

func TestAStaleSentinelIsNotBelievedWhileAnotherKnowsBetter(t *testing.T) {
	t.Parallel()
	master := masterWith(t, "new")
	old := masterWith(t, "old")
	host, port, _ := strings.Cut(master.Addr, ":")
	old.Do(t, "REPLICAOF", host, port)
	_, target := followed(t, sentinelSaying(t, old.Addr), sentinelSaying(t, master.Addr))
	memory := target.view().Memory
	value, err := getKey(t, target)
	require.NoError(t, err)
	require.Equal(t, "new", value, "within the check that found out")
	require.Equal(t, master.Addr, target.follow.master.conf.Address())
	require.NotSame(t, memory, target.view().Memory, "what was learnt of another server is forgotten")
}

func TestEverySentinelIsNamedWhenNoneKnows(t *testing.T) {
	t.Parallel()
	unknowing := redistest.NewFake(t, answering("*-1\r\n"))
	garbled := redistest.NewFake(t, answering("*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"))
	hostile := sentinelSaying(t, "?:12345")
	_, target := followed(t, unknowing, garbled)
	_, err := getKey(t, target)
	require.Equal(t, redisclient.ReasonSentinel, redisclient.ReasonOf(err))
	require.ErrorContains(t, err, "master mymaster: sentinel "+unknowing.Addr+": no master is known by this name; sentinel "+
		garbled.Addr+": expected host and port, got 3 members")
	_, target = followed(t, hostile)
	_, err = getKey(t, target)
	require.ErrorContains(t, err, "the server named a node at")
}

func TestAServerInPlaceOfASentinelIsNamed(t *testing.T) {
	t.Parallel()
	server := masterWith(t, "v")
	options, err := conf.Decode(nil, conf.Global{Timeout: 2})
	require.NoError(t, err)
	rt, err := New(options)
	require.NoError(t, err)
	t.Cleanup(func() { rt.Close(time.Second) })
	_, err = getKey(t, rt.targetAt(t, "sentinel://"+server.Addr+"/mymaster"))
	require.ErrorContains(t, err, "this is a server, not a sentinel: those listen on port 26379")
}

func TestAUserThatMayNotAskForTheRoleIsServed(t *testing.T) {
	t.Parallel()
	master := masterWith(t, "v")
	master.Do(t, "ACL", "SETUSER", "default", "-role")
	_, target := followed(t, sentinelSaying(t, master.Addr))
	for range 3 {
		value, err := getKey(t, target)
		require.NoError(t, err)
		require.Equal(t, "v", value)
	}
	require.Equal(t, "count=1", master.InfoField(t, "errorstats", "errorstat_NOPERM"), "it is not asked for refusals again")
}

func TestAHangingMasterIsLeftByTheNextCheck(t *testing.T) {
	t.Parallel()
	old, next := masterWith(t, "old"), masterWith(t, "new")
	first := sentinelSaying(t, old.Addr)
	rt, target := followed(t, first)
	value, err := getKey(t, target)
	require.NoError(t, err)
	require.Equal(t, "old", value)

	// The sentinels have seen it and moved on: they are asked beside the check.
	moved := sentinelSaying(t, next.Addr)
	options := rt.options
	resolved, err := options.Resolve(conf.Ref{Conn: "sentinel://" + moved.Addr + "/mymaster"})
	require.NoError(t, err)
	target.follow.sentinels = options.Sentinels(resolved)
	old.Pause(t)
	began := time.Now()
	_, err = getKey(t, target)
	require.ErrorContains(t, err, "master mymaster at "+old.Addr)
	require.Less(t, time.Since(began), 10*time.Second)
	q := target.follow.inquire(began, old.Addr)
	<-q.done
	value, err = getKey(t, target)
	require.NoError(t, err)
	require.Equal(t, "new", value)
}

// TestTheFirstCheckAfterAFailoverIsAnsweredByTheNewMaster, though the old one is
// up and was not told yet, as one that was cut off from its sentinels.
func TestTheFirstCheckAfterAFailoverIsAnsweredByTheNewMaster(t *testing.T) {
	t.Parallel()
	old, next := masterWith(t, "old"), masterWith(t, "new")
	current := old.Addr
	var mu sync.Mutex
	sentinel := redistest.NewFake(t, redistest.Script{func(p *redistest.Peer) error {
		for {
			cmd, err := p.ReadCommand()
			if err != nil {
				return err
			}
			mu.Lock()
			host, port, _ := strings.Cut(current, ":")
			mu.Unlock()
			text := fmt.Sprintf("*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(host), host, len(port), port)
			if cmd[0] == "CLIENT" {
				text = "+OK\r\n"
			}
			if err := redistest.Write(text)(p); err != nil {
				return err
			}
		}
	}})
	_, target := followed(t, sentinel)
	value, err := getKey(t, target)
	require.NoError(t, err)
	require.Equal(t, "old", value)

	mu.Lock()
	current = next.Addr
	mu.Unlock()
	target.follow.mu.Lock()
	target.follow.last.began = time.Now().Add(-masterFresh) // the next poll, a while later
	target.follow.mu.Unlock()
	value, err = getKey(t, target)
	require.NoError(t, err)
	require.Equal(t, "new", value)

	// Sentinels that are gone take nothing from a master that answers.
	target.follow.sentinels = nil
	target.follow.mu.Lock()
	target.follow.last.began = time.Now().Add(-masterFresh)
	target.follow.mu.Unlock()
	value, err = getKey(t, target)
	require.NoError(t, err)
	require.Equal(t, "new", value)
}

// TestAMasterThatRefusesLikeAReplicaIsAnError, with its cause and never nothing.
func TestAMasterThatRefusesLikeAReplicaIsAnError(t *testing.T) {
	t.Parallel()
	odd := redistest.NewFake(t, redistest.Script{func(p *redistest.Peer) error {
		for {
			cmd, err := p.ReadCommand()
			if err != nil {
				return err
			}
			text := "-READONLY You can't write against a read only replica.\r\n"
			switch cmd[0] {
			case "CLIENT":
				text = "+OK\r\n"
			case "ROLE":
				text = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
			}
			if err := redistest.Write(text)(p); err != nil {
				return err
			}
		}
	}})
	for range 2 {
		_, target := followed(t, sentinelSaying(t, odd.Addr))
		values, err := target.view().DoAll(soon(t), redisclient.Command{"GET", "k"})
		require.Nil(t, values)
		require.Equal(t, redisclient.ReasonSentinel, redisclient.ReasonOf(err))
		require.ErrorContains(t, err, "master mymaster at "+odd.Addr+": read: it calls itself the master, and refuses as a replica does: READONLY")
	}
}

func TestManyChecksAtOnceAreOneInquiry(t *testing.T) {
	t.Parallel()
	master := masterWith(t, "v")
	sentinel := sentinelSaying(t, master.Addr)
	_, target := followed(t, sentinel)
	errs := make(chan error)
	for range 50 {
		go func() {
			_, err := getKey(t, target)
			errs <- err
		}()
	}
	for range 50 {
		require.NoError(t, <-errs)
	}
	asked := 0
	for _, cmd := range sentinel.Got() {
		if cmd[0] == "SENTINEL" {
			asked++
		}
	}
	require.Equal(t, 1, asked)
	require.Equal(t, 1, sentinel.Accepted())
}

func TestRolesThatAreNoMaster(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"*1\r\n$5\r\nslave\r\n": "replica", "*2\r\n$8\r\nsentinel\r\n*0\r\n": "sentinel"} {
		impostor := redistest.NewFake(t, redistest.Script{
			redistest.Expect(3), redistest.Write("+OK\r\n" + text + "$1\r\nv\r\n"), redistest.Expect(1),
		})
		_, target := followed(t, sentinelSaying(t, impostor.Addr))
		_, err := getKey(t, target)
		require.ErrorContains(t, err, "not a master but a "+want)
		var no *notMasterError
		require.True(t, errors.As(err, &no))
	}
}
