package ask

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

func serverError(text string) error { return resp.NewServerError([]byte(text)) }

// TestARefusalIsRememberedByWhatItConcerns has what servers and proxies say, and
// which other commands are not sent after it.
func TestARefusalIsRememberedByWhatItConcerns(t *testing.T) {
	t.Parallel()
	const (
		nothing   = iota
		arguments // this very command
		command   // whatever its arguments
	)
	for text, concerns := range map[string]int{
		"NOPERM this user has no permissions to run the 'config|get' command":                 command, // Redis 7.0
		"NOPERM User zabbix has no permissions to run the 'config|get' command":               command, // Redis 7.2
		"NOPERM this user has no permissions to run the 'config' command or its subcommand":   command, // Redis 6
		"ERR unknown command 'CONFIG', with args beginning with: 'GET' 'save' ":               command,
		"ERR unknown command `CONFIG`, with args beginning with: `GET`, ":                     command,   // Redis 5
		"ERR Unknown subcommand or wrong number of arguments for 'GET'. Try CONFIG HELP.":     command,   // Redis 6
		"ERR unknown subcommand 'GET'. Try CONFIG HELP.":                                      command,   // Redis 7
		"NOPERM this user has no permissions to access one of the keys used as arguments":     arguments, // Redis 6
		"NOPERM No permissions to access a key":                                               arguments, // Redis 7.2
		"NOPERM this user has no permissions to access one of the channels used as arguments": arguments,
		"NOPERM: zabbix has no ACL permissions":                                               arguments, // Dragonfly
		"ERR syntax error":                                                                    arguments,
		"ERR This instance has cluster support disabled":                                      arguments,
		"WRONGTYPE Operation against a key holding the wrong kind of value":                   nothing,
		"ERR no such key": nothing,
		"NOGROUP No such consumer group 'g' for key 's'":          nothing,
		"MOVED 1 127.0.0.1:7001":                                  nothing,
		"ASK 1 127.0.0.1:7001":                                    nothing,
		"TRYAGAIN Multiple keys request during rehashing of slot": nothing,
		"CLUSTERDOWN The cluster is down":                         nothing,
		"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.": nothing,
		"READONLY You can't write against a read only replica.":                                            nothing,
		"OOM command not allowed when used memory > 'maxmemory'.":                                          nothing,
		"NOREPLICAS Not enough good replicas to write.":                                                    nothing,
		"NEWSTATE of a server of tomorrow":                                                                 nothing,
		"CROSSSLOT Keys in request don't hash to the same slot":                                            arguments,
		"LOADING Redis is loading the dataset in memory":                                                   nothing,
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":                 nothing,
		"BUSY Redis is busy running a script.":                                                             nothing,
		"NOAUTH Authentication required.":                                                                  nothing,
		"ERR max number of clients reached":                                                                nothing,
		"idx: no such index":                                                                               nothing,
		"ERR Connection refused":                                                                           nothing, // twemproxy
		"ERR Connection timed out":                                                                         nothing,
		"no upstream host":                                                                                 nothing, // Envoy
		"upstream failure":                                                                                 nothing,
		"ERR server connection close":                                                                      nothing, // Predixy
	} {
		r := RefusalsOf(new(item.Memory))
		err := serverError(text)
		r.Note(redisclient.Command{"CONFIG", "GET", "save"}, "", err)
		for _, other := range []struct {
			cmd  redisclient.Command
			kept bool
		}{
			{redisclient.Command{"CONFIG", "GET", "save"}, concerns != nothing},
			{redisclient.Command{"config", "get", "appendonly"}, concerns == command},
			{redisclient.Command{"CONFIG", "RESETSTAT"}, false},
			{redisclient.Command{"GET", "GET"}, false},
		} {
			if other.kept {
				require.Equal(t, err, r.Of(other.cmd, ""), "%s: %v", text, other.cmd)
			} else {
				require.NoError(t, r.Of(other.cmd, ""), "%s: %v", text, other.cmd)
			}
		}
	}
	r := RefusalsOf(new(item.Memory))
	r.Note(redisclient.Command{"GET", "a"}, "", &redisclient.Error{Op: "read", Reason: redisclient.ReasonTimeout, Err: errors.New("i/o timeout")})
	require.NoError(t, r.Of(redisclient.Command{"GET", "a"}, ""), "no answer is no refusal")
}

func TestARefusalOfArgumentsMayHaveAnotherName(t *testing.T) {
	t.Parallel()
	m := new(item.Memory)
	key := serverError("NOPERM No permissions to access a key")
	RefusalsOf(m).Note(redisclient.Command{"XRANGE", "s", "1-1", "+"}, "XRANGE s", key)
	require.Equal(t, key, RefusalsOf(m).Of(redisclient.Command{"XRANGE", "s", "2-2", "+"}, "XRANGE s"))
	require.NoError(t, RefusalsOf(m).Of(redisclient.Command{"XRANGE", "t", "2-2", "+"}, "XRANGE t"))
	unknown := serverError("ERR unknown command 'XRANGE'")
	RefusalsOf(m).Note(redisclient.Command{"XRANGE", "t", "1-1", "+"}, "XRANGE t", unknown)
	require.Equal(t, unknown, RefusalsOf(m).Of(redisclient.Command{"XRANGE", "u", "2-2", "+"}, "XRANGE u"))
	require.NoError(t, RefusalsOf(new(item.Memory)).Of(redisclient.Command{"XRANGE", "u"}, ""), "each target has its own")
}

