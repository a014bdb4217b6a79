package conf

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func mustResolve(t testing.TB, o *Options, ref Ref) *Target {
	t.Helper()
	target, err := o.Resolve(ref)
	require.NoError(t, err)
	return target
}

func password(t testing.TB, target *Target) string {
	t.Helper()
	text, err := target.Credential()
	require.NoError(t, err)
	return text
}

func TestResolutionOrder(t *testing.T) {
	t.Parallel()
	full := []string{
		"Default.Uri=tcp://default:1/1", "Default.User=duser", "Default.Password=dpass",
		"Sessions.A.Uri=tcp://a:2/2", "Sessions.A.User=auser", "Sessions.A.Password=apass",
	}
	tests := []struct {
		name                    string
		lines                   []string
		ref                     Ref
		show, user, password    string
		database                int
		sessionOfTheSameAddress string
	}{
		{name: "nothing set is the built-in default", show: "tcp://localhost:6379"},
		{name: "an empty key is Default", lines: full, show: "tcp://default:1/1", user: "duser", password: "dpass", database: 1},
		{name: "a session goes before Default", lines: full, ref: Ref{Conn: "A"}, show: "A (tcp://a:2/2)", user: "auser", password: "apass", database: 2},
		{
			name: "the key's user and password go before the session's", lines: full,
			ref:  Ref{Conn: "A", Password: "kpass", User: "kuser"},
			show: "A (tcp://a:2/2) #2", user: "kuser", password: "kpass", database: 2,
		},
		{
			name: "a URI in the key takes the rest from Default", lines: full, ref: Ref{Conn: "tcp://k:3"},
			show: "tcp://k:3", user: "duser", password: "dpass",
		},
		{
			name: "a session without Uri has Default's", lines: append(full, "Sessions.B.User=b"), ref: Ref{Conn: "B"},
			show: "B (tcp://default:1/1)", user: "b", password: "dpass", database: 1,
		},
		{
			name: "a session may have the name of a host", lines: []string{"Sessions.localhost.Uri=tcp://x"}, ref: Ref{Conn: "localhost"},
			show: "localhost (tcp://x:6379)",
		},
		{
			name: "names of sessions are case sensitive", lines: full, ref: Ref{Conn: "a"},
			show: "tcp://a:6379", user: "duser", password: "dpass",
		},
		{
			name: "the path goes before Database", lines: []string{"Sessions.A.Uri=tcp://a/2", "Sessions.A.Database=5"}, ref: Ref{Conn: "A"},
			show: "A (tcp://a:6379/2)", database: 2,
		},
		{
			name: "path 0 goes before Database too", lines: []string{"Sessions.A.Uri=tcp://a/0", "Sessions.A.Database=5"}, ref: Ref{Conn: "A"},
			show: "A (tcp://a:6379)",
		},
		{
			name:  "a session's Database goes before the path of Default's Uri",
			lines: []string{"Default.Uri=tcp://d/3", "Sessions.A.Database=5"}, ref: Ref{Conn: "A"},
			show: "A (tcp://d:6379/5)", database: 5,
		},
		{
			name: "Database 0 of a session goes before Default's", lines: []string{"Default.Database=3", "Sessions.A.Database=0"}, ref: Ref{Conn: "A"},
			show: "A (tcp://localhost:6379)",
		},
		{
			name: "Database of Default counts for a URI in the key", lines: []string{"Default.Database=3"}, ref: Ref{Conn: "k"},
			show: "tcp://k:6379/3", database: 3,
		},
		{
			name:  "a URI that is not used gives neither user nor database",
			lines: []string{"Default.Uri=redis://d@d/4"}, ref: Ref{Conn: "k"},
			show: "tcp://k:6379",
		},
		{
			name: "the User parameter goes before the URI's user", ref: Ref{Conn: "redis://u@k", User: "p"},
			show: "tcp://k:6379", user: "p",
		},
		{
			name: "the key's URI's user goes before Default's", lines: full, ref: Ref{Conn: "redis://u@k"},
			show: "tcp://k:6379", user: "u", password: "dpass",
		},
		{
			name: "a session's User goes before its URI's", lines: []string{"Sessions.A.Uri=redis://u@a", "Sessions.A.User=v"}, ref: Ref{Conn: "A"},
			show: "A (tcp://a:6379)", user: "v",
		},
		{
			name: "the user default is no user, and hides farther ones", lines: full, ref: Ref{Conn: "A", User: "default"},
			show: "A (tcp://a:2/2) #2", password: "apass", database: 2,
		},
		{
			name: "a socket with a database says so", lines: []string{"Sessions.S.Uri=/s", "Sessions.S.Database=2"}, ref: Ref{Conn: "S"},
			show: "S (unix:///s database 2)", database: 2,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target := mustResolve(t, mustDecode(t, tt.lines...), tt.ref)
			require.Equal(t, tt.show, target.String())
			require.Equal(t, tt.user, target.User())
			require.Equal(t, tt.password, password(t, target))
			require.Equal(t, tt.database, target.Database())
		})
	}
}

