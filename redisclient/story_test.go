package redisclient

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/redisclient/resp"
)

// The stories of a pool, in the form that one connection can show.

// A caller gives up after its question was written; the answer comes all the
// same. The next caller must not get it.
func TestStory01_AnAnswerToACancelledQuestionReachesNobody(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{})
	release := make(chan struct{})
	f := redistest.NewFake(t,
		redistest.Script{
			redistest.Expect(1), redistest.Signal(reached), redistest.StallUntil(release),
			redistest.Write("$3\r\nold\r\n"),
		},
		redistest.Script{redistest.Answer("$3\r\nnew\r\n")})
	first := dial(t, Config{Address: f.Addr})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-reached
		cancel()
	}()
	_, err := first.DoAll(ctx, Command{"GET", "old"})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, ReasonClosed, ReasonOf(err))
	require.False(t, IsStale(err))
	require.False(t, IsRefused(err), "it was not the server's fault")
	close(release)
	poisoned(t, first, err)
	require.Equal(t, "new", ask(t, dial(t, Config{Address: f.Addr}), "GET", "new"))
}

// The same with a real server that is frozen and thaws.
func TestStory01_AnAnswerToACancelledQuestionReachesNobodyOnARealServer(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "MSET", "a", "old", "b", "new")
	c := dial(t, Config{Address: s.Addr})
	require.Equal(t, "old", ask(t, c, "GET", "a"))
	s.Pause(t)
	_, err := c.DoAll(within(t, 50*time.Millisecond), Command{"GET", "a"})
	require.Equal(t, ReasonTimeout, ReasonOf(err))
	s.Resume(t)
	poisoned(t, c, err)
	require.Equal(t, "new", ask(t, dial(t, Config{Address: s.Addr}), "GET", "b"))
}

// The answer comes 10 ms after the deadline.
func TestStory02_AnAnswerAfterTheDeadlineReachesNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		late := func(p *redistest.Peer) error {
			time.Sleep(310 * time.Millisecond)
			return redistest.Write("$3\r\nold\r\n")(p)
		}
		_, pipe := redistest.NewPipe(t, redistest.Script{redistest.Answer("+OK\r\n"), redistest.Expect(1), late})
		c := newConn(pipe, Config{})
		defer c.Close()
		require.Equal(t, "OK", ask(t, c, "PING"))
		start := time.Now()
		_, err := c.DoAll(within(t, 300*time.Millisecond), Command{"GET", "old"})
		require.Equal(t, 300*time.Millisecond, time.Since(start))
		require.Equal(t, ReasonTimeout, ReasonOf(err))
		require.False(t, IsStale(err))
		require.False(t, IsRefused(err), "a server that answered before is only slow")
		time.Sleep(time.Second)
		poisoned(t, c, err)
	})
}

// Through TLS a look at the socket could not tell a late answer from the
// noise of TLS itself: the connection must be closed when the deadline passes.
func TestStory02_AnAnswerAfterTheDeadlineReachesNobodyThroughTLS(t *testing.T) {
	t.Parallel()
	ca := redistest.NewCA(t)
	release := make(chan struct{})
	f := redistest.NewTLSFake(t, ca.ServerTLS(t),
		redistest.Script{
			redistest.Answer("+OK\r\n"), redistest.Expect(1), redistest.StallUntil(release),
			redistest.Write("$3\r\nold\r\n"),
		},
		redistest.Script{redistest.Answer("$3\r\nnew\r\n")})
	cfg := Config{Address: f.Addr, TLS: ca.ClientTLS()}
	c := dial(t, cfg)
	require.Equal(t, "OK", ask(t, c, "PING"))
	_, err := c.DoAll(within(t, 50*time.Millisecond), Command{"GET", "old"})
	require.Equal(t, ReasonTimeout, ReasonOf(err))
	close(release)
	poisoned(t, c, err)
	require.Equal(t, "new", ask(t, dial(t, cfg), "GET", "new"))
}

