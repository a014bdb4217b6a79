package ports

import (
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFreePortsAreFreeAndDiffer(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 500 {
		port := Free(t)
		require.False(t, seen[port])
		seen[port] = true
		require.GreaterOrEqual(t, port, first)
		require.LessOrEqual(t, port, last)
	}
	for port := range seen {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		require.NoError(t, err)
		require.NoError(t, listener.Close())
		break
	}
}

func TestATakenPortIsNotGiven(t *testing.T) {
	t.Parallel()
	addr := FreeAddr(t)
	listener, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	defer listener.Close()
	for range 100 {
		require.NotEqual(t, addr, FreeAddr(t))
	}
}
