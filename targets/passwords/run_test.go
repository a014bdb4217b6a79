//go:build !windows

package passwords

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// script writes a program.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program with blanks")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700))
	return path
}

const patience = 20 * time.Second

func TestAProgramIsRunWithoutAShell(t *testing.T) {
	t.Parallel()
	program := script(t, `printf '%s|' "$@"; pwd`)
	password, err := run(t.Context(), patience, []string{program, "$HOME", "a b", "*", "`id`", "", "x;y"})
	require.NoError(t, err)
	require.Equal(t, "$HOME|a b|*|`id`||x;y|/", password.Reveal())
}

// TestAProgramGetsFewVariables: those of the agent may hold secrets.
func TestAProgramGetsFewVariables(t *testing.T) {
	t.Setenv("REDIS_PASSWORD", "of another session")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "of the agent")
	t.Setenv("HOME", "/var/lib/zabbix")
	t.Setenv("https_proxy", "http://proxy:3128")
	password, err := run(t.Context(), patience, []string{script(t, `env | cut -d= -f1 | sort | tr '\n' ' '; echo " $HOME"`)})
	require.NoError(t, err)
	names, home, _ := strings.Cut(password.Reveal(), "  ")
	require.Equal(t, "/var/lib/zabbix", home)
	own := []string{"PWD", "SHLVL", "_", "OLDPWD"} // of the shell that runs the script
	for name := range strings.FieldsSeq(names) {
		require.True(t, slices.Contains(Environment, name) || slices.Contains(own, name), name)
	}
	require.Contains(t, names, "https_proxy")
}

// TestTheVariablesAreDocumented: who writes a program must know them.
func TestTheVariablesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/security.md")
	require.NoError(t, err)
	for _, name := range Environment {
		require.Contains(t, string(text), "`"+strings.ToUpper(name)+"`", "docs/security.md must have the variable, see Environment")
	}
}

func TestARunThatFailsSaysWhyAndNotWhatItPrinted(t *testing.T) {
	t.Parallel()
	plain := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(plain, []byte("x"), 0o600))
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"an exit code":      {[]string{script(t, "echo s3cret; echo s3cret >&2; exit 3")}, "the command failed with exit code 3; what it prints is not shown: run it as the user of the agent to see it"},
		"a signal":          {[]string{script(t, "kill -TERM $$")}, "the command was ended: signal: terminated"},
		"nothing":           {[]string{"/bin/true"}, "its output holds no password"},
		"several lines":     {[]string{script(t, "echo s3cret; echo s3cret")}, "its output has more than one line, and may hold nothing but the password"},
		"a long password":   {[]string{script(t, "printf %4097s s3cret")}, "is longer than 4096 bytes"},
		"endless output":    {[]string{script(t, "yes s3cret")}, "the command printed more than 4104 bytes, and was killed: it may print nothing but the password"},
		"no program":        {[]string{"/absent/s3cret"}, "there is no such program, or the interpreter in its first line does not exist"},
		"no right":          {[]string{plain}, "the user of the agent may not run the program (file mode, noexec, SELinux)"},
		"no interpreter":    {[]string{withFirstLine(t, "#!/absent/s3cret")}, "there is no such program, or the interpreter in its first line does not exist"},
		"no executable":     {[]string{withFirstLine(t, "s3cret")}, "the command cannot be run: exec format error"},
		"somebody stays":    {[]string{script(t, "sleep 60 & echo s3cret")}, "the command ended, but a process that it started holds its output open"},
		"a long run":        {[]string{script(t, "sleep 60 & sleep 60")}, "the command did not end within 500ms, and was killed"},
		"one that ignores":  {[]string{script(t, "trap '' TERM INT HUP; sleep 60; sleep 60")}, "the command did not end within 500ms, and was killed"},
		"reads from nobody": {[]string{"/bin/cat"}, "its output holds no password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limit := patience
			if strings.Contains(c.want, "500ms") {
				limit = 500 * time.Millisecond
			}
			began := time.Now()
			_, err := run(t.Context(), limit, c.args)
			require.EqualError(t, err, c.want)
			require.NotContains(t, err.Error(), "s3cret")
			require.Less(t, time.Since(began), patience)
		})
	}
}

func withFirstLine(t *testing.T, line string) string {
	t.Helper()
	path := script(t, "")
	require.NoError(t, os.WriteFile(path, []byte(line+"\n"), 0o700))
	return path
}

// TestTheWholeGroupOfAProgramIsKilled: what it started has its output, and goes on
// otherwise.
func TestTheWholeGroupOfAProgramIsKilled(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	for _, text := range []string{"sleep 61 & echo $! >" + file + "; sleep 60", "sleep 61 & echo $! >" + file} {
		_, err := run(t.Context(), time.Second, []string{script(t, text)})
		require.Error(t, err)
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
		require.NoError(t, err)
		require.Eventually(t, func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH || isZombie(pid) }, patience, 10*time.Millisecond)
	}
}

// isZombie: where nobody reaps orphans, one stays as that.
func isZombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestARunEndsWithThePlugin(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := run(ctx, patience, []string{"/bin/sleep", "60"})
	require.EqualError(t, err, "the command was ended because the plugin stops")
}

func TestWhatEditorsAddIsNoPartOfAPassword(t *testing.T) {
	t.Parallel()
	password, err := run(t.Context(), patience, []string{script(t, `printf '\357\273\277 pass word \r\n\n'`)})
	require.NoError(t, err)
	require.Equal(t, " pass word ", password.Reveal())
}
