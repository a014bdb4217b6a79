package redisclient

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

func TestATimeoutHasTheRepliesThatCameBefore(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		wire string
		want []string
	}{
		"none":               {"", nil},
		"one":                {"+PONG\r\n", []string{"PONG"}},
		"two and a half one": {"+PONG\r\n$2\r\nhi\r\n$100\r\nx", []string{"PONG", "hi"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := redistest.NewFake(t, redistest.Script{redistest.Write(tt.wire), redistest.StallUntil(nil)})
			c := dial(t, Config{Address: f.Addr})
			cmds := []Command{ping, {"ECHO", "hi"}, {"DBSIZE"}, ping}
			values, err := c.DoAll(within(t, time.Second), cmds...)
			require.Nil(t, values)
			require.Equal(t, ReasonTimeout, ReasonOf(err))
			var got []string
			for _, v := range RepliesBefore(err, cmds) {
				got = append(got, string(v.Str))
			}
			require.Equal(t, tt.want, got)
			require.Nil(t, RepliesBefore(err, cmds[:3]), "those are not the commands that failed")
			require.False(t, strings.Contains(err.Error(), "\n"))
			poisoned(t, c, err)
		})
	}
}

// TestOnlyATimeoutIsUnfinished: after any other end the server may not be there.
func TestOnlyATimeoutIsUnfinished(t *testing.T) {
	t.Parallel()
	f := redistest.NewFake(t, redistest.Script{redistest.Expect(2), redistest.Write("+PONG\r\n"), redistest.Close()})
	c := dial(t, Config{Address: f.Addr})
	cmds := []Command{ping, {"DBSIZE"}}
	_, err := c.DoAll(soon(t), cmds...)
	require.Error(t, err)
	require.Nil(t, RepliesBefore(err, cmds))
}
