//go:build !windows

package doctor

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// TestThePasswordOfACommandIsUsed, and who may not run it, or may replace it, is
// named.
func TestThePasswordOfACommandIsUsed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{Password: "s3cret"})
	const p = "Plugins.RedisJobs.Sessions.A."
	tr := newTree(t, p+"Uri=tcp://"+s.Addr)
	tr.write("bin/token", "#!/bin/sh\n[ \"$1\" = 'a b' ] && echo s3cret\n")
	tr.change(ownFile, p+"Uri", p+"PasswordCommand="+tr.path("bin/token")+" 'a b'\n"+p+"Uri")
	require.Regexp(t, "PROBLEM  options        DIR/"+ownFile+`:\d+: `+p+"PasswordCommand: it is not a program that can be run", tr.examine(1))

	require.NoError(t, os.Chmod(tr.path("bin/token"), 0o700))
	out := tr.examine(1)
	require.Contains(t, out, "A (tcp://"+s.Addr+"): the user default has the rights that this plugin needs")
	require.Contains(t, out, "PROBLEM  files          PasswordCommand: the user nobody may not run DIR/bin/token")
	require.Contains(t, out, "-> chgrp "+groupOf(t, "nobody")+" DIR/bin/token && chmod 0750 DIR/bin/token")

	require.NoError(t, os.Chmod(tr.path("bin/token"), 0o755))
	out = tr.examine(0)
	require.Contains(t, out, "PasswordCommand: DIR/bin/token runs here as root; sudo -u nobody DIR/bin/token shows what it does for the agent")
	require.NotContains(t, out, "s3cret")
	require.NotContains(t, out, "a b")

	require.NoError(t, os.Chmod(tr.path("bin/token"), 0o777))
	require.Contains(t, tr.examine(1), "PROBLEM  files          "+p+"PasswordCommand: every user of this machine can replace the program")
	require.NoError(t, os.Chmod(tr.path("bin/token"), 0o755))
	tr.write("bin/token", "#!/bin/sh\necho s3cret\nexit 5\n")
	out = tr.examine(1)
	require.Contains(t, out, "PasswordCommand: the command failed with exit code 5")
	require.NotContains(t, out, "s3cret")
}