// The password changes while connections live, then while they are killed.
func TestStory10_RotatedCredentialsShowAsAClearErrorAndRecover(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: "oldsecret"})
	was := Config{Address: s.Addr, Password: "oldsecret"}
	c := dial(t, was)
	require.Equal(t, "PONG", ask(t, c, "PING"))
	s.Do(t, "CONFIG", "SET", "requirepass", "newsecret")
	require.Equal(t, "PONG", ask(t, c, "PING"), "the server keeps whom it let in")
	s.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	_, err := c.DoAll(soon(t), ping)
	require.True(t, IsStale(err), err)

	fresh := dial(t, was)
	_, err = fresh.DoAll(soon(t), ping)
	require.Equal(t, ReasonAuth, ReasonOf(err))
	require.True(t, IsRefused(err))
	require.EqualError(t, err, "auth: WRONGPASS invalid username-password pair or user is disabled. Correct User and Password (or PasswordFile, PasswordCommand) of the session.")
	poisoned(t, fresh, err)

	is := was
	is.Password = "newsecret"
	require.Equal(t, "PONG", ask(t, dial(t, is), "PING"))
}

// The server has no place left; it says so and hangs up, mostly before it has
// read what we wrote.
func TestStory11_AFullServerIsNamedAsSuchAndRecovers(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"before the first command": {},
		"before AUTH":              {Password: "secret", Database: 1, ClientName: "n"},
		"before CLIENT SETNAME":    {ClientName: "n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// One place is the test's own, one is for us.
			s := redistest.Start(t, redistest.Config{Password: cfg.Password, Args: []string{"--maxclients", "2"}})
			cfg.Address = s.Addr
			held := dial(t, cfg)
			require.Equal(t, "PONG", ask(t, held, "PING"))
			for range 20 {
				c := dial(t, cfg)
				_, err := c.DoAll(soon(t), ping, ping)
				require.Equal(t, ReasonMaxClients, ReasonOf(err), err)
				require.EqualError(t, err, "read: ERR max number of clients reached: look for clients that do not close their connections, or raise maxclients on the server")
				require.True(t, IsRefused(err))
				require.False(t, IsStale(err))
				poisoned(t, c, err)
			}
			require.Equal(t, "PONG", ask(t, held, "PING"), "who is in stays in")
			require.NoError(t, held.Close())
			require.Eventually(t, func() bool {
				c := dial(t, cfg)
				_, err := c.DoAll(soon(t), ping)
				return err == nil
			}, 20*time.Second, 5*time.Millisecond)
		})
	}
}

// What a server must not answer closes the connection, at a bounded cost.
func TestStory14_AHostileOrOddReplyClosesTheConnection(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		reply  string
		reason Reason
	}{
		"an HTTP server":              {"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", ReasonProtocol},
		"an SSH server":               {"SSH-2.0-OpenSSH_9.2p1\r\n", ReasonProtocol},
		"random bytes":                {"\x8f\x00\xff\x13random\r\n", ReasonProtocol},
		"a truncated bulk":            {"$100\r\nabc", ReasonProtocol},
		"a bulk of 2 GiB":             {"$2147483648\r\nabc", ReasonProtocol},
		"an array of 2^31":            {"*2147483648\r\n:1\r\n", ReasonProtocol},
		"a length beyond 64 bits":     {"$99999999999999999999\r\n", ReasonProtocol},
		"a bottomless nest":           {strings.Repeat("*1\r\n", 100), ReasonProtocol},
		"an unknown type":             {"?what\r\n", ReasonProtocol},
		"an endless line":             {"+" + strings.Repeat("x", 1<<20), ReasonProtocol},
		"a text longer than declared": {"$2\r\nabc\r\n", ReasonProtocol},
		"a flood of pushes":           {strings.Repeat(">0\r\n", 100_000), ReasonProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := redistest.NewFake(t, redistest.Script{redistest.Expect(1), redistest.Write(tt.reply), redistest.Close()})
			cfg := Config{Address: f.Addr}
			cfg.Limits.MaxReply = 1 << 20
			c := dial(t, cfg)
			_, err := c.DoAll(soon(t), ping)
			require.Equal(t, tt.reason, ReasonOf(err), err)
			require.True(t, IsRefused(err), err)
			require.NotContains(t, err.Error(), "want TLS", "it would not have answered")
			require.Less(t, len(err.Error()), 200)
			poisoned(t, c, err)
		})
	}
	t.Run("an error within an array does not", func(t *testing.T) {
		t.Parallel()
		f := redistest.NewFake(t, redistest.Script{
			redistest.Answer("*2\r\n-ERR no\r\n:1\r\n"), redistest.Answer(">1\r\n+x\r\n+PONG\r\n"),
		})
		c := dial(t, Config{Address: f.Addr})
		values, err := c.DoAll(soon(t), Command{"EXEC"})
		require.NoError(t, err)
		require.ErrorContains(t, values[0].Elems[0].Err(), "ERR no")
		require.Equal(t, "PONG", ask(t, c, "PING"))
	})
}

