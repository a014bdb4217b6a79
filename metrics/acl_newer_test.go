package metrics

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
	"redisjobs/metrics/item"
)

// Each addition is a rule that the server it is for takes, and Redis 7.0 refuses.
func TestTheRightsForCommandsOfNewerServers(t *testing.T) {
	t.Parallel()
	old := redistest.Start(t, redistest.Config{})
	for _, a := range testACL().RulesNewer() {
		require.NotEmpty(t, a.Where)
		command, ok := strings.CutPrefix(a.Rule, "ACL SETUSER zabbix +")
		require.True(t, ok, a.Rule)
		require.True(t, slices.ContainsFunc(All(), func(m *item.Metric) bool { return slices.Contains(m.Commands, command) }), command)
		_, err := old.TryDo(strings.Fields(a.Rule)...)
		require.ErrorContains(t, err, "ACL SETUSER modifier", "so it cannot be in the rule")
	}
	for name, rule := range map[string]string{"valkey-9.1": testACL().RulesNewer()[0].Rule, "redis-8.2": testACL().RulesNewer()[2].Rule, "redis-8.6": testACL().RulesNewer()[3].Rule, "redis-8.0": testACL().RulesNewer()[4].Rule} {
		s := redistest.Start(t, redistest.Config{Bin: redistest.Find(t, name).Bin})
		require.Equal(t, "OK", s.Do(t, strings.Fields(rule)...))
	}
}
