package conf

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// shipped is the configuration file that the packages install. That it has every
// option is held by docs/generated_test.go, which writes it.
func shipped(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "packaging", "redisjobs.conf"))
	require.NoError(t, err)
	return string(text)
}

func TestTable(t *testing.T) {
	t.Parallel()
	for _, o := range Table() {
		if o.Doc == "" || strings.Contains(o.Doc, "%!") {
			t.Errorf("conf: the row of the option %s needs a Doc: one sentence or more", o.Name)
		}
		for field, value := range map[string]string{"Example": o.Example, "Default": o.Default} {
			if field == "Default" && value == "" {
				continue
			}
			if err := o.set(place{newOptions(Global{}), newBlock("x")}, value); err != nil {
				t.Errorf("conf: the row of the option %s needs a %s that the option accepts, not %q: %v", o.Name, field, value, err)
			}
		}
	}
}

func TestShippedFileLoads(t *testing.T) {
	file := filepath.Join(t.TempDir(), "redisjobs.conf")
	load := func(text string) *Options {
		t.Helper()
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		o, err := LoadFile(file)
		require.NoError(t, err)
		return o
	}
	defaults, err := Decode(nil, Global{})
	require.NoError(t, err)
	asShipped := load(shipped(t))
	require.Equal(t, defaults.Storm, asShipped.Storm)
	require.Equal(t, defaults.KeepAlive, asShipped.KeepAlive)
	require.Empty(t, asShipped.Sessions())

	// With every option made effective; those that exclude each other in turn.
	ways := []string{"Password", "PasswordFile", "PasswordCommand"}
	for _, way := range ways {
		text := shipped(t)
		for _, o := range Table() {
			field := o.Name[strings.LastIndexByte(o.Name, '.')+1:]
			other := slices.Contains(ways, strings.TrimPrefix(field, "Sentinel")) && strings.TrimPrefix(field, "Sentinel") != way ||
				field == "PasswordLifetime" && way != "PasswordCommand"
			if other || strings.Contains(o.Name, ".Token") { // which are for http:// alone
				continue
			}
			commented := regexp.MustCompile(`(?m)^# ` + regexp.QuoteMeta(prefix+o.Name) + `=.*$`)
			name := strings.Replace(o.Name, "*", "Example", 1)
			text = commented.ReplaceAllLiteralString(text, prefix+name+"="+o.Example)
		}
		o := load(text)
		require.Equal(t, []SessionInfo{{Name: "Example", URI: "rediss://localhost:6379"}}, o.Sessions())
		target := mustResolve(t, o, Ref{Conn: "Example"})
		require.Equal(t, way == "Password", !target.password.IsEmpty())
		require.Equal(t, way == "PasswordFile", target.passwordFile != "")
		require.Equal(t, way == "PasswordCommand", !target.command.IsZero())
		require.Equal(t, "/etc/zabbix/redis-client.key", target.tls.keyFile)
		require.Equal(t, []string{"backup", "invoices"}, o.Storm.Jobs)
	}
}

func TestShippedFileSetsNothingButThePath(t *testing.T) {
	t.Parallel()
	const file = "packaging/redisjobs.conf.tmpl"
	var active []string
	n := 0
	for line := range strings.Lines(shipped(t)) {
		line = strings.TrimSuffix(line, "\n")
		n++
		if strings.TrimSpace(line) != line {
			t.Errorf("packaging/redisjobs.conf:%d: a line must not begin or end with blanks; change it in %s", n, file)
		}
		if len(line) > 2048 {
			t.Errorf("packaging/redisjobs.conf:%d: the agent takes lines of at most 2048 bytes, and this one has %d; change it in %s", n, len(line), file)
		}
		if line != "" && line[0] != '#' {
			active = append(active, line)
		}
	}
	path := prefix + "System.Path=/usr/sbin/zabbix-agent2-plugin/zabbix-agent2-plugin-redisjobs"
	if len(active) == 0 || active[0] != path {
		t.Fatalf("%s: the first line that is no comment must be: %s", file, path)
	}

	for _, line := range active[1:] {
		t.Errorf("%s must not have the line: %s", file, line)
	}
}

func TestExampleInTheHeaderOfTheShippedFile(t *testing.T) {
	var lines []string
	for line := range strings.Lines(strings.SplitN(shipped(t), "### Option", 2)[0]) {
		if example, ok := strings.CutPrefix(line, "#\t"+prefix); ok {
			lines = append(lines, strings.TrimSpace(example))
		}
	}
	o := mustDecode(t, lines...)
	want := SessionInfo{Name: "Prod", URI: "tcp://redis.example.com:6379"}
	if got := o.Sessions(); len(got) != 1 || got[0] != want {
		t.Errorf("packaging/redisjobs.conf.tmpl: the example in the header must make the session %v, and makes %v", want, got)
	}
}