// The caller cancels while the last byte arrives: the answer is whole, and the
// deadline in the past must not hit the next caller.
func TestACancelThatComesTooLateDoesNotReachTheNextConversation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		after := func(d time.Duration, text string) redistest.Step {
			return func(p *redistest.Peer) error {
				time.Sleep(d)
				return redistest.Write(text)(p)
			}
		}
		_, pipe := redistest.NewPipe(t, redistest.Script{
			redistest.Expect(1), after(1500*time.Millisecond, "+ONE\r\n"),
			redistest.Expect(1), after(5*time.Second, "+TWO\r\n"),
		})
		c := newConn(lazy{pipe}, Config{})
		defer c.Close()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		values, err := c.DoAll(ctx, ping)
		require.NoError(t, err)
		require.Equal(t, "ONE", string(values[0].Str))
		require.Equal(t, 2*time.Second, time.Since(start), "the interrupt has ended")
		require.Equal(t, "TWO", ask(t, c, "PING"))
	})
}

// lazy takes a second to interrupt.
type lazy struct{ net.Conn }

func (l lazy) SetDeadline(d time.Time) error {
	if d.Equal(past) {
		time.Sleep(time.Second)
	}
	return l.Conn.SetDeadline(d)
}

func TestADrippingServerDoesNotOutliveTheDeadline(t *testing.T) {
	t.Parallel()
	for name, opening := range map[string]redistest.Script{
		"a fresh connection":  {},
		"a reused connection": {redistest.Answer("+OK\r\n")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				script := append(opening, redistest.Expect(1), redistest.Drip("$9\r\n123456789\r\n", time.Second))
				_, pipe := redistest.NewPipe(t, script)
				c := newConn(pipe, Config{})
				defer c.Close()
				if len(opening) > 0 {
					require.Equal(t, "OK", ask(t, c, "PING"))
				}
				start := time.Now()
				_, err := c.DoAll(within(t, 7500*time.Millisecond), ping)
				require.Equal(t, 7500*time.Millisecond, time.Since(start))
				require.Equal(t, ReasonTimeout, ReasonOf(err))
				require.Equal(t, len(opening) == 0, IsRefused(err))
				poisoned(t, c, err)
			})
		})
	}
}

func TestASilentServerEndsTheWaitInEveryPhase(t *testing.T) {
	t.Parallel()
	long := Command{"ECHO", strings.Repeat("x", inlineWrite)}
	for _, tt := range []struct {
		name   string
		script redistest.Script
		cmd    Command
		op     string
	}{
		{"while we write", redistest.Script{redistest.StallUntil(nil)}, ping, "write"},
		{"while we write a long pipeline", redistest.Script{redistest.StallUntil(nil)}, long, "read"},
		{"while we read", redistest.Script{redistest.Expect(1), redistest.StallUntil(nil)}, ping, "read"},
	} {
		for _, how := range []string{"deadline", "cancel"} {
			t.Run(tt.name+", "+how, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					_, pipe := redistest.NewPipe(t, tt.script)
					c := newConn(pipe, Config{})
					defer c.Close()
					ctx, cancel := context.WithCancel(t.Context())
					want := ReasonClosed
					if how == "deadline" {
						ctx, want = within(t, time.Minute), ReasonTimeout
					} else {
						time.AfterFunc(time.Minute, cancel)
					}
					defer cancel()
					start := time.Now()
					_, err := c.DoAll(ctx, tt.cmd)
					require.Equal(t, time.Minute, time.Since(start))
					e := failure(t, err)
					require.Equal(t, tt.op, e.Op)
					require.Equal(t, want, e.Reason)
					require.Equal(t, how == "deadline", e.Refused)
					if e.Refused {
						require.EqualError(t, err, tt.op+": no answer to the first command in time (timeout)")
					}
					poisoned(t, c, err)
				})
			})
		}
	}
}

