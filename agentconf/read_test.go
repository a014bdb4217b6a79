package agentconf

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// environment is that of the tests.
func environment(name string) (string, bool) {
	value, set := map[string]string{"SET": " v=1 ", "_x9": "", "BAD": "a\nb", "DIR": "absent"}[name]
	return value, set
}

// TestVariablesAreReplacedByTheExactRule: only a value that is nothing but ${NAME},
// as agents from 7.2 on do.
func TestVariablesAreReplacedByTheExactRule(t *testing.T) {
	t.Parallel()
	values := []string{"${SET}", "x${SET}", "${SET}${SET}", "${_x9}", "${9x}", "${}", "$SET", "${SET.x}", "${UNSET}", "${SE T}", "${SET} "}
	var text strings.Builder
	for _, v := range values {
		text.WriteString("A=" + v + "\n")
	}
	file := write(t, "a.conf", text.String())
	got := func(lookup Lookup) (out []string) {
		c := Read(file, lookup)
		require.Empty(t, c.Problems)
		for _, l := range c.Lines {
			out = append(out, l.Value)
		}
		return out
	}
	require.Equal(t, []string{" v=1 ", "x${SET}", "${SET}${SET}", "", "${9x}", "${}", "$SET", "${SET.x}", "${SE T}", " v=1 "}, got(environment),
		"the line of a variable that is not set is dropped; blanks of a variable stay")
	old := values
	old[len(old)-1] = "${SET}"
	require.Equal(t, old, got(nil), "an agent before 7.2 replaces nothing")

	c := Read(file, environment)
	require.Len(t, c.Unset, 1)
	require.Equal(t, "UNSET", c.Unset[0].Variable)
	require.Equal(t, 9, c.Unset[0].No)
	require.Len(t, c.Variables, 4)
}

func TestAVariableWithALineEndIsAProblem(t *testing.T) {
	t.Parallel()
	file := write(t, "a.conf", "A=1\nB=${BAD}\nInclude=${DIR}\n")
	c := Read(file, environment)
	require.Len(t, c.Problems, 2)
	require.Contains(t, c.Problems[0].Text, file+":2: the environment variable BAD holds a line end")
	require.Contains(t, c.Problems[1].Text, file+":3: the agent cannot include this: "+filepath.Dir(file)+"/absent does not exist")
	require.NotContains(t, c.Problems[0].Text, "a\nb")
}

func TestAByteOrderMarkIsNamed(t *testing.T) {
	t.Parallel()
	file := write(t, "a.conf", "\ufeffServer=x\n\ufeff# again\n")
	c := Read(file, nil)
	require.ErrorContains(t, c.Err(), file+":1: the file begins with a byte order mark")
	require.Contains(t, c.Problems[0].Fix, "without BOM")
	require.Equal(t, []Line{{File: file, No: 1, Name: "Server", Value: "x"}}, c.Lines, "the rest is read")
	require.Contains(t, Read(write(t, "b.conf", "\xff\xfeS\x00"), nil).Problems[0].Text, "the file is in UTF-16")
}

func TestErrorsOfTheSystemAreInWords(t *testing.T) {
	t.Parallel()
	require.EqualError(t, Read("/absent/a.conf", nil).Err(), "/absent/a.conf does not exist (no such file or directory)")
	dir := t.TempDir()
	require.EqualError(t, Read(dir, nil).Err(), dir+" is a folder")
	require.Contains(t, fixUnreadable("x", os.ErrPermission), "run this as root")
}

func TestTheUsualConfiguration(t *testing.T) {
	t.Parallel()
	path, note := usual("/absent/zabbix_agent2.conf")
	require.Empty(t, path, "a machine without an agent has none")
	require.Empty(t, note)
	file := write(t, "a.conf", "Include="+filepath.Join(t.TempDir(), "absent")+"\n")
	path, note = usual(file)
	require.Equal(t, file, path, "its fault is reported by who reads it")
	require.Empty(t, note)
	if os.Getuid() == 0 {
		t.Log("NOT RUN: root may read every file; test/package asks as another user")
		return
	}
	require.NoError(t, os.WriteFile(file, nil, 0o000))
	path, note = usual(file)
	require.Empty(t, path)
	require.Contains(t, note, "run this as root")
}

func TestVersions(t *testing.T) {
	t.Parallel()
	program := func(prints string) string {
		file := write(t, "zabbix_agent2", "#!/bin/sh\necho '"+prints+"'\n")
		require.NoError(t, os.Chmod(file, 0o700))
		return file
	}
	for prints, want := range map[string]struct {
		version         Version
		loads, replaces bool
	}{
		"zabbix_agent2 (Zabbix) 5.0.8":     {Version{5, 0, 8}, false, false},
		"zabbix_agent2 (Zabbix) 6.0.14":    {Version{6, 0, 14}, true, false},
		"zabbix_agent2 (Zabbix) 7.0.29":    {Version{7, 0, 29}, true, false},
		"zabbix_agent2 (Zabbix) 7.2.0":     {Version{7, 2, 0}, true, true},
		"zabbix_agent2 (Zabbix) 7.4.0rc2":  {Version{7, 4, 0}, true, true},
		"zabbix_agent2 (Zabbix) 10.0.1":    {Version{10, 0, 1}, true, true},
		"zabbix_agent2 (Zabbix) 8.0.0beta": {Version{8, 0, 0}, true, true},
	} {
		v, err := VersionOf(program(prints))
		require.NoError(t, err)
		require.Equal(t, want.version, v)
		require.Equal(t, want.loads, v.LoadsPlugins(), prints)
		require.Equal(t, want.replaces, v.ReplacesVariables(), prints)
	}
	for _, wrong := range []string{"", "/absent", program("something else")} {
		v, err := VersionOf(wrong)
		require.Error(t, err)
		require.False(t, v.Known())
		require.True(t, v.ReplacesVariables(), "one that is not known is taken for one of today")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("A=1\nInclude=./x*\n\ufeff=\n${X}=${Y}\nPlugins.RedisJobs.A=${Z}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "a.conf")
		require.NoError(t, os.WriteFile(file, data, 0o600))
		for _, lookup := range []Lookup{nil, environment} {
			for _, l := range Read(file, lookup).Lines {
				require.NotEmpty(t, l.Name)
				require.NotContains(t, l.Name+l.Value, "\n")
			}
		}
	})
}

// TestALineWithoutItsSignShowsNoPassword: of a value in base64 its own "=" is taken for
// that of the line.
func TestALineWithoutItsSignShowsNoPassword(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"Plugins.RedisJobs.Sessions.A.Password hunter2==", "Plugins.RedisJobs.Sessions.A.Password: hunter2==",
		"Plugins.RedisJobs.Sessions.A.Uri redis://u:hunter2@h/?a=b",
	} {
		c := Read(write(t, "a.conf", line+"\n"), environment)
		require.Len(t, c.Problems, 1, line)
		said := fmt.Sprintf("%+v", c.Problems[0])
		require.NotContains(t, said, "hunter2")
		require.Contains(t, said, "Plugins.RedisJobs.Sessions.A.")
	}
}
