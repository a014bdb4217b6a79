package doctor

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"

	"redisjobs/metrics/item"
)

// defaultProbes are those for a server without any configuration.
func defaultProbes(t testing.TB) []probe {
	t.Helper()
	options, err := conf.Decode(nil, conf.Global{})
	require.NoError(t, err)
	return probes(item.StormOptions(options.Storm), item.JobsOptions(options.Jobs), false)
}