// What a server says before it hangs up is worth more than that it hung up.
func TestTheWordsOfAServerThatHangsUpAreNotLost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		cfg        Config
		want       Reason
	}{
		{"no place", "-ERR max number of clients reached\r\n", Config{}, ReasonMaxClients},
		{"no place, before AUTH", "-ERR max number of clients reached\r\n", Config{Password: "p", ClientName: "n"}, ReasonMaxClients},
		{"protected mode", "-DENIED Redis is running in protected mode\r\n", Config{}, ReasonProtected},
		{"protected mode, before AUTH", "-DENIED Redis is running in protected mode\r\n", Config{Password: "p"}, ReasonProtected},
		{"a proxy's own words", "-ERR too many connections for this plan\r\n", Config{ClientName: "n"}, ReasonCommand},
		{"still loading", "-LOADING Redis is loading the dataset in memory\r\n", Config{}, ReasonLoading},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// Closing with our commands unread makes the kernel send a reset.
			f := redistest.NewFake(t, redistest.Script{redistest.Write(tt.text), redistest.Close()})
			for range 20 {
				tt.cfg.Address = f.Addr
				c := dial(t, tt.cfg)
				_, err := c.DoAll(soon(t), ping, ping)
				require.Equal(t, tt.want, ReasonOf(err), err)
				require.ErrorContains(t, err, strings.TrimSpace(tt.text[1:20]))
				require.True(t, IsRefused(err))
				poisoned(t, c, err)
			}
		})
	}
	t.Run("a write that fails does not hide them", func(t *testing.T) {
		t.Parallel()
		client, server := net.Pipe()
		go func() {
			_, _ = server.Write([]byte("-ERR max number of clients reached\r\n"))
			_ = server.Close()
		}()
		c := newConn(deaf{client}, Config{})
		_, err := c.DoAll(soon(t), ping)
		require.Equal(t, ReasonMaxClients, ReasonOf(err), err)
	})
	t.Run("a forbidden name is not why it hung up", func(t *testing.T) {
		t.Parallel()
		f := redistest.NewFake(t, redistest.Script{redistest.Expect(2), redistest.Write("-NOPERM no\r\n"), redistest.Close()})
		_, err := dial(t, Config{Address: f.Addr, ClientName: "n"}).DoAll(soon(t), ping)
		require.Equal(t, ReasonTCP, ReasonOf(err), err)
	})
	t.Run("an answer that is slow is not a refusal", func(t *testing.T) {
		t.Parallel()
		f := redistest.NewFake(t, redistest.Script{redistest.Expect(2), redistest.Write("-ERR no SETNAME here\r\n"), redistest.StallUntil(nil)})
		_, err := dial(t, Config{Address: f.Addr, ClientName: "n"}).DoAll(within(t, 50*time.Millisecond), ping)
		require.Equal(t, ReasonTimeout, ReasonOf(err), err)
		require.False(t, IsRefused(err))
	})
}

// With TLS 1.3 the alert and the reset after it race with our first write.
func TestATLSAlertSaysMoreThanTheWriteThatFailed(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	t.Cleanup(func() { _ = server.Close() })
	c := newConn(alerted{deaf{client}}, Config{})
	c.noCertificate = true
	_, err := c.DoAll(soon(t), ping)
	require.Equal(t, ReasonTLS, ReasonOf(err), err)
	require.True(t, IsRefused(err))
	require.EqualError(t, err, "read: the server ends the TLS handshake (certificate required): it may want a client certificate, and none is set (TLSCertFile, TLSKeyFile)")
}

