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

// shipped is the configuration file that the packages install.
func shipped(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "packaging", "redisjobs.conf"))
	require.NoError(t, err)
	return string(text)
}

const systemPath = "System.Path"

// entry is one option as the shipped file documents it.
type entry struct{ doc, mandatory, rng, value string }

// entries reads the shipped file in Zabbix's own layout.
func entries(t *testing.T) (names []string, byName map[string]entry) {
	t.Helper()
	byName = map[string]entry{}
	for _, part := range strings.Split(shipped(t), "### Option: "+prefix)[1:] {
		lines := strings.Split(part, "\n")
		name := lines[0]
		require.NotContains(t, byName, name, "documented twice")
		var e entry
		for i := 1; ; i++ {
			line := lines[i]
			if doc, ok := strings.CutPrefix(line, "#\t"); ok {
				e.doc += " " + doc
			} else if text, ok := strings.CutPrefix(line, "# Mandatory: "); ok {
				e.mandatory = text
			} else if text, ok := strings.CutPrefix(line, "# Range: "); ok {
				e.rng = text
			} else if text, ok := strings.CutPrefix(line, "# "+prefix+name+"="); ok {
				require.Equal(t, "# Default:", lines[i-1], name)
				e.value = text
				break
			} else {
				require.Contains(t, []string{"#", "# Default:"}, line, name)
			}
		}
		names = append(names, name)
		byName[name] = e
	}
	return names, byName
}

func TestShippedFileHasEveryOption(t *testing.T) {
	t.Parallel()
	names, byName := entries(t)
	want := []string{systemPath}
	for _, o := range Table() {
		want = append(want, o.Name)
		e := byName[o.Name]
		require.Equal(t, o.Doc, strings.TrimSpace(e.doc), o.Name)
		require.Equal(t, o.Range, e.rng, o.Name)
		require.Equal(t, "no", e.mandatory, o.Name)
		value := o.Default
		if o.DefaultNote != "" {
			value = "<" + o.DefaultNote + ">"
		}
		require.Equal(t, value, e.value, o.Name)
	}
	require.Equal(t, want, names, "each once, in the order of the table")
}

func TestTable(t *testing.T) {
	t.Parallel()
	for _, o := range Table() {
		require.NotEmpty(t, o.Doc, o.Name)
		require.NotContains(t, o.Doc, "%!", o.Name)
		require.NoError(t, o.set(place{newOptions(Global{}), newBlock("x")}, o.Example), "the example of %s", o.Name)
		if o.Default != "" {
			require.NoError(t, o.set(place{newOptions(Global{}), newBlock("x")}, o.Default), "the default of %s", o.Name)
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

	// With every option made effective; Password and PasswordFile exclude each other.
	for _, without := range []string{"Password", "PasswordFile"} {
		text := shipped(t)
		for _, o := range Table() {
			if strings.HasSuffix(o.Name, "."+without) || strings.HasSuffix(o.Name, ".Sentinel"+without) ||
				strings.Contains(o.Name, ".Token") { // which are for http:// alone
				continue
			}
			commented := regexp.MustCompile(`(?m)^# ` + regexp.QuoteMeta(prefix+o.Name) + `=.*$`)
			require.Len(t, commented.FindAllString(text, -1), 1, o.Name)
			name := strings.Replace(o.Name, "*", "Example", 1)
			text = commented.ReplaceAllLiteralString(text, prefix+name+"="+o.Example)
		}
		o := load(text)
		require.Equal(t, []SessionInfo{{Name: "Example", URI: "rediss://localhost:6379"}}, o.Sessions())
		target := mustResolve(t, o, Ref{Conn: "Example"})
		require.Equal(t, without == "Password", target.passwordFile != "")
		require.Equal(t, "/etc/zabbix/redis-client.key", target.tls.keyFile)
		require.Equal(t, []string{"backup", "invoices"}, o.Storm.Jobs)
	}
}

func TestShippedFileSetsNothingButThePathAndTheAliases(t *testing.T) {
	t.Parallel()
	var active []string
	for line := range strings.Lines(shipped(t)) {
		line = strings.TrimSuffix(line, "\n")
		require.Equal(t, strings.TrimSpace(line), line, "no blanks at the ends")
		require.LessOrEqual(t, len(line), 2048, "agents take no longer lines")
		if line != "" && line[0] != '#' {
			active = append(active, line)
		}
		if strings.HasPrefix(line, "#") && strings.Contains(line, prefix) && !strings.HasPrefix(line, "#\t") {
			name := strings.TrimPrefix(strings.TrimPrefix(line, "### Option: "), "# ")
			name, _, _ = strings.Cut(strings.TrimPrefix(name, prefix), "=")
			require.True(t, name == systemPath || index[name] != nil, "unknown option: %s", line)
		}
	}
	require.Equal(t, prefix+"System.Path=/usr/sbin/zabbix-agent2-plugin/zabbix-agent2-plugin-redisjobs", active[0])

	// The agent looks bare names up first. Of the others it tries one after the
	// other and gives up at the first that is longer than the key it was asked.
	var bare, patterns []string
	for _, line := range active[1:] {
		alias, ok := strings.CutPrefix(line, "Alias=")
		require.True(t, ok, line)
		name, target, _ := strings.Cut(alias, ":")
		require.Equal(t, strings.Replace(name, "redis.", "redis.server.", 1), target)
		if strings.HasSuffix(name, "[*]") {
			patterns = append(patterns, strings.TrimSuffix(name, "[*]"))
		} else {
			bare = append(bare, name)
		}
	}
	require.ElementsMatch(t, []string{"redis.info", "redis.ping", "redis.config", "redis.slowlog.count"}, bare)
	require.ElementsMatch(t, bare, patterns)
	require.True(t, slices.IsSortedFunc(patterns, func(a, b string) int { return len(a) - len(b) }), "shortest first: %v", patterns)
	require.Equal(t, len(bare)*2, len(active)-1)
}

func TestExampleInTheHeaderOfTheShippedFile(t *testing.T) {
	var lines []string
	for line := range strings.Lines(strings.SplitN(shipped(t), "### Option", 2)[0]) {
		if example, ok := strings.CutPrefix(line, "#\t"+prefix); ok {
			lines = append(lines, strings.TrimSpace(example))
		}
	}
	require.NotEmpty(t, lines)
	o := mustDecode(t, lines...)
	require.Equal(t, []SessionInfo{{Name: "Prod", URI: "tcp://redis.example.com:6379"}}, o.Sessions())
}
