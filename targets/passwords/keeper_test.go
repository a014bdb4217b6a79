package passwords

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
)

// commandOf is a command of a configuration.
func commandOf(t *testing.T, text, lifetime string) conf.Command {
	t.Helper()
	file := filepath.Join(t.TempDir(), "redisjobs.conf")
	const p = "Plugins.RedisJobs.Sessions.A."
	require.NoError(t, os.WriteFile(file, []byte(p+"Uri=tcp://h\n"+p+"PasswordCommand="+text+"\n"+p+"PasswordLifetime="+lifetime+"\n"), 0o600))
	options, err := conf.LoadFile(file)
	require.NoError(t, err)
	target, err := options.Resolve(conf.Ref{Conn: "A"})
	require.NoError(t, err)
	c, ok := target.PasswordCommand()
	require.True(t, ok)
	return c
}

// program is a scripted program: it takes two seconds and prints a number.
type program struct {
	runs int
	fail bool
}

func (p *program) take(ctx context.Context, _ []string) (conf.Secret, error) {
	select {
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
		return conf.Secret{}, ctx.Err()
	}
	p.runs++
	if p.fail {
		return conf.Secret{}, errors.New("exit code 3")
	}
	return conf.NewSecret(fmt.Sprint("p", p.runs)), nil
}

// bench is a keeper of a scripted program.
type bench struct {
	*Keeper
	program
	command conf.Command
}

func (b *bench) get(t *testing.T) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	password, err := b.Get(ctx, b.command)
	return password.Reveal(), err
}

func (b *bench) want(t *testing.T, password string) {
	t.Helper()
	got, err := b.get(t)
	require.NoError(t, err)
	require.Equal(t, password, got)
}

func onBench(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	t.Parallel()
	c := commandOf(t, "/bin/x", "10m")
	synctest.Test(t, func(t *testing.T) {
		b := &bench{command: c}
		b.Keeper = newKeeper(b.take)
		defer b.Close()
		test(t, b)
	})
}

func TestAPasswordIsKeptForItsLifetimeAndFetchedAheadOfItsEnd(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		for range 50 {
			b.want(t, "p1")
		}
		time.Sleep(7 * time.Minute)
		b.want(t, "p1")
		require.Equal(t, 1, b.runs)
		time.Sleep(time.Minute)
		began := time.Now()
		b.want(t, "p1")
		require.Zero(t, time.Since(began), "nobody waits for the next one")
		time.Sleep(3 * time.Second)
		b.want(t, "p2")
		require.Equal(t, 2, b.runs)
		time.Sleep(10 * time.Minute)
		b.want(t, "p3")
	})
}

func TestAllWhoWaitShareOneRun(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		done := make(chan string)
		for range 20 {
			go func() {
				password, _ := b.get(t)
				done <- password
			}()
		}
		for range 20 {
			require.Equal(t, "p1", <-done)
		}
		require.Equal(t, 1, b.runs)
	})
}

func TestARunOutlivesTheCheckThatBeganIt(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.Get(ctx, b.command)
		require.ErrorIs(t, err, errPending)
		time.Sleep(2 * time.Second)
		b.want(t, "p1")
		require.Equal(t, 1, b.runs)
	})
}

// TestACommandThatFailsIsNotRunAtEachCheck: 10 s, 20 s, ... up to 5 min.
func TestACommandThatFailsIsNotRunAtEachCheck(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.fail = true
		for end := time.Now().Add(time.Hour); time.Now().Before(end); time.Sleep(time.Second) {
			_, err := b.get(t)
			require.EqualError(t, err, "exit code 3")
		}
		require.Equal(t, 16, b.runs, "5 that come faster, then one in 5 minutes")
		b.fail = false
		time.Sleep(longestPause)
		b.want(t, fmt.Sprint("p", b.runs+1))
		b.fail = true
		time.Sleep(8 * time.Minute)
		good := fmt.Sprint("p", b.runs)
		b.want(t, good)
		time.Sleep(30 * time.Second)
		b.want(t, good) // a failure ahead of its end costs nothing
		time.Sleep(2 * time.Minute)
		_, err := b.get(t)
		require.EqualError(t, err, "exit code 3")
	})
}

func TestARefusedPasswordIsReplacedOnceAndThenWithPauses(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		b.want(t, "p1")
		time.Sleep(time.Minute)
		dialed := time.Now()
		require.True(t, b.Refused(b.command, dialed), "another run is allowed at once")
		b.want(t, "p2")
		require.True(t, b.Refused(b.command, dialed), "that one was refused before p2 was there")
		require.Equal(t, 2, b.runs)

		require.False(t, b.Refused(b.command, time.Now()))
		b.want(t, "p2")
		require.Equal(t, 2, b.runs, "a server that refuses whatever is printed")
		require.False(t, b.Refused(b.command, time.Now()))
		time.Sleep(firstPause)
		require.True(t, b.Refused(b.command, time.Now()))
		for end := time.Now().Add(time.Hour); time.Now().Before(end); time.Sleep(time.Second) {
			_, err := b.get(t)
			require.NoError(t, err)
			b.Refused(b.command, time.Now())
		}
		require.Less(t, b.runs, 20)
		require.Greater(t, b.runs, 12)
		time.Sleep(longestPause + time.Second)
		b.want(t, fmt.Sprint("p", b.runs+1))
		time.Sleep(longestPause + time.Second)
		require.True(t, b.Refused(b.command, time.Now()), "one that was good for long is replaced at once")
	})
}

func TestAClosedKeeperEndsItsRuns(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		go func() {
			time.Sleep(time.Second)
			b.Close()
		}()
		_, err := b.get(t)
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, b.runs)
	})
}

func TestAPanicOfARunIsAnError(t *testing.T) {
	t.Parallel()
	k := newKeeper(func(context.Context, []string) (conf.Secret, error) { panic("of the test") })
	_, err := k.Get(t.Context(), commandOf(t, "/bin/x", ""))
	require.EqualError(t, err, "internal error while the command ran: of the test")
}

func TestEqualCommandsShareARunWhateverTheirLifetimes(t *testing.T) {
	t.Parallel()
	short, long, other := commandOf(t, "/bin/x", "10"), commandOf(t, "/bin/x", "1h"), commandOf(t, "/bin/y", "1h")
	synctest.Test(t, func(t *testing.T) {
		p := &program{}
		k := newKeeper(p.take)
		for _, c := range []conf.Command{short, long} {
			password, err := k.Get(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, "p1", password.Reveal())
		}
		_, err := k.Get(t.Context(), other)
		require.NoError(t, err)
		require.Equal(t, 2, p.runs)
		time.Sleep(time.Minute)
		password, err := k.Get(t.Context(), long)
		require.NoError(t, err)
		require.Equal(t, "p1", password.Reveal())
		password, err = k.Get(t.Context(), short)
		require.NoError(t, err)
		require.Equal(t, "p3", password.Reveal())
	})
}
