package redisclient

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/redistest"
)

// A peer that vanished without a word is found within a minute of idling: after 30
// seconds the kernel asks every 10 for it, three times.
func TestAVanishedPeerOfAnIdleConnectionIsFoundWithinAMinute(t *testing.T) {
	t.Parallel()
	c := dial(t, Config{Address: redistest.NewFake(t).Addr})
	socket, err := c.raw.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	option := func(level, name int) (value int) {
		require.NoError(t, socket.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, name) }))
		require.NoError(t, err)
		return value
	}
	require.Equal(t, 1, option(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE))
	require.Equal(t, 30, option(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE))
	require.Equal(t, 10, option(syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL))
	require.Equal(t, 3, option(syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT))
}
