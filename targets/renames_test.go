package targets

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/internal/redistest"
	"redisjobs/redisclient"
)

// TestTheNameOfARenamedCommandIsNotShown: who renames a command keeps its name a
// secret, and a server repeats the name when it refuses.
func TestTheNameOfARenamedCommandIsNotShown(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config{
		Lines: []string{"rename-command SLOWLOG Sl0w-marker"},
		Users: []string{"few on >pw -@all +ping +client|setname +select"},
	})
	lines := "Plugins.RedisJobs.Sessions.Right.Uri=tcp://" + s.Addr + `
Plugins.RedisJobs.Sessions.Right.RenameCommands=SLOWLOG=Sl0w-marker
Plugins.RedisJobs.Sessions.Wrong.Uri=tcp://` + s.Addr + `
Plugins.RedisJobs.Sessions.Wrong.RenameCommands=SLOWLOG=Sl0w-marker-2 INFO=1nfo-marker
Plugins.RedisJobs.Sessions.Few.Uri=tcp://` + s.Addr + `
Plugins.RedisJobs.Sessions.Few.RenameCommands=SLOWLOG=Sl0w-marker
Plugins.RedisJobs.Sessions.Few.User=few
Plugins.RedisJobs.Sessions.Few.Password=pw
`
	file := filepath.Join(t.TempDir(), "redisjobs.conf")
	require.NoError(t, os.WriteFile(file, []byte(lines), 0o600))
	options, err := conf.LoadFile(file)
	require.NoError(t, err)
	rt, err := New(options)
	require.NoError(t, err)
	t.Cleanup(func() { rt.Close(time.Second) })
	for session, cases := range map[string][][2]string{
		"Right": {{"SLOWLOG NOSUCH", "unknown subcommand"}, {"SLOWLOG", "wrong number of arguments for 'slowlog'"}},
		"Wrong": {{"SLOWLOG LEN", "unknown command 'slowlog'"}, {"INFO", "unknown command 'info'"}},
		"Few":   {{"SLOWLOG LEN", "no permissions"}},
	} {
		target := rt.targetAt(t, session)
		for _, c := range cases {
			values, err := target.batch.DoAll(soon(t), strings.Fields(c[0]))
			require.NoError(t, err)
			require.ErrorContains(t, values[0].Err(), c[1], "%s %s", session, c[0])
			require.NotContains(t, strings.ToLower(values[0].Err().Error()), "marker")
		}
	}
	own := rt.targetAt(t, "Right")
	s.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "0")
	_, err = own.batch.DoAll(soon(t), redisclient.Command{"SLOWLOG", "LEN"})
	require.NoError(t, err)
	values, err := own.batch.DoAll(soon(t), redisclient.Command{"SLOWLOG", "GET", "10"})
	require.NoError(t, err)
	require.Equal(t, "slowlog", string(values[0].Elems[0].Elems[3].Elems[0].Str), "our own command, in the log of slow ones")
	require.Equal(t, "a slowlog b slowlog", replaceFold("a Abc b ABC", "aBc", "slowlog"), "any case")
}
