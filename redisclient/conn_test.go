package redisclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

var ping = Command{"PING"}

// within is a context for what must not take long, and generous enough for a
// busy machine.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func soon(t testing.TB) context.Context { return within(t, 20*time.Second) }

func dial(t testing.TB, cfg Config) *Conn {
	t.Helper()
	c, err := Dial(soon(t), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ask runs one command and returns its reply as a text.
func ask(t testing.TB, c *Conn, args ...string) string {
	t.Helper()
	values, err := c.DoAll(soon(t), Command(args))
	require.NoError(t, err)
	require.Len(t, values, 1)
	text, err := values[0].Text()
	require.NoError(t, err)
	return text
}

// failure is err as an *Error.
func failure(t testing.TB, err error) *Error {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	return e
}

// poisoned asserts that c is closed for good with that very error.
func poisoned(t testing.TB, c *Conn, err error) {
	t.Helper()
	var cut *Unfinished
	if errors.As(err, &cut) {
		err = cut.Err
	}
	require.Equal(t, err, c.Err())
	require.Equal(t, err, c.Alive())
	values, again := c.DoAll(soon(t), ping)
	require.Nil(t, values)
	require.Equal(t, err, again)
}

func TestAConnectionServesManyConversationsOverEveryTransport(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: "secret", UnixSocket: true, TLS: true})
	for _, tt := range []struct {
		name string
		cfg  Config
		addr string
	}{
		{"tcp", Config{Address: s.Addr}, s.Addr},
		{"tcp by name", Config{Network: "tcp", Address: strings.Replace(s.Addr, "127.0.0.1", "localhost", 1)}, s.Addr},
		{"unix", Config{Network: "unix", Address: s.Socket}, s.Socket},
		{"tls", Config{Address: s.TLSAddr, TLS: s.ClientTLS()}, s.TLSAddr},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Password = "secret"
			tt.cfg.Database = 3
			tt.cfg.ClientName = "prober"
			before := s.InfoField(t, "stats", "total_connections_received")
			c := dial(t, tt.cfg)
			require.NoError(t, c.Alive(), "before the first conversation")
			require.Equal(t, "prober", ask(t, c, "CLIENT", "GETNAME"))
			require.Contains(t, ask(t, c, "CLIENT", "LIST", "ID", ask(t, c, "CLIENT", "ID")), " db=3 ")
			for i := range 50 {
				require.NoError(t, c.Alive())
				values, err := c.DoAll(soon(t), Command{"ECHO", "x"}, Command{"INCR", "n"}, Command{"NOSUCH"}, Command{"GET", "none"})
				require.NoError(t, err)
				require.Equal(t, "x", string(values[0].Str))
				require.Positive(t, values[1].Int)
				require.ErrorContains(t, values[2].Err(), "unknown command", "round %d", i)
				require.True(t, values[3].IsNull())
			}
			require.NoError(t, c.Err())
			var was, is int
			_, err := fmt.Sscan(before+" "+s.InfoField(t, "stats", "total_connections_received"), &was, &is)
			require.NoError(t, err)
			require.Equal(t, was+1, is, "one connection for all of it")

			info := c.Info()
			require.Equal(t, tt.addr, info.Addr)
			require.Positive(t, info.Connect)
			require.Positive(t, info.Auth)
			require.WithinDuration(t, time.Now(), info.At, time.Minute)
			require.Equal(t, tt.cfg.TLS != nil, info.TLS > 0)
			require.Equal(t, tt.cfg.TLS != nil, time.Until(info.CertNotAfter) > 24*time.Hour)
		})
	}
}

func TestTheOpeningTravelsWithTheFirstCommandsAndOnlyOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		cfg  Config
		want [][]string
	}{
		{"nothing to say", Config{}, nil},
		{"password", Config{Password: "p"}, [][]string{{"AUTH", "p"}}},
		{"default user", Config{User: "default", Password: "p"}, [][]string{{"AUTH", "p"}}},
		{"default user without a password", Config{User: "default"}, nil},
		{"ACL user", Config{User: "u", Password: "p"}, [][]string{{"AUTH", "u", "p"}}},
		{"ACL user with nopass", Config{User: "u"}, [][]string{{"AUTH", "u", ""}}},
		{"all of it", Config{User: "u", Password: "p", Database: 7, ClientName: "n"},
			[][]string{{"AUTH", "u", "p"}, {"SELECT", "7"}, {"CLIENT", "SETNAME", "n"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := len(tt.want)
			// Nothing is answered before all of it has come.
			f := redistest.NewFake(t, redistest.Script{
				redistest.Expect(n + 2),
				redistest.Write(strings.Repeat("+OK\r\n", n) + ":1\r\n:2\r\n"),
				redistest.Answer(":3\r\n"),
			})
			tt.cfg.Address = f.Addr
			c := dial(t, tt.cfg)
			require.Empty(t, f.Got(), "dialing writes nothing")
			values, err := c.DoAll(soon(t), Command{"A"}, Command{"B"})
			require.NoError(t, err)
			require.EqualValues(t, 1, values[0].Int)
			require.EqualValues(t, 2, values[1].Int)
			require.Equal(t, "3", ask(t, c, "C"))
			require.Equal(t, append(tt.want, []string{"A"}, []string{"B"}, []string{"C"}), f.Got())
		})
	}
}

func TestAServerThatDoesNotLetUsInIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{
		Password: "secret",
		Users:    []string{"reader on >readerpass ~* +info +ping", "off off >offpass"},
	})
	open := redistest.Start(t, redistest.Config{Args: []string{"--rename-command", "AUTH", "HIDDEN"}})
	plain := redistest.Borrow(t)
	for _, tt := range []struct {
		name   string
		cfg    Config
		op     string
		reason Reason
		text   string
	}{
		{"no password", Config{Address: s.Addr}, "auth", ReasonAuth, "NOAUTH Authentication required."},
		{"no password but a database", Config{Address: s.Addr, Database: 1}, "select", ReasonAuth, "NOAUTH"},
		{"no password but a name", Config{Address: s.Addr, ClientName: "n"}, "auth", ReasonAuth, "NOAUTH"},
		{"wrong password", Config{Address: s.Addr, Password: "wrongone"}, "auth", ReasonAuth, "WRONGPASS"},
		{"wrong user", Config{Address: s.Addr, User: "nobody", Password: "wrongone"}, "auth", ReasonAuth, "WRONGPASS"},
		{"disabled user", Config{Address: s.Addr, User: "off", Password: "offpass"}, "auth", ReasonAuth, "WRONGPASS"},
		{"needless password", Config{Address: plain.Addr, Password: "wrongone"}, "auth", ReasonAuth, "without any password configured"},
		{"renamed AUTH", Config{Address: open.Addr, Password: "wrongone"}, "auth", ReasonAuth, "unknown command"},
		{"no such database", Config{Address: s.Addr, Password: "secret", Database: 99}, "select", ReasonDatabase, "out of range"},
		{"SELECT forbidden", Config{Address: s.Addr, User: "reader", Password: "readerpass", Database: 1}, "select", ReasonACL, "NOPERM"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, tt.cfg)
			values, err := c.DoAll(soon(t), ping, ping)
			require.Nil(t, values)
			e := failure(t, err)
			require.Equal(t, tt.op, e.Op)
			require.Equal(t, tt.reason, e.Reason)
			require.Equal(t, tt.reason, ReasonOf(err))
			require.ErrorContains(t, err, tt.op+": ")
			require.ErrorContains(t, err, tt.text)
			require.True(t, IsRefused(err))
			require.False(t, IsStale(err))
			for _, secret := range []string{"secret", "wrongone", "readerpass", "offpass"} {
				require.NotContains(t, err.Error(), secret)
			}
			poisoned(t, c, err)
		})
	}
}

// What answers NOAUTH to the very first command wants a password. A later NOAUTH is
// an answer like any other, where anything else is answered.
func TestOnlyTheFirstNOAUTHIsARefusal(t *testing.T) {
	t.Parallel()
	const no, yes = "-NOAUTH Authentication required.\r\n", "+PONG\r\n"
	f := redistest.NewFake(t, redistest.Script{redistest.Expect(2), redistest.Write(no + yes)})
	c := dial(t, Config{Address: f.Addr})
	_, err := c.DoAll(soon(t), ping, ping)
	require.Equal(t, "auth", failure(t, err).Op)
	require.True(t, IsRefused(err))
	poisoned(t, c, err)

	f = redistest.NewFake(t, redistest.Script{
		redistest.Expect(2), redistest.Write(yes + no), redistest.Expect(2), redistest.Write(no + yes),
	})
	c = dial(t, Config{Address: f.Addr})
	for i := range 2 {
		values, err := c.DoAll(soon(t), ping, ping)
		require.NoError(t, err)
		require.Equal(t, ReasonAuth, ReasonOf(values[1-i].Err()))
		require.Equal(t, "PONG", string(values[i].Str))
	}
}

func TestAnACLThatForbidsCLIENTDoesNotHinder(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Users: []string{"reader on >pw ~* +info +ping"}})
	c := dial(t, Config{Address: s.Addr, User: "reader", Password: "pw", ClientName: "n"})
	require.Equal(t, "PONG", ask(t, c, "PING"))
	values, err := c.DoAll(soon(t), Command{"CONFIG", "GET", "*"}, ping)
	require.NoError(t, err)
	require.Equal(t, ReasonACL, ReasonOf(values[0].Err()))
	require.NoError(t, values[1].Err())
}

