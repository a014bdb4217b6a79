package conf

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestACommandIsSplitAtBlanksOutsideOfQuotes(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the paths are those of Unix")
	}
	for text, want := range map[string][]string{
		"/bin/x":                      {"/bin/x"},
		"  /bin/x  a\tb ":             {"/bin/x", "a", "b"},
		`/bin/x "a b" 'c d'`:          {"/bin/x", "a b", "c d"},
		`/bin/x --name="a b"'c'd`:     {"/bin/x", "--name=a bcd"},
		`/bin/x "" ''`:                {"/bin/x", "", ""},
		`"/opt/my tool/x" 'say "hi"'`: {"/opt/my tool/x", `say "hi"`},
		`/bin/x "it's" $HOME * \n ;`:  {"/bin/x", "it's", "$HOME", "*", `\n`, ";"},
	} {
		got, err := splitCommand(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"x":                                   "does not begin with the absolute path of a program",
		"./x":                                 "does not begin with the absolute path of a program",
		" ":                                   "does not begin with the absolute path of a program",
		`""`:                                  "does not begin with the absolute path of a program",
		`/bin/x "` + marker:                   "has a quote that is not closed",
		"/bin/x a\x00":                        "holds a NUL character",
		"/bin/x " + strings.Repeat("a", 2048): "is longer than 2048 bytes",
		marker + ` "/bin/x" 'and what follows it'`: "does not begin with the absolute path of a program",
	} {
		_, err := splitCommand(text)
		require.EqualError(t, err, want, text)
	}
}

func FuzzSplitCommand(f *testing.F) {
	for _, text := range []string{"/bin/x a 'b c'", `/a"b"`, `'`, "/x\t\"\"", "/ü 'ß'"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		args, err := splitCommand(text)
		if err != nil {
			require.Empty(t, args)
			return
		}
		require.True(t, filepath.IsAbs(args[0]))
		total := 0
		for _, arg := range args {
			require.NotContains(t, arg, "\x00")
			total += len([]rune(arg))
		}
		require.LessOrEqual(t, total, len([]rune(text)))
		quoted := "/x"
		for _, arg := range args[1:] {
			if strings.ContainsRune(arg, '"') {
				return
			}
			quoted += ` "` + arg + `"`
		}
		again, err := splitCommand(quoted)
		if err == nil {
			require.Equal(t, args[1:], again[1:])
		}
	})
}

func TestTheCommandOfASession(t *testing.T) {
	t.Parallel()
	o := mustDecode(t, "Sessions.A.Uri=tcp://h", "Sessions.A.PasswordCommand=/bin/echo "+marker, "Sessions.A.PasswordLifetime=5m",
		"Sessions.B.Uri=tcp://h", "Sessions.B.Password=p", "Sessions.C.Uri=tcp://c", "Sessions.S.Uri=sentinel://h/m", "Sessions.UI.Uri=http://ui",
		"Default.PasswordCommand=/bin/echo 'a b'")
	a := mustResolve(t, o, Ref{Conn: "A"})
	c, ok := a.PasswordCommand()
	require.True(t, ok)
	require.Equal(t, []string{"/bin/echo", marker}, c.Args())
	require.Equal(t, 5*time.Minute, c.Lifetime())
	requireNoSecret(t, c)
	requireNoSecret(t, a)
	requireNoSecret(t, o)
	_, err := a.Credential()
	require.Error(t, err, "it is no empty password")
	require.EqualError(t, a.CommandFailed(err), "Plugins.RedisJobs.Sessions.A.PasswordCommand: "+err.Error())

	_, ok = mustResolve(t, o, Ref{Conn: "B"}).PasswordCommand()
	require.False(t, ok, "its own password goes before the command of Default")
	_, ok = mustResolve(t, o, Ref{Conn: "A", Password: "x"}).PasswordCommand()
	require.False(t, ok, "as does that of the item key")
	c, ok = mustResolve(t, o, Ref{Conn: "C"}).PasswordCommand()
	require.True(t, ok)
	require.Equal(t, []string{"/bin/echo", "a b"}, c.Args())
	require.Equal(t, 10*time.Minute, c.Lifetime())
	_, ok = mustResolve(t, o, Ref{Conn: "UI"}).PasswordCommand()
	require.False(t, ok, "Default's is for Redis")

	s := mustResolve(t, o, Ref{Conn: "S"})
	_, ok = s.PasswordCommand()
	require.True(t, ok)
	for _, sentinel := range o.Sentinels(s) {
		_, ok = sentinel.PasswordCommand()
		require.False(t, ok)
	}
	peer, err := o.Peer(a, "10.0.0.2:6379", "")
	require.NoError(t, err)
	_, ok = peer.PasswordCommand()
	require.True(t, ok)
	require.ErrorContains(t, peer.CommandFailed(os.ErrInvalid), "Sessions.A.PasswordCommand")
	require.Empty(t, o.Warnings())
	require.NoError(t, firstBroken(o))
}

func TestACommandThatCannotBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	require.NoError(t, os.WriteFile(plain, nil, 0o600))
	const p = "Plugins.RedisJobs.Sessions.A."
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"with a password":   {[]string{"PasswordCommand=/bin/true", "Password=x"}, p + "PasswordCommand (line 2): is set together with Password: keep one of the two"},
		"with a file":       {[]string{"PasswordCommand=/bin/true", "PasswordFile=/x"}, p + "PasswordCommand (line 2): is set together with PasswordFile: keep one of the two"},
		"a lifetime alone":  {[]string{"PasswordLifetime=60"}, p + "PasswordLifetime (line 2): is for PasswordCommand alone, which must be set in the same place"},
		"of a Storm UI":     {[]string{"PasswordCommand=/bin/true", "Uri=http://ui"}, p + "PasswordCommand (line 2): is not for http:// and https:// addresses: use PasswordFile or TokenFile"},
		"no such program":   {[]string{"PasswordCommand=/absent/" + marker}, p + "PasswordCommand: there is no such program, or its folder cannot be read"},
		"no program":        {[]string{"PasswordCommand=" + plain}, p + "PasswordCommand: it is not a program that can be run: is it a file that the agent's user may execute?"},
		"a folder":          {[]string{"PasswordCommand=" + dir}, p + "PasswordCommand: it is not a program that can be run: is it a file that the agent's user may execute?"},
		"a password":        {[]string{"PasswordCommand=" + marker}, p + "PasswordCommand (line 2): does not begin with the absolute path of a program"},
		"a lifetime of 5 s": {[]string{"PasswordLifetime=5"}, p + "PasswordLifetime (line 2): is out of range 10-604800"},
	} {
		lines := []string{"Sessions.A.User=u"}
		for _, l := range c.lines {
			lines = append(lines, "Sessions.A."+l)
		}
		o, err := Decode(sent(t, lines...), Global{})
		if err == nil {
			requireNoSecret(t, o)
			err = firstBroken(o)
		}
		require.EqualError(t, err, c.want, name)
	}
}

// TestAProgramThatEverybodyCanReplaceIsWarnedOf: it gets the rights of the agent.
func TestAProgramThatEverybodyCanReplaceIsWarnedOf(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("its file modes do not say who may write")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	require.NoError(t, os.WriteFile(program, nil, 0o700))
	o := mustDecode(t, "Sessions.A.Uri=h", "Sessions.A.PasswordCommand="+program+" x")
	require.Empty(t, o.Warnings())
	require.NoError(t, os.Chmod(program, 0o777))
	const text = "Plugins.RedisJobs.Sessions.A.PasswordCommand: every user of this machine can replace the program: take away the right to write to "
	require.Equal(t, []string{text + program}, o.Warnings())
	require.NoError(t, os.Chmod(program, 0o755))
	require.NoError(t, os.Chmod(dir, 0o777))
	require.Equal(t, []string{text + dir}, o.Warnings())
	require.NoError(t, os.Chmod(dir, os.ModeSticky|0o777))
	require.Empty(t, o.Warnings(), "in such a folder nobody can replace the files of others")
}

// TestACommandInQuotesIsNotWarnedOf: quotes have a meaning in it.
func TestACommandInQuotesIsNotWarnedOf(t *testing.T) {
	t.Parallel()
	require.Empty(t, mustDecode(t, "Sessions.A.Uri=h", `Sessions.A.PasswordCommand="/bin/echo" "a"`).Warnings())
}
