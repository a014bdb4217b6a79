//go:build e2e && linux

package zabbix

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/test/agent"
)

func TestTry(t *testing.T) {
	for _, s := range stacks(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.start(t)
			files, err := filepath.Glob(filepath.Join(agent.Root(t), "packaging/templates/6.0/*.yaml"))
			require.NoError(t, err)
			for range 2 {
				for _, f := range files {
					s.load(t, f)
				}
			}
			require.Empty(t, s.complaints(t))
		})
	}
}
