package plugin

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.zabbix.com/sdk/plugin/comms"

	"redisjobs/metrics"
)

// The tests of this file hold the plugin to the rules that real agents
// enforce, most of them by dying; the process's own rules (signals, silence
// on stdout and stderr) are tested with the built program in the main package.

func TestRule01NothingEndsTheProcessWhileServing(t *testing.T) {
	t.Parallel()
	a := serving(t)

	r := a.export(3, "test.panic")
	require.Contains(t, r.Error, "internal error in test.panic: 100% wrong second line")
	require.Nil(t, r.Value)
	line := <-a.logs
	require.Contains(t, line, "panic in test.panic")
	require.Contains(t, line, "plugin.testMetrics", "the stack is logged")

	// An unknown request, no JSON, a frame of another type and one too long.
	a.write(comms.Common{Id: 900, Type: 77})
	for _, f := range []struct {
		kind uint32
		body string
	}{
		{comms.JSONType, "{not JSON"},
		{comms.JSONType, `{"type":"six"}`},
		{9, "whatever"},
		{comms.JSONType, strings.Repeat("x", maxRequest+1)},
	} {
		_, err := a.conn.Write(rawFrame(f.kind, f.body))
		require.NoError(t, err)
	}
	require.Equal(t, "still here", a.export(3, "test.echo", "still here").Value)
	require.Contains(t, a.export(3, "test.nosuch").Error, `unknown item key "test.nosuch"`)
	require.Contains(t, a.export(3, "test.echo", "a", "b").Error, "too many parameters")
	a.quiet()
	require.Empty(t, a.exit)
}

func rawFrame(kind uint32, body string) []byte {
	b := make([]byte, headerLen, headerLen+len(body))
	binary.LittleEndian.PutUint32(b, kind)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(body)))
	return append(b, body...)
}

func TestRule02TheAgentsWordOrItsEndEndsTheProcess(t *testing.T) {
	t.Parallel()
	a := serving(t)
	a.ask(30, "test.hang")
	a.terminate()
	require.Equal(t, 0, a.exited(), "after Terminate, even with a check under way")

	b := serving(t)
	b.ask(30, "test.hang")
	require.NoError(t, b.conn.Close())
	require.Equal(t, 0, b.exited(), "after the agent's socket ended")
}

func TestRule03TheProcessEndsWhenARegistrationIsNotGoneOnWith(t *testing.T) {
	t.Parallel()
	silence := map[string]func(a *agent){
		"from the start":      func(*agent) {},
		"after registering":   func(a *agent) { a.register("6.4.0") },
		"after validating":    func(a *agent) { a.register("6.4.0"); a.validate(nil) },
		"after a refused one": func(a *agent) { a.register("6.4.0"); a.validate(options("Nosuch=1")) },
	}
	for name, until := range silence {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := startAgent(t, Server{Registering: true})
				until(a)
				began := time.Now()
				require.Equal(t, 1, a.exited())
				require.Equal(t, registrationGuard, time.Since(began))
			})
		})
	}

	t.Run("a served registration ends with 0", func(t *testing.T) {
		t.Parallel()
		a := startAgent(t, Server{Registering: true})
		a.register("6.4.0")
		require.Empty(t, a.validate(nil).Error)
		a.terminate()
		require.Equal(t, 0, a.exited())
	})
	t.Run("a serving process waits for ever", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			a := serving(t)
			time.Sleep(30 * 24 * time.Hour) // fake time
			require.Equal(t, "x", a.export(3, "test.echo", "x").Value)
			a.terminate()
			require.Equal(t, 0, a.exited())
		})
	})
}

func TestRule04NoKeyOfTheBuiltInPluginIsRegistered(t *testing.T) {
	t.Parallel()
	a := startAgent(t, Server{Registering: true})
	r := a.register("6.4.0")
	require.Equal(t, "RedisJobs", r.Name)
	require.Len(t, r.Metrics, 2*len(metrics.All()))
	require.EqualValues(t, comms.Exporter|comms.Configurator|comms.Runner, r.Interfaces)
	seen := map[string]bool{}
	for i := 0; i < len(r.Metrics); i += 2 {
		key, description := r.Metrics[i], r.Metrics[i+1]
		_, isBuiltin := metrics.Builtin(key)
		require.False(t, isBuiltin, "%s is the built-in plugin's", key)
		require.False(t, seen[key], "key %s is registered twice", key)
		seen[key] = true
		require.Regexp(t, `^[A-Z].*\.$`, description, "agents insist on a capital and a full stop")
	}
	for _, alias := range metrics.BuiltinKeys() {
		require.True(t, seen[alias[1]], "alias %s leads to %s, which does not exist", alias[0], alias[1])
	}
}