func TestEqualSettingsAreOneTarget(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, "Sessions.Home.Uri=tcp://localhost:6379", "Sessions.Work.Uri=localhost", "Sessions.Other.Uri=h",
		"Sessions.Other.User=u", "Sessions.Other.Password=p")
	home := mustResolve(t, o, Ref{Conn: "localhost"})
	require.Equal(t, "Home (tcp://localhost:6379)", home.String(), "it is known by its first session, whoever asks first")
	for _, ref := range []Ref{
		{}, {Conn: "tcp://localhost:6379"}, {Conn: "LocalHost"}, {Conn: "redis://localhost/0"},
		{Conn: "Home"}, {Conn: "Work"}, {User: "default"}, {Conn: "tcp://localhost:06379"},
	} {
		require.Same(t, home, mustResolve(t, o, ref))
	}
	require.Same(t, mustResolve(t, o, Ref{Conn: "Other"}), mustResolve(t, o, Ref{"tcp://h", "p", "u"}))
	require.Same(t, mustResolve(t, o, Ref{Conn: "/a/../s"}), mustResolve(t, o, Ref{Conn: "unix:///s"}))

	different := map[*Target]bool{}
	refs := []Ref{
		{Conn: "h"}, {Conn: "h", Password: "p"}, {Conn: "h", Password: "q"}, {Conn: "h", User: "u"},
		{Conn: "h/1"}, {Conn: "h:1"}, {Conn: "rediss://h"}, {Conn: "/h"}, {Conn: "/H"},
	}
	for _, ref := range refs {
		different[mustResolve(t, o, ref)] = true
	}
	require.Len(t, different, len(refs))
}

// TestTargetsThatOnlyASecretTellsApartAreNumbered: figures by target would be of
// nobody knows which.
func TestTargetsThatOnlyASecretTellsApartAreNumbered(t *testing.T) {
	o := mustDecode(t, "Sessions.A.Uri=tcp://a", "Sessions.B.Uri=tcp://a")
	name := func(ref Ref) string { return mustResolve(t, o, ref).String() }
	require.Equal(t, "tcp://h:6379", name(Ref{Conn: "h", Password: "hunter1"}))
	require.Equal(t, "tcp://h:6379 #2", name(Ref{Conn: "h", Password: "hunter2"}))
	third := mustResolve(t, o, Ref{Conn: "h", User: "hunter3"})
	require.Equal(t, "tcp://h:6379 #3", third.String())
	require.Equal(t, "tcp://h:6379", third.URI())
	for range 2 {
		require.Equal(t, "tcp://h:6379", name(Ref{Conn: "tcp://h", Password: "hunter1"}), "the same target")
		require.Equal(t, "tcp://h:6379 #2", name(Ref{Conn: "h", Password: "hunter2"}))
	}
	require.Equal(t, "A (tcp://a:6379)", name(Ref{Conn: "A"}))
	require.Equal(t, "A (tcp://a:6379)", name(Ref{Conn: "B"}), "that is the same target")
	require.Equal(t, "A (tcp://a:6379) #2", name(Ref{Conn: "A", Password: "hunter1"}))
	require.Equal(t, "tcp://h:6379/1", name(Ref{Conn: "tcp://h/1"}))
	peer, err := o.Peer(mustResolve(t, o, Ref{Conn: "h", Password: "hunter2"}), "node:1", "")
	require.NoError(t, err)
	require.Equal(t, "tcp://node:1", peer.String())

	// A number is free again when nobody holds its target any more.
	next := 4
	require.Eventually(t, func() bool {
		clear(o.refs.Load().byRef)
		runtime.GC()
		next++
		return name(Ref{Conn: "h", Password: fmt.Sprint("hunter", next)}) == "tcp://h:6379"
	}, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, "tcp://h:6379 #3", third.String())
	runtime.KeepAlive(third)
}

