package doctor

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// TestACommandThatTheServerDoesNotKnowIsNamed: renamed, or left out by a service.
func TestACommandThatTheServerDoesNotKnowIsNamed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Args: []string{"--rename-command", "SLOWLOG", "LOGSLOW", "--rename-command", "SCAN", ""}})
	tr := newTree(t,
		"Plugins.RedisJobs.Sessions.Bare.Uri=tcp://"+s.Addr,
		"Plugins.RedisJobs.Sessions.Renamed.Uri=tcp://"+s.Addr,
		"Plugins.RedisJobs.Sessions.Renamed.RenameCommands=SLOWLOG=LOGSLOW",
	)
	out := tr.examine(0)
	require.Regexp(t, `warning +session +Bare \(tcp://`+s.Addr+`\) does not know scan slowlog\|get slowlog\|len; this concerns .*redis\.`, out)
	require.Regexp(t, `warning +session +Renamed \(tcp://`+s.Addr+`\) does not know scan; this concerns`, out)
	require.Contains(t, out, "option RenameCommands")
	require.NotContains(t, out, "has the rights")
}