func TestRule05ValuesAreStrings(t *testing.T) {
	t.Parallel()
	a := serving(t)
	for _, value := range []string{"1", "", "42", `{"a":1}`, "quote \" back \\ newline \n tab \t <&> \u2028 é 漢", "\x00\x01", "bad \xff utf8"} {
		f := a.answer(a.ask(3, "test.echo", value))
		want, err := json.Marshal(comms.ExportResponse{
			Common: comms.Common{Id: f.Id, Type: comms.ExportResponseType}, Value: strings.ToValidUTF8(value, "\ufffd"),
		})
		require.NoError(t, err)
		require.Equal(t, string(want), string(f.body), "the hand-written encoding equals the SDK's")
	}
}

func TestRule06ChecksAreAnsweredBeforeTheAgentsDeadline(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options []string
		item    int
		want    time.Duration
	}{
		"an agent 6 sends no item timeout: its own":  {nil, 0, 2850 * time.Millisecond},
		"an item timeout below the plugin's":         {nil, 1, 950 * time.Millisecond},
		"an item timeout above the plugin's":         {nil, 30, 2850 * time.Millisecond},
		"the plugin's own timeout below the item's":  {[]string{"Timeout=2"}, 9, 1900 * time.Millisecond},
		"the plugin's own timeout above the item's":  {[]string{"Timeout=20"}, 9, 8750 * time.Millisecond},
		"the plugin's own timeout without an item's": {[]string{"Timeout=10"}, 0, 9750 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := serving(t, c.options...)
				began := time.Now()
				require.Contains(t, a.export(c.item, "test.hang").Error, "no answer in the time that the check had")
				require.Equal(t, c.want, time.Since(began))
				a.terminate()
				a.exited()
			})
		})
	}
}

func TestRule07ChecksAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := serving(t)
		var ids []uint32
		for range maxRunning + 100 {
			ids = append(ids, a.ask(3, "test.hang"))
		}
		synctest.Wait()
		require.Len(t, a.frames, 100, "those over the bound are answered at once")
		refused, hung := 0, 0
		for _, id := range ids {
			if r := a.exported(id); strings.Contains(r.Error, "too many checks at once") {
				refused++
			} else {
				require.Contains(t, r.Error, "no answer in the time that the check had")
				hung++
			}
		}
		require.Equal(t, 100, refused)
		require.Equal(t, maxRunning, hung)
		require.Equal(t, "free again", a.export(3, "test.echo", "free again").Value)
		a.terminate()
		a.exited()
	})
}

func TestRule09LogLinesSurviveTheAgentsFormatting(t *testing.T) {
	t.Parallel()
	a := serving(t)
	a.export(3, "test.panic")
	line := <-a.logs
	require.Contains(t, line, "100%% wrong | second line", "agents use the text as a format string")
	require.NotContains(t, line, "\n")
	require.LessOrEqual(t, len(line), maxLogLine+100)
}

func TestRule09LogLinesAreFew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := serving(t)
		for range 500 {
			a.export(3, "test.panic")
		}
		synctest.Wait()
		require.Len(t, a.logs, logBurst-1, "one went to the start")
		time.Sleep(time.Minute) // fake time
		a.export(3, "test.panic")
		synctest.Wait()
		require.Len(t, a.logs, logBurst+1)
		for range logBurst - 1 {
			<-a.logs
		}
		require.Equal(t, "481 log lines were left out: too many at once", <-a.logs)
		a.terminate()
		a.exited()
	})
}

func TestRule10ErrorTextsFitTheAgentsAnswer(t *testing.T) {
	t.Parallel()
	a := serving(t)
	for _, text := range []string{strings.Repeat("x", 5000), strings.Repeat("é", 3000), strings.Repeat("line\n", 1000), "bad \xff\xfe"} {
		f := a.answer(a.ask(3, "test.error", text))
		var r comms.ExportResponse
		require.NoError(t, json.Unmarshal(f.body, &r))
		require.NotEmpty(t, r.Error)
		require.Less(t, len(r.Error), 2000)
		require.NotContains(t, r.Error, "\n")
	}
}

func TestRule11TheSystemOptionsAndEmptyOptionsAreAccepted(t *testing.T) {
	t.Parallel()
	a := startAgent(t, Server{Registering: true})
	r := a.validate(options("System.Path=/x", "System.Capacity=10", "System.ForceActiveChecksOnStart=1",
		"Sessions.A.Uri", "Sessions.A.User=", "Timeout"))
	require.Empty(t, r.Error)
	r = a.validate(options("Sessions.A.Urii=x"))
	require.Contains(t, r.Error, "Plugins.RedisJobs.Sessions.A.Urii")
	require.Empty(t, a.validate(nil).Error, "no options at all")
	r = a.validate(options("Sessions.A.PasswordFile=/nosuch/file"))
	require.Empty(t, r.Error, "a file that is absent costs its session, and not the agent")
	r = a.validate(options("Sessions.A.TLSConnect=verify_ca"))
	require.Empty(t, r.Error, "so does a line that an agent from 7.2 on has dropped")
}

func TestRule12EveryProtocolVersionIsAccepted(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"6.0.13", "6.4.0", "8.0.0", "", "anything"} {
		a := startAgent(t, Server{Registering: true})
		require.Empty(t, a.register(version).Error)
	}
}