func TestAPushBetweenRepliesIsSkipped(t *testing.T) {
	t.Parallel()
	f := redistest.NewFake(t, redistest.Script{
		redistest.Expect(2), redistest.Write(">2\r\n+invalidate\r\n*0\r\n:1\r\n>1\r\n+x\r\n:2\r\n"),
	})
	c := dial(t, Config{Address: f.Addr})
	values, err := c.DoAll(soon(t), ping, ping)
	require.NoError(t, err)
	require.EqualValues(t, 1, values[0].Int)
	require.EqualValues(t, 2, values[1].Int)
}

// impatient answers each command before it reads the next and stops reading
// while nobody takes its answers, as a proxy without buffers does.
func impatient(n int, answer string) redistest.Step {
	return func(p *redistest.Peer) error {
		for range n {
			if _, err := p.ReadCommand(); err != nil {
				return err
			}
			if _, err := io.WriteString(p, answer); err != nil {
				return err
			}
		}
		return nil
	}
}

// huge is a pipeline of more bytes, 16 MiB, than the socket buffers of both ends
// together hold for a peer that does not read. It has few
// commands, long ones: what takes the time here is the work for each.
func huge() []Command {
	cmds := make([]Command, 4000)
	text := strings.Repeat("x", 4<<10)
	for i := range cmds {
		cmds[i] = Command{"ECHO", text}
	}
	return cmds
}

func TestAHugePipelineCannotDeadlockWithTheServer(t *testing.T) {
	t.Parallel()
	cmds := huge()
	answer := "$8192\r\n" + strings.Repeat("y", 8192) + "\r\n"
	f := redistest.NewFake(t, redistest.Script{impatient(len(cmds), answer)})
	s := redistest.Borrow(t)
	for _, addr := range []string{f.Addr, s.Addr} {
		c := dial(t, Config{Address: addr})
		// Two that wait for each other would still do so at any deadline.
		values, err := c.DoAll(within(t, 3*time.Minute), cmds...)
		require.NoError(t, err)
		require.Len(t, values, len(cmds))
		require.NoError(t, c.Err())
		require.NoError(t, c.Alive())
	}
}

func TestAHugePipelineEndsWithAServerThatStopsReading(t *testing.T) {
	t.Parallel()
	cmds := huge()
	const ever = 3 * time.Minute
	for name, tt := range map[string]struct {
		script redistest.Script
		within time.Duration
		reason Reason
	}{
		"refused":  {redistest.Script{redistest.Expect(1), redistest.Write("-ERR max number of clients reached\r\n")}, ever, ReasonMaxClients},
		"reset":    {redistest.Script{redistest.Expect(10), redistest.Reset()}, ever, ReasonTCP},
		"no RESP":  {redistest.Script{redistest.Expect(10), redistest.Write("HTTP/1.1 400\r\n")}, ever, ReasonProtocol},
		"silence":  {redistest.Script{redistest.StallUntil(nil)}, time.Second, ReasonTimeout},
		"too much": {redistest.Script{redistest.Write(strings.Repeat("+OK\r\n", len(cmds)+1)), redistest.StallUntil(nil)}, time.Second, ReasonTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := redistest.NewFake(t, tt.script)
			c := dial(t, Config{Address: f.Addr})
			_, err := c.DoAll(within(t, tt.within), cmds...)
			require.Error(t, err)
			require.Equal(t, tt.reason, ReasonOf(err), err)
			poisoned(t, c, err)
		})
	}
}

func TestTwoConversationsAtOnceAreABug(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{})
	release := make(chan struct{})
	f := redistest.NewFake(t, redistest.Script{
		redistest.Expect(1), redistest.Signal(reached), redistest.StallUntil(release), redistest.Write("+PONG\r\n"),
	})
	c := dial(t, Config{Address: f.Addr})
	done := make(chan error, 1)
	go func() {
		_, err := c.DoAll(soon(t), ping)
		done <- err
	}()
	<-reached
	require.PanicsWithValue(t, "bug: two conversations at once on one connection", func() { _, _ = c.DoAll(soon(t), ping) })
	close(release)
	require.NoError(t, <-done, "the one that was first is not disturbed")
}

