package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheShellCompletes has a real bash complete command lines.
func TestTheShellCompletes(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("NOT RUN: this machine has no bash")
	}
	var script, stderr bytes.Buffer
	require.Equal(t, 0, run([]string{"completion", "bash"}, &script, &stderr))
	for line, want := range map[string][]string{
		"doc":             {"doctor"},
		"doctor --":       {"--agent", "--config", "--help", "--json", "--offline", "--user"},
		"migrate --a":     {"--agent", "--allow-down", "--apply"},
		"record j --run":  {"--run-id"},
		"-t redis.key.":   {"redis.key.get[", "redis.key.length[", "redis.key.ttl[", "redis.key.value["},
		"-acl s":          {"server", "storm"},
		"-acl jobs bull":  {"bull", "bullmq"},
		"completion z":    {"zsh"},
		"-c /etc/hostnam": {"/etc/hostname"},
		"mig":             {"migrate"},
	} {
		c := exec.Command(bash, "--norc", "-c", script.String()+`
COMP_WORDS=(program $1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _redisjobs; printf '%s\n' "${COMPREPLY[@]}"`, "-", line)
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
		got := strings.Fields(string(out))
		if line == "doctor --" {
			require.Subset(t, got, want[:1])
			require.Subset(t, got, []string{"--config", "--json", "--offline", "--user"})
			continue
		}
		require.ElementsMatch(t, want, got, line)
	}
	for _, shell := range []string{"zsh", "fish"} {
		var out bytes.Buffer
		require.Equal(t, 0, run([]string{"completion", shell}, &out, &stderr))
		require.Contains(t, out.String(), "redis.get[")
	}
	require.Equal(t, 2, run([]string{"completion", "tcsh"}, &script, &stderr))
	require.Contains(t, stderr.String(), "completion bash|zsh|fish")
}

// TestTheManualPageHasEveryCommandAndFlag that the help of the program, of doctor and
// of migrate has; record has a help of its own.
func TestTheManualPageHasEveryCommandAndFlag(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("packaging/zabbix-agent2-plugin-redisjobs.8")
	require.NoError(t, err)
	page := strings.ReplaceAll(string(text), `\-`, "-")
	texts := help()
	flags := regexp.MustCompile(`(?:^|[\s\[(|])(-{1,2}[A-Za-z][A-Za-z-]*)`)
	for name, text := range texts {
		if name != "" {
			require.Contains(t, page, "redisjobs "+name+"\n")
		}
		if name == "record" {
			continue
		}
		found := flags.FindAllStringSubmatch(text, -1)
		require.NotEmpty(t, found)
		for _, m := range found {
			require.Regexp(t, regexp.QuoteMeta(m[1])+`[\\ ]`, page, "the flag %s of %s", m[1], name)
		}
	}
}
