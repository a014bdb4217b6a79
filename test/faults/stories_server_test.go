//go:build e2e && linux

package faults

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/test/driver"
	"redisjobs/test/stall"
)

func TestStory07_DeadIdleConnection(t *testing.T) {
	t.Parallel()
	for name, event := range map[string]func(t *testing.T, s *redistest.Server, between *proxy){
		"the server's idle timeout": func(t *testing.T, s *redistest.Server, _ *proxy) {
			s.Do(t, "CONFIG", "SET", "timeout", "1")
			await(t, patience, "the end of the idle connections", func() bool {
				return !strings.Contains(s.Do(t, "CLIENT", "LIST"), "zabbix_redisjobs")
			})
			s.Do(t, "CONFIG", "SET", "timeout", "0")
		},
		"CLIENT KILL": func(t *testing.T, s *redistest.Server, _ *proxy) {
			require.Equal(t, "2", s.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
		},
		"a restart": func(t *testing.T, s *redistest.Server, _ *proxy) {
			s.Restart(t)
			fill(t, s)
		},
		"a crash and a restart": func(t *testing.T, s *redistest.Server, _ *proxy) {
			s.Kill(t)
			s.Restart(t)
			fill(t, s)
		},
		"a reset":                         func(_ *testing.T, _ *redistest.Server, between *proxy) { between.cut() },
		"a firewall that forgot the flow": func(_ *testing.T, _ *redistest.Server, between *proxy) { between.forget() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redis(t, redistest.Config{})
			between := newProxy(t, s.Addr)
			p := start(t, "Sessions.A.Uri=tcp://"+between.addr)
			want(t, p, "A", s, key(0))
			between.hold()
			two := []*driver.Check{ask(p, 3, "A", key(1)), ask(p, 3, "A", key(2))}
			await(t, patience, "two connections", func() bool { return between.held() == 2 })
			between.release()
			for _, c := range two {
				_, err := c.Answer()
				require.NoError(t, err)
			}
			before := p.Pool(t).Target(t, "A (")
			require.Equal(t, 2, before.Idle)

			event(t, s, between)
			want(t, p, "A", s, key(3))
			row := p.Pool(t).Target(t, "A (")
			require.Equal(t, before.Counters.Dials+1, row.Counters.Dials, "one new connection")
			require.Equal(t, 2, row.Counters.Closed.Stale, "the other old one is not tried in vain")
			require.Equal(t, 1, row.Open)
			require.Equal(t, 1, row.Up)
			require.Zero(t, closeWait(t, p.PID()))
			want(t, p, "A", s, key(4))
		})
	}
}

func TestStory08_BlackHole(t *testing.T) {
	t.Parallel()
	s := redis(t, redistest.Config{})
	between := newProxy(t, s.Addr)
	p := start(t, "Sessions.A.Uri=tcp://"+between.addr)
	want(t, p, "A", s, key(0))
	before := p.Resources(t)
	between.lose()
	for _, timeout := range []int{1, 2} {
		c := ask(p, timeout, "A", key(1))
		require.Contains(t, refused(t, c), "timeout")
		require.Less(t, c.TookAwake(), time.Duration(timeout+1)*time.Second)
	}
	pool := awaitCalm(t, p, before)
	row := pool.Target(t, "A (")
	require.Equal(t, 0, row.Open, "what was lost is not kept")
	require.Equal(t, "timeout", row.Failing.Reason)

	// From now on nobody waits long for it, but for the one that tries.
	waited := 0
	for i := range 30 {
		c := ask(p, 3, "A", key(i))
		require.Regexp(t, "timeout|no answer", refused(t, c))
		if c.TookAwake() > time.Second {
			waited++
		}
	}
	require.LessOrEqual(t, waited, 3)

	between.restore()
	began := time.Now()
	awaitValue(t, p, "A", s, key(5))
	require.Less(t, stall.Awake(began, time.Now()), 15*time.Second)
	require.Equal(t, 1, awaitCalm(t, p, before).Target(t, "A (").Up)
}