func TestCloseEndsAConversationAndMayBeCalledTwice(t *testing.T) {
	t.Parallel()
	ca := redistest.NewCA(t)
	for name, secured := range map[string]bool{"tcp": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reached := make(chan struct{})
			script := redistest.Script{redistest.Expect(1), redistest.Signal(reached), redistest.StallUntil(nil)}
			var cfg Config
			if secured {
				cfg = Config{Address: redistest.NewTLSFake(t, ca.ServerTLS(t), script).Addr, TLS: ca.ClientTLS()}
			} else {
				cfg = Config{Address: redistest.NewFake(t, script).Addr}
			}
			c := dial(t, cfg)
			done := make(chan error, 1)
			go func() {
				_, err := c.DoAll(soon(t), ping)
				done <- err
			}()
			<-reached
			require.NoError(t, c.Close())
			require.NoError(t, c.Close())
			err := <-done
			require.Equal(t, ReasonClosed, ReasonOf(err))
			require.False(t, IsRefused(err))
			require.False(t, IsStale(err))
			poisoned(t, c, c.Err())
			require.Equal(t, ReasonClosed, ReasonOf(c.Err()))
		})
	}
}

func TestWhatIsRefusedBeforeItIsWrittenLeavesTheConnectionUsable(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	c := dial(t, Config{Address: s.Addr})
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.DoAll(canceled, ping)
	require.Equal(t, ReasonClosed, ReasonOf(err))
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err = c.DoAll(late, ping)
	require.Equal(t, ReasonTimeout, ReasonOf(err))
	_, err = c.DoAll(soon(t), ping, Command{})
	require.ErrorIs(t, err, errEmpty)
	values, err := c.DoAll(soon(t))
	require.NoError(t, err)
	require.Empty(t, values)
	require.NoError(t, c.Err())
	require.Equal(t, "PONG", ask(t, c, "PING"))
}

func TestADeadlineThatIsOverDoesNotHarmTheNextConversation(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{TLS: true})
	for _, cfg := range []Config{{Address: s.Addr}, {Address: s.TLSAddr, TLS: s.ClientTLS()}} {
		c := dial(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := c.DoAll(ctx, ping)
		require.NoError(t, err)
		cancel() // after the conversation: no longer its business
		short := within(t, 500*time.Millisecond)
		_, err = c.DoAll(short, ping)
		require.NoError(t, err)
		<-short.Done()
		require.NoError(t, c.Alive())
		_, err = c.DoAll(context.Background(), ping)
		require.NoError(t, err)
	}
}

func TestAnIdleConnectionHoldsNoBuffer(t *testing.T) {
	s := redistest.Borrow(t)
	const n = 300
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // twice: sync.Pool keeps a generation
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	conns := make([]*Conn, n)
	for i := range conns {
		conns[i] = dial(t, Config{Address: s.Addr, ClientName: "idle"})
		_, err := conns[i].DoAll(soon(t), Command{"INFO"})
		require.NoError(t, err)
	}
	after := heap()
	require.Less(t, int64(after-before)/n, int64(4<<10), "bytes per connection")
	runtime.KeepAlive(conns)
}

func TestLookingWhetherAConnectionIsAliveAllocatesNothing(t *testing.T) {
	s := redistest.Start(t, redistest.Config{UnixSocket: true, TLS: true})
	for name, cfg := range map[string]Config{
		"tcp":  {Address: s.Addr},
		"unix": {Network: "unix", Address: s.Socket},
		"tls":  {Address: s.TLSAddr, TLS: s.ClientTLS()},
	} {
		c := dial(t, cfg)
		require.Equal(t, "PONG", ask(t, c, "PING"))
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = c.Alive() }), name)
		require.NoError(t, c.Alive())
	}
}

func TestAPingAllocatesLittle(t *testing.T) {
	if redistest.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	s := redistest.Borrow(t)
	c := dial(t, Config{Address: s.Addr})
	ctx := soon(t)
	cmds := []Command{ping}
	got := testing.AllocsPerRun(200, func() {
		if _, err := c.DoAll(ctx, cmds...); err != nil {
			t.Fatal(err)
		}
	})
	require.LessOrEqual(t, got, 4.0)
}

func BenchmarkDoAll(b *testing.B) {
	s := redistest.Start(b, redistest.Config{TLS: true})
	pipeline := make([]Command, 20)
	for i := range pipeline {
		pipeline[i] = Command{"ECHO", "x"}
	}
	plain, secured := Config{Address: s.Addr}, Config{Address: s.TLSAddr, TLS: s.ClientTLS()}
	for _, bench := range []struct {
		name string
		cfg  Config
		cmds []Command
	}{
		{"ping", plain, []Command{ping}},
		{"ping/tls", secured, []Command{ping}},
		{"info", plain, []Command{{"INFO"}}},
		{"pipeline=20", plain, pipeline},
	} {
		b.Run(bench.name, func(b *testing.B) {
			c := dial(b, bench.cfg)
			ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.DoAll(ctx, bench.cmds...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("alive", func(b *testing.B) {
		c := dial(b, plain)
		b.ReportAllocs()
		for b.Loop() {
			if err := c.Alive(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