func TestTargetsStayTheSameWhileTheyAreHeld(t *testing.T) {
	o := mustDecode(t, "Sessions.A.Uri=a")
	held := mustResolve(t, o, Ref{Conn: "held"})
	address := fmt.Sprintf("%p", held)
	for i := range maxRefs + 10 {
		mustResolve(t, o, Ref{Conn: "h", Password: fmt.Sprint(i)})
	}
	require.Less(t, len(o.refs.Load().byRef), maxRefs, "the cache was emptied")
	require.Equal(t, address, fmt.Sprintf("%p", mustResolve(t, o, Ref{Conn: "held"})))
	runtime.KeepAlive(held)

	// Nobody holds the others any more, so their settings go as well.
	for i := range maxRefs {
		mustResolve(t, o, Ref{Conn: "other", Password: fmt.Sprint(i)})
	}
	require.Eventually(t, func() bool {
		runtime.GC()
		return o.interned.size() <= len(o.refs.Load().byRef)+3 && len(o.interned.names) <= 5
	}, 10*time.Second, 10*time.Millisecond)
	require.LessOrEqual(t, len(o.refs.Load().byRef), maxRefs)
}

func TestCacheIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	o := mustDecode(t)
	long := strings.Repeat("p", maxSecret-10)
	n := maxRefBytes/maxSecret + 10
	for i := range n {
		mustResolve(t, o, Ref{Conn: "h", Password: long + fmt.Sprint(i)})
	}
	require.Less(t, len(o.refs.Load().byRef), n)
	require.LessOrEqual(t, o.refs.Load().bytes, maxRefBytes)
}

func TestWrongRefsAreNotKept(t *testing.T) {
	t.Parallel()
	o := mustDecode(t)
	before := o.interned.size()
	for i := range 100 {
		_, err := o.Resolve(Ref{Conn: fmt.Sprintf("bad host %d", i)})
		require.Error(t, err)
	}
	require.Empty(t, o.refs.Load().byRef)
	require.Equal(t, before, o.interned.size())
}

func TestResolveRefusesUserAndPassword(t *testing.T) {
	t.Parallel()
	o := mustDecode(t)
	for want, ref := range map[string]Ref{
		"connection: user holds a space":                                                             {User: "a b", Password: marker},
		"connection: user is longer than 512 bytes":                                                  {User: strings.Repeat("u", 513), Password: marker},
		"connection: password is longer than 4096 bytes":                                             {Password: strings.Repeat(marker, 400)},
		"connection: port must be a number from 1 to 65535":                                          {Conn: "h:0", Password: marker},
		"connection: " + errBlank.Error():                                                            {Conn: "h h", Password: marker},
		"connection: no session named 9; no session is configured; restart the agent after a change": {Conn: "9", Password: marker},
	} {
		_, err := o.Resolve(ref)
		require.EqualError(t, err, want)
		requireNoSecret(t, err)
	}
}

func TestSessionsOnly(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, "SessionsOnly=1", "Sessions.Prod.Uri=h")
	require.Equal(t, "Prod (tcp://h:6379)", mustResolve(t, o, Ref{Conn: "Prod"}).String())
	const only = "connection: SessionsOnly=1 takes nothing but the name of a session"
	for _, tt := range []struct {
		ref  Ref
		want string
	}{
		{Ref{}, only},
		{Ref{Conn: "tcp://h"}, only},
		{Ref{Conn: "redis://u:" + marker + "@h"}, only},
		{Ref{Conn: "/s"}, only},
		{Ref{Conn: "Prdo"}, "connection: no session named Prdo; did you mean Prod?; sessions: Prod; restart the agent after a change; SessionsOnly=1 takes nothing else"},
		{Ref{Conn: "Prod", Password: marker}, "connection: SessionsOnly=1 refuses a password or user in an item key"},
		{Ref{Conn: "Prod", User: "u"}, "connection: SessionsOnly=1 refuses a password or user in an item key"},
	} {
		_, err := o.Resolve(tt.ref)
		require.EqualError(t, err, tt.want)
		requireNoSecret(t, err)
	}
	withDefault := mustDecode(t, "SessionsOnly=1", "Default.Uri=d")
	require.Equal(t, "tcp://d:6379", mustResolve(t, withDefault, Ref{}).String())
	_, err := withDefault.Resolve(Ref{Conn: "tcp://d:6379"})
	require.EqualError(t, err, only, "also when the address is one that is configured")
}