// TestARefusalInOtherWords may be of a trouble that passes.
func TestARefusalInOtherWords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for text, memory := range map[string]time.Duration{
			"ERR internal error": time.Minute, "ERR server closed connection": time.Minute, "ERR command": time.Minute,
			"ERR unknown command 'TIME'": time.Hour, "ERR This instance has cluster support disabled": time.Hour,
			"NOPERM this user has no permissions to run the 'time' command": time.Hour, "ERR operation not permitted": time.Hour,
		} {
			r := RefusalsOf(new(item.Memory))
			cmd := redisclient.Command{"TIME"}
			r.Note(cmd, "", serverError(text))
			time.Sleep(memory - 1)
			require.Error(t, r.Of(cmd, ""), text)
			time.Sleep(time.Nanosecond)
			require.NoError(t, r.Of(cmd, ""), text)
		}
	})
}

func TestARefusalIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := RefusalsOf(new(item.Memory))
		unknown, syntax := serverError("ERR unknown command"), serverError("ERR syntax error")
		first, second := redisclient.Command{"FT._LIST"}, redisclient.Command{"SCAN", "0", "TYPE", "x"}
		r.Note(first, "", unknown)
		r.Note(second, "SCAN TYPE", syntax)
		time.Sleep(RefusalMemory - 1)
		require.Equal(t, unknown, r.Of(first, ""))
		require.Equal(t, syntax, r.Of(second, "SCAN TYPE"))
		time.Sleep(time.Nanosecond)
		require.NoError(t, r.Of(first, ""), "it is tried again after an hour")
		require.NoError(t, r.Of(second, "SCAN TYPE"))

		r.Note(first, "", unknown)
		r.Note(second, "SCAN TYPE", syntax)
		r.Forget(first, "")
		r.Forget(second, "SCAN TYPE")
		require.NoError(t, r.Of(first, ""), "another server answers")
		require.NoError(t, r.Of(second, "SCAN TYPE"))

		long := strings.Repeat("k", 1<<12)
		for i := range maxRefusals + 100 {
			time.Sleep(time.Nanosecond)
			r.Note(redisclient.Command{"GET", fmt.Sprint(long, i)}, "", serverError("NOPERM No permissions to access a key"))
		}
		require.Len(t, r.refused, maxRefusals)
		require.NoError(t, r.Of(redisclient.Command{"GET", fmt.Sprint(long, 99)}, ""), "the oldest is forgotten first")
		require.Error(t, r.Of(redisclient.Command{"GET", fmt.Sprint(long, 100)}, ""))
		for name := range r.refused {
			require.Less(t, len(name), maxRefusalName+20)
		}
	})
}

// TestRefusalsOfRealServers has each server refuse an unknown command, a command
// and a key, and looks at what is sent afterwards.
func TestRefusalsOfRealServers(t *testing.T) {
	t.Parallel()
	for _, f := range redistest.Flavours(t) {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			f.Need(t)
			s := redistest.Start(t, redistest.Config{Bin: f.Bin})
			cmds := []redisclient.Command{{"NO.SUCH", "a"}, {"MEMORY", "NOSUCH"}}
			others := []redisclient.Command{{"no.such", "b"}, {"memory", "nosuch"}}
			cfg := redisclient.Config{Address: s.Addr}
			if f.Name != "redis-5.0" {
				s.Do(t, "ACL", "SETUSER", "zabbix", "on", "nopass", "~ours:*", "-@all", "+get", "+memory|usage")
				cfg.User, cfg.Password = "zabbix", "any"
				cmds = append(cmds, redisclient.Command{"CONFIG", "GET", "save"}, redisclient.Command{"GET", "theirs"})
				others = append(others, redisclient.Command{"CONFIG", "GET", "maxmemory"}, redisclient.Command{"GET", "theirs"})
			}
			conn, err := redisclient.Dial(t.Context(), cfg)
			require.NoError(t, err)
			t.Cleanup(func() { _ = conn.Close() })
			r := RefusalsOf(new(item.Memory))
			values, err := conn.DoAll(t.Context(), cmds...)
			require.NoError(t, err)
			for i, cmd := range cmds {
				require.Error(t, values[i].Err(), cmd)
				r.Note(cmd, "", values[i].Err())
				require.Error(t, r.Of(others[i], ""), "%v: %v", others[i], values[i].Err())
			}
			require.NoError(t, r.Of(redisclient.Command{"GET", "ours:1"}, ""))
			require.NoError(t, r.Of(redisclient.Command{"MEMORY", "USAGE", "ours:1"}, ""))
			require.NoError(t, r.Of(redisclient.Command{"CONFIG", "RESETSTAT"}, ""))
		})
	}
}
