//go:build packages && linux

package packages

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/document"
)

// reader does what README.md and docs/install.md say, as it is written there, like
// a person who knows nothing else.
type reader struct {
	clone    string // the folder where he is
	redis    string // host:port of the Redis that the documents call redis:6379
	password string // the one of his choice
}

// restarts has a line for each restart of the agent that a document asked for.
const restarts = "/run/restarts"

// newReader puts the hands of a person and of systemd into the root folder: an
// editor that writes the password, and a systemctl that takes note of what it was
// asked for. The test starts the agent itself, as its unit does.
func newReader(t testing.TB, clone, redis string) *reader {
	t.Helper()
	r := &reader{clone: clone, redis: redis, password: "chosen-by-the-reader"}
	for name, script := range map[string]string{
		"editor":    `[ -f "$1" ] || exit 1; printf '%s\n' '` + r.password + `' >"$1"`,
		"systemctl": `[ "$*" = "restart zabbix-agent2" ] || { echo "systemctl $*?" >&2; exit 1; }; echo >>` + restarts,
	} {
		require.NoError(t, os.WriteFile("/usr/local/bin/"+name, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
	return r
}

// follow does the blocks under a heading of a document, one after the other, and
// ends with the agent's restart.
func (r *reader) follow(t testing.TB, file, heading string) {
	t.Helper()
	require.NoError(t, os.WriteFile(restarts, nil, 0o644))
	blocks, prose := document.Read(t, filepath.Join(r.clone, file))
	require.Contains(t, prose, "`"+conf+"`", "where the lines of configuration belong")
	last := ""
	for _, b := range blocks {
		if b.Heading != heading {
			continue
		}
		last = r.here(b.Text)
		switch b.Language {
		case "shell", "sh":
			out := r.run(t, b, last)
			if strings.Contains(last, "-acl") {
				r.admit(t, out)
			}
		case "console":
			b.Console(t, func(command string) string { return r.run(t, b, r.here(command)) })
		case "conf":
			text, err := os.ReadFile(conf)
			require.NoError(t, err)
			write(t, conf, string(text)+last)
		default:
			require.Fail(t, "nothing is known to do with it", "%s: %s", b.At(), b.Language)
		}
	}
	require.True(t, strings.HasSuffix(last, "systemctl restart zabbix-agent2\n"), "the end of %q: %s", heading, last)
	noted, err := os.ReadFile(restarts)
	require.NoError(t, err)
	require.NotEmpty(t, noted)
}

// here puts this machine's names for what the documents mean by theirs, and the
// folder of the packages for the one where the reader is.
func (r *reader) here(text string) string {
	text = strings.ReplaceAll(text, "redis:6379", r.redis)
	text = strings.ReplaceAll(text, "./zabbix-agent2-plugin-redisjobs_", "./dist/zabbix-agent2-plugin-redisjobs_")
	return strings.ReplaceAll(text, "_amd64.deb", "_"+runtime.GOARCH+".deb")
}

func (r *reader) run(t testing.TB, b document.Block, script string) string {
	t.Helper()
	c := exec.Command("bash", "-euo", "pipefail", "-c", script)
	c.Dir = r.clone
	c.Env = append(os.Environ(), "PATH=/usr/local/bin:"+os.Getenv("PATH"), "MAKEFLAGS=", "MFLAGS=")
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s: %s\n%s", b.At(), script, out)
	return string(out)
}

// admit enters the first line of -acl in redis-cli, with the password.
func (r *reader) admit(t testing.TB, rule string) {
	t.Helper()
	rule, _, _ = strings.Cut(rule, "\n")
	require.Contains(t, rule, ">PASSWORD ")
	host, port, err := net.SplitHostPort(r.redis)
	require.NoError(t, err)
	c := exec.Command("redis-cli", "-h", host, "-p", port)
	c.Stdin = strings.NewReader(strings.ReplaceAll(rule, ">PASSWORD", ">"+r.password) + "\n")
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "OK", strings.TrimSpace(string(out)))
}
