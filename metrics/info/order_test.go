package info

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSectionsMayStandInAnyOrder: what a server is does not depend on where in INFO
// it says so.
func TestSectionsMayStandInAnyOrder(t *testing.T) {
	t.Parallel()
	x := scanned(t, "# Clients\nredis_version:1\n# Server\nredis_version:7.0.15\n# Memory\nvalkey_version:9\n# Server\nredis_mode:cluster\n")
	id := Identify(x)
	require.Equal(t, []string{"redis", "7.0.15", "cluster"}, []string{id.Flavour, id.Version, id.Mode})
}
