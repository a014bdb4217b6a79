package plugin

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestAnAnswerOverTheLimitIsAnError(t *testing.T) {
	t.Parallel()
	a := serving(t, "MaxAnswer=64K")
	require.Equal(t, strings.Repeat("x", 65536), a.export(3, "test.repeat", "65536 x").Value)
	r := a.export(3, "test.repeat", "65537 x")
	require.Contains(t, r.Error, "the answer to test.repeat has 65537 bytes, more than the limit of 65536 (option Plugins.RedisJobs.MaxAnswer)")
}

func TestAWrongConfigurationIsTheErrorOfEveryCheck(t *testing.T) {
	t.Parallel()
	a := startAgent(t, Server{Metrics: testMetrics()})
	require.Contains(t, a.export(3, "test.echo", "x").Error, "not configured yet")
	a.configure(options("Timeout=99"))
	require.Contains(t, a.export(3, "test.echo", "x").Error, "the plugin is not configured: Plugins.RedisJobs.Timeout")
	require.Contains(t, <-a.logs, "Plugins.RedisJobs.Timeout")
	a.configure(options("Timeout=9"))
	require.Equal(t, "x", a.export(3, "test.echo", "x").Value)
}

func TestChecksRunSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := serving(t)
		slow := a.ask(3, "test.hang")
		require.Equal(t, "x", a.export(3, "test.echo", "x").Value, "a hanging check holds up no other")
		require.Contains(t, a.exported(slow).Error, "no answer in the time that the check had")
		a.terminate()
		a.exited()
	})
}

func TestManyAnswersAtOnceStayWhole(t *testing.T) {
	t.Parallel()
	a := serving(t)
	var ids []uint32
	var want []string
	for i := range 500 {
		letter := string(rune('a' + i%26))
		want = append(want, strings.Repeat(letter, i*37))
		ids = append(ids, a.ask(3, "test.repeat", fmt.Sprint(i*37, " ", letter)))
	}
	for i, id := range ids {
		require.Equal(t, want[i], a.exported(id).Value)
	}
}