// A host that is gone answers no connect. While one check tries it again the others wait for a moment only.
func TestStory08_BlackHoleOfConnects(t *testing.T) {
	t.Parallel()
	s := redis(t, redistest.Config{})
	hole, open := blackHole(t)
	p := start(t, "Sessions.A.Uri=tcp://"+hole)
	before := p.Resources(t)
	first := ask(p, 3, "A", key(0))
	require.Contains(t, refused(t, first), "timeout")
	began := time.Now()
	pace := time.NewTicker(50 * time.Millisecond)
	var checks []*driver.Check
	for i := range 100 {
		checks = append(checks, ask(p, 3, "A", key(i)))
		<-pace.C
	}
	pace.Stop()
	for _, c := range checks {
		require.Contains(t, refused(t, c), "timeout")
		require.Less(t, c.TookAwake(), 1500*time.Millisecond)
	}
	row := p.Pool(t).Target(t, "A (")
	require.LessOrEqual(t, row.Counters.Dials, 4+int(time.Since(began)/(2*time.Second)))
	between := open(s.Addr)
	awaitValue(t, p, "A", s, key(1))
	wantAll(t, p, "A", s, 20)
	require.LessOrEqual(t, between.count(), 3)
	awaitCalm(t, p, before)
}

func TestStory09_RoleChangeBehindOneName(t *testing.T) {
	t.Parallel()
	old, fresh := redis(t, redistest.Config{}), redis(t, redistest.Config{})
	between := newProxy(t, old.Addr)
	const maxAge = 60 * time.Second // the least that the option takes
	p := start(t, "MaxLifetime=60", "Sessions.A.Uri=tcp://"+between.addr)
	oldID, freshID := runID(t, old), runID(t, fresh)
	wantAll(t, p, "A", old, 2)
	began := time.Now()
	between.move(fresh.Addr)

	// Each value is one server's, and says which, until all are the new one's.
	await(t, maxAge+5*time.Second, "the new server", func() bool {
		got, err := p.Get("redis.server.info", "A", "", "server")
		require.NoError(t, err)
		isOld, isFresh := strings.Contains(got, oldID), strings.Contains(got, freshID)
		require.NotEqual(t, isOld, isFresh)
		got, err = get(p, "A", key(1))
		require.NoError(t, err)
		require.Contains(t, []string{value(old, key(1)), value(fresh, key(1))}, got)
		return isFresh
	})
	require.GreaterOrEqual(t, time.Since(began), maxAge*8/10, "a healthy connection is not given up early")
	await(t, time.Until(began.Add(maxAge+5*time.Second)), "the end of the old connections", func() bool {
		return !strings.Contains(old.Do(t, "CLIENT", "LIST"), "zabbix_redisjobs")
	})
	for i := range 20 {
		want(t, p, "A", fresh, key(i))
	}
	row := p.Pool(t).Target(t, "A (")
	require.Positive(t, row.Counters.Closed.Lifetime)
	require.Zero(t, row.Counters.Closed.Broken)
}

// A move that ends the old flows shows at once.
func TestStory09_RoleChangeThatCutsTheOldFlows(t *testing.T) {
	t.Parallel()
	old, fresh := redis(t, redistest.Config{}), redis(t, redistest.Config{})
	between := newProxy(t, old.Addr)
	p := start(t, "Sessions.A.Uri=tcp://"+between.addr)
	want(t, p, "A", old, key(0))
	between.move(fresh.Addr)
	between.cut()
	for i := range 10 {
		want(t, p, "A", fresh, key(i))
	}
}

func runID(t testing.TB, s *redistest.Server) string {
	t.Helper()
	return s.InfoField(t, "server", "run_id")
}