func TestHint(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, "Sessions.Prod.Uri=prod", "Default.Uri=redis")
	require.Equal(t, "no session named Prdo; did you mean Prod?; sessions: Prod; restart the agent after a change", mustResolve(t, o, Ref{Conn: "Prdo"}).Hint())
	for _, conn := range []string{"", "Prod", "prod", "redis", "localhost", "tcp://one", "two:6379", "three.example.com", "four-4", "/s"} {
		require.Empty(t, mustResolve(t, o, Ref{Conn: conn}).Hint(), conn)
	}
}

func TestPasswordFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pw")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write(marker)
	o := mustDecode(t, "Sessions.A.PasswordFile="+file, "Default.Password=default")
	target := mustResolve(t, o, Ref{Conn: "A"})
	for text, want := range map[string]string{
		marker: marker, marker + "\n": marker, marker + "\r\n": marker, marker + "\n\n": marker, marker + "\r\n\r\n": marker, "\ufeff" + marker: marker, " a ": " a ",
		strings.Repeat("x", maxSecret): strings.Repeat("x", maxSecret),
	} {
		write(text)
		require.Equal(t, want, password(t, target), "it is read each time")
	}
	require.Equal(t, "key", password(t, mustResolve(t, o, Ref{Conn: "A", Password: "key"})), "the key's goes first")

	const option = "Plugins.RedisJobs.Sessions.A.PasswordFile: "
	refused := func(want string) {
		t.Helper()
		_, err := target.Credential()
		require.EqualError(t, err, option+want)
		require.EqualError(t, firstBroken(o), option+want)
		requireNoSecret(t, err)
	}
	write("\n")
	refused("the file holds no password")
	write("")
	refused("the file is empty")
	write(strings.Repeat(marker, 400))
	refused("the file is larger than 4096 bytes")
	write("one\ntwo\n")
	refused("the file has more than one line, and may hold nothing but the password")
	write("\xff\xfep\x00w\x00")
	refused("the file is in UTF-16: save it as UTF-8")
	require.NoError(t, os.Remove(file))
	refused("the file cannot be read: no such file or directory")
	require.NoError(t, os.Mkdir(file, 0o700))
	refused("what it names is not a regular file")
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open, closed := filepath.Join(dir, "open"), filepath.Join(dir, "closed")
	require.NoError(t, os.WriteFile(open, []byte(marker), 0o644))
	require.NoError(t, os.WriteFile(closed, []byte(marker), 0o640))
	o := mustDecode(t, "Default.PasswordFile="+open, "Sessions.A.Uri=a", "Sessions.B.PasswordFile="+closed, "Sessions.C.PasswordFile=/nowhere")
	const noUri = " is not set, so that this session leads to tcp://localhost:6379: is a line missing, or an environment variable?"
	require.Equal(t, []string{
		"Plugins.RedisJobs.Default.PasswordFile: every user of this machine can read " + open,
		"Plugins.RedisJobs.Sessions.B.Uri" + noUri, "Plugins.RedisJobs.Sessions.C.Uri" + noUri,
	}, o.Warnings())
	o = mustDecode(t, `Default.User="u"`, "KeepAlive=60", "KeepAlive=60", "KeepAlive=61", "MaxConnections=", "MaxConnections=3")
	require.Equal(t, []string{
		"Plugins.RedisJobs.Default.User (line 1) stands in quotes, which the agent takes for a part of the value: remove them, unless they are meant",
		"Plugins.RedisJobs.KeepAlive is set twice with different values, in the lines 3 and 4: the last one counts",
	}, o.Warnings())
}