// alerted reads as a TLS connection does after the server's alert.
type alerted struct{ deaf }

func (alerted) Read([]byte) (int, error) {
	return 0, &net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}
}

// deaf takes no byte.
type deaf struct{ net.Conn }

func (deaf) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// Servers that send back what they were sent must not put the password into an
// error, a log line or a value map.
func TestNoErrorTellsThePassword(t *testing.T) {
	t.Parallel()
	const secret = "pa55w0rd"
	for name, reply := range map[string]string{
		"as an unknown command":    "-ERR unknown command 'AUTH', with args beginning with: '" + secret + "' \r\n",
		"cut in the middle":        "-ERR unknown command 'AUTH', with args beginning with: '" + secret[:6] + "\r\n",
		"in words of its own":      "-ERR what do you mean by AUTH " + secret + "?\r\n",
		"behind a long text":       "-ERR " + strings.Repeat("x", 247) + secret + "\r\n",
		"as a number":              ":" + secret + "\r\n",
		"as a length":              "$" + secret + "\r\n",
		"as a double":              "," + secret + "\r\n",
		"as a boolean":             "#" + secret + "\r\n",
		"as a refused database":    "+OK\r\n-ERR " + secret + "\r\n",
		"as a full server":         "-ERR max number of clients reached " + secret + "\r\n",
		"as a verbatim string":     "=8\r\n" + secret + "\r\n",
		"as a line without an end": "+" + secret + "\n",
		"as it is":                 secret,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := redistest.NewFake(t, redistest.Script{redistest.Expect(3), redistest.Write(reply), redistest.Close()})
			c := dial(t, Config{Address: f.Addr, Password: secret, Database: 1})
			_, err := c.DoAll(soon(t), ping)
			require.Error(t, err)
			require.True(t, IsRefused(err))
			require.NotContains(t, err.Error(), secret[:5])
		})
	}
}

// A reply that is too large costs itself: those around it arrive, the connection
// is used again, and the error is one of the command and not of the server.
func TestAReplyThatIsTooLargeIsReadPast(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "RPUSH", "jobs", "small", strings.Repeat("x", 9000), "last")
	c := dial(t, Config{Address: s.Addr, Limits: resp.Limits{MaxBulk: 8000}})
	for range 2 { // as the very first reply, and later
		values, err := c.DoAll(soon(t), Command{"LINDEX", "jobs", "1"}, Command{"LRANGE", "jobs", "0", "-1"}, Command{"LINDEX", "jobs", "2"})
		require.NoError(t, err)
		for _, v := range values[:2] {
			require.ErrorIs(t, v.Err(), resp.ErrTooLarge)
			require.ErrorContains(t, v.Err(), "bulk string of 9000 bytes, the limit is 8000")
			require.False(t, ConcernsServer(v.Err()))
		}
		require.Equal(t, "last", string(values[2].Str))
		require.NoError(t, c.Err())
	}
}

// Many replies that are each within the limits are bounded together, and each
// conversation has the whole allowance.
func TestTheRepliesOfAPipelineAreBoundedTogether(t *testing.T) {
	t.Parallel()
	s := redistest.Borrow(t)
	s.Do(t, "SET", "job", strings.Repeat("x", 4000))
	c := dial(t, Config{Address: s.Addr, Limits: resp.Limits{MaxTogether: 10_000}})
	for range 2 {
		values, err := c.DoAll(soon(t), Command{"GET", "job"}, Command{"GET", "job"}, Command{"GET", "job"}, Command{"GET", "none"})
		require.NoError(t, err)
		require.NoError(t, values[1].Err())
		require.ErrorIs(t, values[2].Err(), resp.ErrTooLarge)
		require.True(t, values[3].IsNull())
	}
}