func TestStory10_CredentialsRotate(t *testing.T) {
	t.Parallel()
	for name, killed := range map[string]bool{"clients are killed": true, "clients stay": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const first, second = "first-password", "second-password"
			s := redis(t, redistest.Config{Password: first})
			file := filepath.Join(t.TempDir(), "password")
			write := func(password string) {
				require.NoError(t, os.WriteFile(file, []byte(password+"\n"), 0o600))
			}
			write(first)
			p := start(t, "MaxConnections=2", "Sessions.A.Uri=tcp://"+s.Addr, "Sessions.A.PasswordFile="+file)
			wantAll(t, p, "A", s, 8)
			before := p.Resources(t)

			s.Do(t, "CONFIG", "SET", "requirepass", second)
			s.Password = second
			if killed {
				dials := p.Pool(t).Target(t, "A (").Counters.Dials
				s.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
				began := time.Now()
				pace := time.NewTicker(25 * time.Millisecond)
				for i := range 100 {
					text := refused(t, ask(p, 3, "A", key(i)))
					require.Contains(t, text, "auth: WRONGPASS")
					require.NotContains(t, text, first)
					<-pace.C
				}
				pace.Stop()
				row := p.Pool(t).Target(t, "A (")
				require.Equal(t, "auth", row.Failing.Reason)
				require.LessOrEqual(t, row.Counters.Dials-dials, 2+int(time.Since(began)/(900*time.Millisecond)), "no storm")
				write(second)
				for _, text := range awaitValue(t, p, "A", s, key(1)) {
					require.Contains(t, text, "WRONGPASS")
				}
			} else {
				wantAll(t, p, "A", s, 8)
				write(second)
				wantAll(t, p, "A", s, 8)
				// The first new connection has the new password, and takes the others with it.
				ids := clientIDs(t, s)
				s.Do(t, "CLIENT", "KILL", "ID", ids[0])
				wantAll(t, p, "A", s, 8)
				await(t, patience, "the end of the old connections", func() bool {
					wantAll(t, p, "A", s, 8)
					now := strings.Join(clientIDs(t, s), " ")
					for _, id := range ids {
						if strings.Contains(" "+now+" ", " "+id+" ") {
							return false
						}
					}
					return true
				})
			}
			wantAll(t, p, "A", s, 8)
			require.Equal(t, 1, awaitCalm(t, p, before).Target(t, "A (").Up)
		})
	}
}

// clientIDs are the plugin's connections as the server knows them.
func clientIDs(t testing.TB, s *redistest.Server) []string {
	t.Helper()
	var ids []string
	for line := range strings.Lines(s.Do(t, "CLIENT", "LIST")) {
		if strings.Contains(line, "name=zabbix_redisjobs") {
			id, _, _ := strings.Cut(strings.TrimPrefix(line, "id="), " ")
			ids = append(ids, id)
		}
	}
	require.NotEmpty(t, ids)
	return ids
}

func TestStory11_ServerFull(t *testing.T) {
	t.Parallel()
	for name, password := range map[string]string{"without a password": "", "with a password": "open sesame"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redis(t, redistest.Config{Password: password})
			p := start(t, "Sessions.A.Uri=tcp://"+s.Addr, "Sessions.A.Password="+password)
			before := p.Resources(t)
			s.Do(t, "CONFIG", "SET", "maxclients", "1") // which is the test's own

			began := time.Now()
			pace := time.NewTicker(25 * time.Millisecond)
			for i := range 100 {
				require.Contains(t, refused(t, ask(p, 3, "A", key(i))), "max number of clients reached")
				<-pace.C
			}
			pace.Stop()
			took := time.Since(began)
			pool := awaitCalm(t, p, before)
			row := pool.Target(t, "A (")
			require.Equal(t, "maxclients", row.Failing.Reason)
			require.Zero(t, row.Open)
			require.LessOrEqual(t, number(t, s.InfoField(t, "stats", "rejected_connections")), 3+int(took/(900*time.Millisecond)))

			s.Do(t, "CONFIG", "SET", "maxclients", "2") // room for one of the pool's two
			awaitValue(t, p, "A", s, key(1))
			// The second one is still tried for, no more often than before; the first serves whoever tries.
			tries := number(t, s.InfoField(t, "stats", "rejected_connections"))
			for range 5 {
				wantAll(t, p, "A", s, 20)
			}
			require.LessOrEqual(t, number(t, s.InfoField(t, "stats", "rejected_connections"))-tries, 1)
			s.Do(t, "CONFIG", "SET", "maxclients", "100")
			await(t, patience, "the end of the failing state", func() bool {
				want(t, p, "A", s, key(2))
				return p.Pool(t).Target(t, "A (").Up == 1
			})
			require.LessOrEqual(t, awaitCalm(t, p, before).Open, 2)
		})
	}
}