func TestNothingPrintsASecret(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, "Default.Password="+marker, "Sessions.A.Uri=a", "Sessions.A.Password="+marker+"2")
	key := Ref{Conn: "redis://k", Password: marker + "3", User: "u"}
	for _, ref := range []Ref{{}, {Conn: "A"}, key, {Conn: "redis://u:" + marker + "@h"}} {
		requireNoSecret(t, ref)
		requireNoSecret(t, &ref)
		requireNoSecret(t, struct{ R Ref }{ref})
		if target, err := o.Resolve(ref); err == nil {
			requireNoSecret(t, target)
			requireNoSecret(t, []*Target{target})
			requireNoSecret(t, map[*Target]string{target: ""})
			requireNoSecret(t, &target.settings)
			requireNoSecret(t, target.settings)
		} else {
			requireNoSecret(t, err)
		}
	}
	requireNoSecret(t, o)
	requireNoSecret(t, o.def)
	requireNoSecret(t, *o.sessions["A"])
	requireNoSecret(t, o.Sessions())
	requireNoSecret(t, o.Warnings())
}

func TestResolveFromManyGoroutines(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, "Sessions.A.Uri=a")
	const workers = 8
	got := make([][]*Target, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range 500 {
				target, err := o.Resolve(Ref{Conn: fmt.Sprintf("tcp://h%d", i)})
				if err != nil {
					return
				}
				got[w] = append(got[w], target)
			}
		})
	}
	wg.Wait()
	for w := range workers {
		require.Len(t, got[w], 500)
		for i := range got[w] {
			require.Same(t, got[0][i], got[w][i])
		}
	}
}

func TestResolvingAgainAllocatesNothing(t *testing.T) {
	o := mustDecode(t, "Sessions.A.Uri=a")
	ref := Ref{Conn: "tcp://10.0.0.1:6379", Password: marker, User: "zabbix"}
	mustResolve(t, o, ref)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := o.Resolve(ref); err != nil {
			panic(err)
		}
	}))
}

func BenchmarkResolve(b *testing.B) {
	o := mustDecode(b, "Sessions.A.Uri=a")
	for name, ref := range map[string]Ref{
		"session": {Conn: "A"},
		"uri":     {Conn: "tcp://10.0.0.1:6379", Password: "a password", User: "zabbix"},
	} {
		b.Run(name+"/known", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := o.Resolve(ref); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/new", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := o.resolve(ref); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzResolve(f *testing.F) {
	for _, conn := range []string{
		"", "Prod", "Prdo", "host", "host:1/2", "[::1]:6379", "unix:/s", "unix:///s", "/s", "redis://u@h/3",
		"rediss://h", "sentinel://a:1,b:2/m", "http://x", "tcp://", "a@b@c", "::1", "x?y", "x#y", "tcp://h:70000",
		"[fe80::1%e]:1", "[", "[]", "]:", "://", "unix:", "\xff", "tcp://h/99999999999999999999",
	} {
		f.Add(conn, "u", false)
		f.Add(conn, "", true)
	}
	// One host in two spellings: neither may have a say in what becomes of the other.
	f.Add("tcp://TWICE", "", false)
	f.Add("redis://u@twice", "", false)
	f.Fuzz(func(t *testing.T, conn, user string, sessionsOnly bool) {
		if strings.Contains(conn, marker) {
			return
		}
		// Options remember how a target was first spelled, so each input has its own:
		// what becomes of one must not depend on those before it.
		free := mustDecode(t, "Sessions.Prod.Uri=p", "Default.TLSConnect=required", "Default.User=d")
		o := free
		if sessionsOnly {
			o = mustDecode(t, "Sessions.Prod.Uri=p", "SessionsOnly=1")
		}
		ref := Ref{Conn: conn, Password: marker, User: user}
		target, err := o.Resolve(ref)
		again, errAgain := o.Resolve(ref)
		require.Equal(t, err, errAgain)
		require.Same(t, target, again)

		// The same address with a password in it is refused, and not repeated.
		_, rest, found := strings.Cut(conn, "://")
		if !found {
			rest = conn
		}
		if i := strings.LastIndexByte(rest, '@'); i >= 0 {
			rest = rest[i+1:]
		}
		_, errURI := o.Resolve(Ref{Conn: "redis://" + user + ":" + marker + "@" + rest})
		require.Error(t, errURI)
		require.NotContains(t, errURI.Error(), marker)

		if err != nil {
			require.NotContains(t, err.Error(), marker)
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.NotContains(t, target.String()+target.URI()+target.Address()+target.Hint(), marker)
		if target.Network() == "tcp" {
			back := mustResolve(t, free, Ref{Conn: strings.Replace(target.URI(), "rediss://", "tcp://", 1), Password: marker, User: user})
			require.Equal(t, target.Address(), back.Address(), "what is shown leads to the same place")
		}
	})
}
