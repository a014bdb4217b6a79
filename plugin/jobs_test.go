package plugin

import (
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/conf"
	"redisjobs/metrics/jobs"
)

// TestOptionsKnowTheJobSystems: conf knows no metrics, and has a list of its own.
func TestOptionsKnowTheJobSystems(t *testing.T) {
	t.Parallel()
	require.Equal(t, jobs.Names(), conf.JobSystems())
}