func TestStory12_SlowServer(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]struct {
		begin func(t *testing.T, s *redistest.Server) (end func())
		cause string
	}{
		"a command that takes seconds": {
			begin: func(t *testing.T, s *redistest.Server) func() {
				return inBackground(t, s, "DEBUG", "SLEEP", "4")
			},
			cause: "timeout|deadline exceeded|no answer|not finished within|were busy",
		},
		"a script that does not end": {
			begin: func(t *testing.T, s *redistest.Server) func() {
				s.Do(t, "CONFIG", "SET", "busy-reply-threshold", "50")
				end := inBackground(t, s, "EVAL", "while true do end", "0")
				return func() {
					<-time.After(3 * time.Second) // the script is to be slow for as long as the others are
					conn, err := net.Dial("tcp", s.Addr)
					require.NoError(t, err)
					defer conn.Close()
					_, err = io.WriteString(conn, "SCRIPT KILL\r\n")
					require.NoError(t, err)
					reply, err := bufio.NewReader(conn).ReadString('\n')
					require.NoError(t, err)
					require.Equal(t, "+OK\r\n", reply)
					end()
				}
			},
			cause: "BUSY|timeout|deadline exceeded|no answer|not finished within|were busy",
		},
		"a server that reads its data set": {
			begin: func(t *testing.T, s *redistest.Server) func() {
				s.Do(t, "CONFIG", "SET", "key-load-delay", "15000") // microseconds per key
				s.Do(t, "CONFIG", "SET", "loading-process-events-interval-bytes", "1024")
				return inBackground(t, s, "DEBUG", "RELOAD")
			},
			cause: "LOADING|timeout|deadline exceeded|no answer|not finished within|were busy",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redis(t, redistest.Config{Args: []string{"--enable-debug-command", "yes"}})
			healthy := redis(t, redistest.Config{})
			p := start(t, "Sessions.Slow.Uri=tcp://"+s.Addr, "Sessions.Healthy.Uri=tcp://"+healthy.Addr)
			want(t, p, "Slow", s, key(0))
			want(t, p, "Healthy", healthy, key(0))
			before := p.Resources(t)
			opened := connections(t, s)

			end := slow.begin(t, s)
			var ended sync.WaitGroup
			ended.Go(end)
			pace := time.NewTicker(50 * time.Millisecond)
			var checks []*driver.Check
			for i := range 60 {
				checks = append(checks, ask(p, 1, "Slow", key(i)))
				good := ask(p, 3, "Healthy", key(i))
				got, err := good.Answer()
				require.NoError(t, err)
				require.Equal(t, value(healthy, key(i)), got)
				require.Less(t, good.TookAwake(), time.Second)
				pool := p.Pool(t)
				require.LessOrEqual(t, pool.Target(t, "Slow (").Open, 2)
				<-pace.C
			}
			pace.Stop()
			failed := 0
			for i, c := range checks {
				got, err := c.Answer()
				if err == nil {
					require.Equal(t, value(s, key(i)), got)
					continue
				}
				failed++
				require.Regexp(t, slow.cause, err.Error())
				require.Less(t, c.TookAwake(), 3*time.Second)
			}
			require.Positive(t, failed, "it was never slow")
			ended.Wait()
			awaitValue(t, p, "Slow", s, key(1))
			wantAll(t, p, "Slow", s, 30)
			pool := awaitCalm(t, p, before)
			require.LessOrEqual(t, pool.Open, 4)
			require.Less(t, connections(t, s)-opened, 12, "no stampede")
			require.Zero(t, pool.Target(t, "Healthy (").Counters.Closed.Broken)
		})
	}
}

// inBackground sends a command that blocks the server on a connection of its own, and returns when it blocks. The
// function waits for its end.
func inBackground(t *testing.T, s *redistest.Server, args ...string) (wait func()) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	line := fmt.Sprintf("*%d\r\n", len(args))
	for _, a := range args {
		line += fmt.Sprintf("$%d\r\n%s\r\n", len(a), a)
	}
	_, err = io.WriteString(conn, line)
	require.NoError(t, err)
	return func() {
		_, _ = bufio.NewReader(conn).ReadString('\n')
	}
}
